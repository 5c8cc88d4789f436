package image

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	hostPattern = regexp.MustCompile(`^([a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?|localhost(:[0-9]+)?|[a-z0-9-]+:[0-9]+)$`)
	pathPattern = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// checkName gives the tag of a full image name. A short name is refused: a pod
// that says `edge:dev` asks for docker.io/library/edge:dev, and an image under
// any other name would never be found.
func checkName(name string) (tag string, err error) {
	host, rest, found := strings.Cut(name, "/")
	if !found || !hostPattern.MatchString(host) {
		return "", fmt.Errorf("image name %q has no registry host; write it in full, like kubefront.local/edge:dev", name)
	}
	repository, tag, found := strings.Cut(rest, ":")
	if !found || !tagPattern.MatchString(tag) {
		return "", fmt.Errorf("image name %q has no proper tag; write it in full, like kubefront.local/edge:dev", name)
	}
	if !pathPattern.MatchString(repository) {
		return "", fmt.Errorf("image name %q: %q is not a repository name (small letters and digits, separated by one of . _ - /)", name, repository)
	}
	return tag, nil
}
