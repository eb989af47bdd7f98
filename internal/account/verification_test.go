package account

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestBoundVerifications(t *testing.T) {
	v := func(name string, state VerificationState) Verification {
		return Verification{Name: name, Status: state.String(), State: state}
	}
	for name, test := range map[string]struct{ in, want []Verification }{
		"none": {nil, []Verification{}},
		"those first that somebody has to act on": {
			[]Verification{v("a", VerificationNotRequired), v("b", VerificationDone), v("d", VerificationRequired), v("c", VerificationRequired), v("e", VerificationInProgress), v("f", VerificationOther)},
			[]Verification{v("f", VerificationOther), v("c", VerificationRequired), v("d", VerificationRequired), v("e", VerificationInProgress), v("b", VerificationDone), v("a", VerificationNotRequired)},
		},
		"a name once, by the more urgent": {[]Verification{v("a", VerificationDone), v("a", VerificationRequired)}, []Verification{v("a", VerificationRequired)}},
		"texts that are long or not printable": {
			[]Verification{{Name: " DE\n\x00" + strings.Repeat("ü", 200), Status: "\xff\tREQUIRED ", HoldUntil: "2026-01-02"}, {Name: "\n"}},
			[]Verification{{Name: "DE" + strings.Repeat("ü", 61), Status: "REQUIRED", HoldUntil: "2026-01-02"}},
		},
	} {
		if got := BoundVerifications(test.in); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	var many []Verification
	for i := range 100 {
		many = append(many, v(fmt.Sprintf("n%03d", i), VerificationRequired))
	}
	if got := BoundVerifications(many); len(got) != MaxVerifications || cap(got) != MaxVerifications {
		t.Errorf("%d of %d are kept", len(got), cap(got))
	}
	for i, state := range VerificationStates {
		if int(state) != i || state.String() == "" || state != VerificationOther && state.String() == "Other" {
			t.Errorf("%d is %d, %s", i, state, state)
		}
	}
}
