package account

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// VerificationState is what a verification's status means, whatever the provider calls it. The order is that of urgency.
type VerificationState int

// The states. The zero value is that of a status which no table knows.
const (
	VerificationOther VerificationState = iota
	// VerificationRequired: somebody has to hand in documents.
	VerificationRequired
	// VerificationInProgress: the provider is examining documents.
	VerificationInProgress
	// VerificationDone: nothing is left to do.
	VerificationDone
	// VerificationNotRequired: nothing has to be verified.
	VerificationNotRequired
)

// VerificationStates are all states, in their order.
var VerificationStates = []VerificationState{VerificationOther, VerificationRequired, VerificationInProgress, VerificationDone, VerificationNotRequired}

// String is the state's name, as for a metric's label.
func (s VerificationState) String() string {
	switch s {
	case VerificationRequired:
		return "Required"
	case VerificationInProgress:
		return "InProgress"
	case VerificationDone:
		return "Verified"
	case VerificationNotRequired:
		return "NotRequired"
	case VerificationOther:
	}
	return "Other"
}

// Verification is something that the provider verifies about an account before it lets the account do certain things.
type Verification struct {
	// Name is what the provider calls it, Status how it stands, in the provider's words.
	Name, Status string
	// HoldUntil is the day, YYYY-MM-DD, until which the provider holds what is not verified, "" where it names none.
	HoldUntil string
	// State is what Status means.
	State VerificationState
}

const (
	// MaxVerifications is how many verifications of an account are kept.
	MaxVerifications = 16
	// longestVerification is how many characters of each text are kept.
	longestVerification = 64
)

// BoundVerifications are an account's verifications as they are kept: each name once, those first that somebody has to act on, at most
// MaxVerifications, with texts that are short and printable. The order depends on nothing else, so the same verifications are the same list.
func BoundVerifications(list []Verification) []Verification {
	out := make([]Verification, 0, len(list))
	for _, v := range list {
		v.Name, v.Status, v.HoldUntil = shortText(v.Name), shortText(v.Status), shortText(v.HoldUntil)
		if v.Name != "" {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Verification) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Status, b.Status), cmp.Compare(a.HoldUntil, b.HoldUntil))
	})
	seen := make(map[string]bool, len(out))
	out = slices.DeleteFunc(out, func(v Verification) bool {
		again := seen[v.Name]
		seen[v.Name] = true
		return again
	})
	return slices.Clip(out[:min(len(out), MaxVerifications)])
}

// shortText is a text from outside as far as it is kept.
func shortText(text string) string {
	if len(text) <= longestVerification && plainText(text) {
		return text
	}
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text[:min(len(text), 4*longestVerification)])
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:min(len(runes), longestVerification)]))
}

// plainText says whether a text is of printable ASCII alone, without blanks around it.
func plainText(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(text) == text
}
