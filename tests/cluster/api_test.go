package main

import "testing"

func TestAConditionSaysWhyItDoesNotHold(t *testing.T) {
	check := func(conditions []condition, want string) {
		t.Helper()
		var o object
		o.Status.Conditions = conditions
		got := ""
		if err := o.holds("Ready"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%v: %q, want %q", conditions, got, want)
		}
	}
	check([]condition{{"Other", "False", ""}, {"Ready", "True", ""}}, "")
	check([]condition{{"Ready", "False", "no network"}}, "Ready is False: no network")
	check([]condition{{"Ready", "Unknown", "silent"}}, "Ready is Unknown: silent")
	check(nil, errNoCondition.Error())
	check([]condition{{"Other", "True", ""}}, errNoCondition.Error())
}

func TestARefusalIsToldInOneLine(t *testing.T) {
	for answer, want := range map[string]string{
		`{"kind":"Status","message":"nodes \"node1\" not found"}`:                                                        `nodes "node1" not found`,
		"[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed: not finished\nreadyz check failed\n": "etcd failed: reason withheld, poststarthook/rbac failed: not finished",
		"": "",
	} {
		if got := statusMessage([]byte(answer)); got != want {
			t.Errorf("%q: %q", answer, got)
		}
	}
}
