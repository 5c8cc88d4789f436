package image

import (
	"fmt"
	"slices"
	"strings"
)

// accounts are the /etc/passwd and /etc/group of an image whose user is not
// root. Kubernetes passes on only the number of the user, and a container
// runtime that does not find that user's group in /etc/passwd takes root's. What
// the image brings itself stays.
func accounts(spec Spec) []File {
	user, group, found := strings.Cut(spec.User, ":")
	if !found || user == "0" {
		return nil
	}
	files := []File{
		{Path: "/etc/passwd", Text: "root:x:0:0:root:/root:/sbin/nologin\n" + fmt.Sprintf("nonroot:x:%s:%s:nonroot:/:/sbin/nologin\n", user, group)},
		{Path: "/etc/group", Text: "root:x:0:\n" + fmt.Sprintf("nonroot:x:%s:\n", group)},
	}
	return slices.DeleteFunc(files, func(f File) bool {
		return slices.ContainsFunc(spec.Files, func(own File) bool { return own.Path == f.Path })
	})
}
