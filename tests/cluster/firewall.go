package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// ruleset lists the rules of nftables, to which iptables translates, and those
// of the older kind, where the kernel has any.
func ruleset() ([]string, error) {
	output, err := ask("nft", "--stateless", "list", "ruleset")
	if err != nil {
		return nil, err
	}
	found := parseNftables(output)
	for command, tables := range map[string]string{"iptables-legacy-save": "ip", "ip6tables-legacy-save": "ip6"} {
		if there, err := os.ReadFile("/proc/net/" + tables + "_tables_names"); err != nil || len(there) == 0 {
			continue
		}
		output, err := ask(command)
		if err != nil {
			return nil, err
		}
		found = append(found, parseIptables(tables, output)...)
	}
	return found, nil
}

// parseNftables puts the table and the chain before each rule.
func parseNftables(output string) []string {
	var found, within []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "}":
			within = within[:max(len(within)-1, 0)]
		default:
			opened, opens := strings.CutSuffix(line, " {")
			found = append(found, strings.Join(append(slices.Clone(within), opened), ": "))
			if opens {
				within = append(within, opened)
			}
		}
	}
	return found
}

// packets are how many a chain has counted.
var packets = regexp.MustCompile(` \[\d+:\d+\]$`)

// parseIptables puts the table before each rule, and leaves out what counts.
func parseIptables(family, output string) []string {
	var found []string
	table := ""
	for line := range strings.Lines(output) {
		line = packets.ReplaceAllString(strings.TrimSpace(line), "")
		switch {
		case line == "" || line == "COMMIT" || line[0] == '#':
		case line[0] == '*':
			table = line[1:]
		default:
			found = append(found, fmt.Sprintf("%s %s: %s", family, table, line))
		}
	}
	return found
}
