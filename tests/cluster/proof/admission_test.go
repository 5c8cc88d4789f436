//go:build cluster

package proof

import (
	"fmt"
	"strings"
	"testing"
)

func widget(name string, low, high int) string {
	return fmt.Sprintf(`{"apiVersion":"proof.kubefront.local/v1","kind":"Widget","metadata":{"name":%q},"spec":{"min":%d,"max":%d}}`, name, low, high)
}

func TestARuleOfACustomResourceRefuses(t *testing.T) {
	create(t, widget("good", 1, 2))
	refused(t, "min must not exceed max", widget("bad", 3, 2), "create", "-f", "-")
}

func TestAnAdmissionPolicyRefuses(t *testing.T) {
	// A policy takes effect a moment after it is made.
	eventually(t, func() error {
		output, err := kubectl("-n", namespace, "create", "configmap", "production-settings", "--dry-run=server")
		if err == nil || !strings.Contains(output, "nothing of production here") {
			return fmt.Errorf("wanted a refusal, got %v: %s", err, output)
		}
		return nil
	})
	in(t, "create", "configmap", "other-settings")
}

// With OwnerReferencesPermissionEnforcement, whoever makes an object that blocks
// its owner's deletion must have the right to the owner's finalizers.
func TestAnOwnedObjectNeedsTheRightToItsOwnersFinalizers(t *testing.T) {
	create(t, widget("owner", 1, 2))
	owned := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned","ownerReferences":[`+
		`{"apiVersion":"proof.kubefront.local/v1","kind":"Widget","name":"owner","uid":%q,"controller":true,"blockOwnerDeletion":true}]}}`,
		in(t, "get", "widget", "owner", "-o", "jsonpath={.metadata.uid}"))
	as := "--as=system:serviceaccount:" + namespace + ":client"
	// The plugin learns of a new kind within ten seconds; until then it refuses
	// for another reason.
	eventually(t, func() error {
		return refusal("you can't set finalizers on", owned, "create", "-f", "-", as)
	})
	in(t, "patch", "role", "creator", "--type=json", "-p",
		`[{"op":"add","path":"/rules/-","value":{"apiGroups":["proof.kubefront.local"],"resources":["widgets/finalizers"],"verbs":["update"]}}]`)
	eventually(t, func() error {
		if output, err := kubectl("-n", namespace, "auth", "can-i", "update", "widgets/finalizers", as); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
	create(t, owned, as)
}

func TestATokenIsGoodForItsAudienceOnly(t *testing.T) {
	in(t, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
	token := in(t, "exec", "client", "--", "/hello", "read", "/token/token")
	review := func(audience string) string {
		return create(t, fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":%q,"audiences":[%q]}}`, token, audience),
			"-o", "jsonpath={.status.authenticated} {.status.user.username} {.status.user.extra}")
	}
	right := review("proof")
	if !strings.HasPrefix(right, "true system:serviceaccount:"+namespace+":client ") || !strings.Contains(right, "pod-name") {
		t.Errorf("for its audience: %s", right)
	}
	if wrong := review("another"); strings.HasPrefix(wrong, "true") {
		t.Errorf("for another audience: %s", wrong)
	}
}
