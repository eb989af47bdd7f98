package directory

import (
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// What a provider can do is what its Remote implements; the rest is an error of class Invalid, and no call.
func TestCapabilities(t *testing.T) {
	s := fake.New(fake.Options{})
	for _, c := range []struct {
		remote provider.Remote
		can    bool
	}{{s.Remote(), true}, {struct{ provider.Remote }{s.Remote()}, false}} {
		conn := &connection{remote: &replaced{}}
		conn.replace(c.remote)
		errs := map[string]error{}
		_, errs["claims"] = conn.claimer()
		_, errs["setting passwords"] = conn.passwordSetter()
		_, errs["checking passwords"] = conn.passwordChecker()
		_, errs["keys"] = conn.keyRecoverer()
		_, errs["service-account keys"] = ServiceKeysOf(&Directory{connection: conn})
		_, errs["plans"] = planner(conn)
		for name, err := range errs {
			if c.can && err != nil || !c.can && account.ClassOf(err) != account.Invalid {
				t.Errorf("%s: %v; want %v", name, err, c.can)
			}
		}
		got := CapabilitiesOf(&Directory{connection: conn})
		if conn.hasClaims() != c.can || got != (Capabilities{Passwords: c.can, Keys: c.can, SignIns: c.can, ServiceKeys: c.can, Plans: c.can, Clones: c.can, Claims: c.can}) {
			t.Errorf("claims %v, %+v; want %v", conn.hasClaims(), got, c.can)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// replaced is a Remote that is replaced before anything is called.
type replaced struct{ provider.Remote }
