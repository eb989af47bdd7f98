package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
)

// attempt tells one attempt from another: the generation, what was requested, the connection it would use, what the parent
// allows a resource that has no account yet, and what it would write, the password included. All that a refusal depends on has to be
// in it: a final refusal stays for as long as the attempt is the same.
func attempt(in *Input, d account.Decision) string {
	s := d.Step
	if s == account.StepRead && in.Subject.ID == "" {
		s = account.StepCreate // the read that an intent asks for is a part of creating
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %q %s", in.Resource.Generation, in.Resource.Requested, in.Attempts.Connection, in.Password.Mark, s)
	if in.Salt.Mark != "" {
		fmt.Fprintf(h, " salt %q", in.Salt.Mark)
	}
	if in.Template.AccountID != "" {
		fmt.Fprintf(h, " template %q", in.Template.AccountID)
	}
	if in.Resource.Origin == "" {
		fmt.Fprintf(h, " %t %t %t", in.Shared, in.SeesAll, in.MayAdopt)
	}
	for _, c := range d.Changes {
		fmt.Fprintf(h, " %s=%q>%q", c.Field.Path, c.From, c.To)
	}
	return hex.EncodeToString(h.Sum(nil)[:attemptBytes])
}

// attemptBytes is how much of a digest tells one attempt from another.
const attemptBytes = 16

// changeText says what would be written, for people. No secret is among the changes.
func changeText(changes []account.Change) string {
	text := ""
	for i, c := range changes {
		if i > 0 {
			text += ", "
		}
		text += c.Field.Path + "=" + brief(c.To)
	}
	return text
}

// longestValue is how many bytes of a value the text of a change has: no value but a free text is longer.
const longestValue = 1024

// brief is a value, cut where it is very long: what is cut off is told by a digest, so that texts of different values differ.
func brief(v string) string {
	if len(v) <= longestValue {
		return v
	}
	sum := sha256.Sum256([]byte(v))
	return strings.ToValidUTF8(v[:longestWord], "") + "… (digest " + hex.EncodeToString(sum[:4]) + ")"
}
