package secrets

import (
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func TestKnownPasswords(t *testing.T) {
	k := NewKnownPasswords()
	mark := k.Mark("Secret-1")
	if mark == k.Mark("Secret-2") || mark != k.Mark("Secret-1") || strings.Contains(mark, "Secret") {
		t.Errorf("mark %s", mark)
	}
	if other := NewKnownPasswords().Mark("Secret-1"); other == mark {
		t.Error("the marks of two processes can be compared")
	}
	if k.Has("uid", "1", mark) {
		t.Error("known by nobody")
	}
	k.Set("uid", "1", mark)
	for name, c := range map[string]struct {
		uid           types.UID
		account, mark string
		want          bool
	}{
		"the same":         {"uid", "1", mark, true},
		"another account":  {"uid", "2", mark, false},
		"another password": {"uid", "1", k.Mark("Secret-2"), false},
		"another resource": {"other", "1", mark, false},
	} {
		if got := k.Has(c.uid, c.account, c.mark); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	k.Set("none", "", "")
	if k.Has("none", "", "") {
		t.Error("no password is one that an account has")
	}
	k.Forget("uid")
	if k.Has("uid", "1", mark) || len(k.known) != 1 {
		t.Errorf("remembered: %v", k.known)
	}
}

func TestKnownPasswordsAtOnce(t *testing.T) {
	k := NewKnownPasswords()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			k.Set("uid", "1", k.Mark("Secret-1"))
			k.Has("uid", "1", "mark")
			k.Forget("uid")
		})
	}
	all.Wait()
}
