package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// leftovers names what has come since `before`, and what is gone.
func leftovers(before, after traces) []string {
	left := leftProcesses(before, after)
	kinds := slices.AppendSeq(slices.Collect(maps.Keys(before.Things)), maps.Keys(after.Things))
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		for _, thing := range without(after.Things[kind], before.Things[kind]) {
			left = append(left, fmt.Sprintf("%s left: %s", kind, thing))
		}
		if kind == controlGroups {
			continue
		}
		for _, thing := range without(before.Things[kind], after.Things[kind]) {
			left = append(left, fmt.Sprintf("%s gone: %s", kind, thing))
		}
	}
	return left
}

// without takes from some things those that are among others, each once: two
// mounts in one place are two.
func without(some, others []string) []string {
	count := map[string]int{}
	for _, thing := range others {
		count[thing]++
	}
	var rest []string
	for _, thing := range some {
		if count[thing]--; count[thing] < 0 {
			rest = append(rest, thing)
		}
	}
	return rest
}

// leftProcesses names the new processes that must be the cluster's. A machine
// has others, which come and go. Ours have inherited our control groups or are
// in the cluster's, and they live in namespaces that were not there before, or
// their parent has ended and left them behind.
func leftProcesses(before, after traces) []string {
	tree := newFamilyTree(before, after)
	namespaces := map[string]bool{}
	for _, p := range before.Processes {
		for _, namespace := range p.Namespaces {
			namespaces[namespace] = true
		}
	}
	var left []string
	for _, p := range after.Processes {
		if tree.known[p.Number] {
			continue
		}
		why := ""
		switch group, inGroup := p.clusterGroup(); {
		case inGroup:
			why = "in control group " + group
		case !p.within(after.Own):
			continue
		case p.stranger(namespaces) != "":
			why = "in namespace " + p.stranger(namespaces)
		case tree.orphan(p):
			why = "left behind by its parent"
		default:
			continue
		}
		left = append(left, fmt.Sprintf("process left: %d, %s: %s", p.Number, why, p.Command))
	}
	return left
}

// familyTree says who descends from whom.
type familyTree struct {
	processes map[int]process
	known     map[int]bool // there before, or the one who looks, or an ancestor of that
}

func newFamilyTree(before, after traces) familyTree {
	type identity struct {
		number  int
		started uint64
	}
	there := map[identity]bool{}
	for _, p := range before.Processes {
		there[identity{p.Number, p.Started}] = true
	}
	tree := familyTree{processes: map[int]process{}, known: map[int]bool{}}
	for _, p := range after.Processes {
		tree.processes[p.Number] = p
		tree.known[p.Number] = there[identity{p.Number, p.Started}]
	}
	for number := after.Self; number > 1; number = tree.processes[number].Parent {
		tree.known[number] = true
	}
	return tree
}

// orphan says whether a process descends from no known one but the machine's
// first, which takes in those whose parent has ended.
func (tree familyTree) orphan(p process) bool {
	for number := p.Parent; number > 1; number = tree.processes[number].Parent {
		if tree.known[number] {
			return false
		}
		p = tree.processes[number]
	}
	return p.Parent == 1
}

// clusterGroup gives the control group by which a process is the cluster's.
func (p process) clusterGroup() (group string, found bool) {
	for _, group := range p.Groups {
		if slices.Contains(strings.Split(group, "/"), groupName) {
			return group, true
		}
	}
	return "", false
}

// within says whether a process is in these control groups, or below them, in
// every hierarchy.
func (p process) within(groups map[string]string) bool {
	for hierarchy, own := range groups {
		group, member := p.Groups[hierarchy]
		if !member || !strings.HasPrefix(group+"/", strings.TrimSuffix(own, "/")+"/") {
			return false
		}
	}
	return true
}

// stranger gives a namespace of the process that is not among these.
func (p process) stranger(namespaces map[string]bool) string {
	for _, kind := range sortedKeys(p.Namespaces) {
		if !namespaces[p.Namespaces[kind]] {
			return p.Namespaces[kind]
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
