package account

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Claim says which resource of which installation an account belongs to. Creation writes it into the
// account's custom data, so that a rebuilt cluster finds its accounts. It never counts without the exact account name.
type Claim struct {
	// Installation is the operator's --installation-id.
	Installation string `json:"installation"`
	// Namespace and Name are those of the resource.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// claimDocument is the JSON object in the custom data; the key keeps it apart from other people's data.
type claimDocument struct {
	Claim *Claim `json:"accounts.cpaas.dev/claim"`
}

// String names the holder for people.
func (c Claim) String() string {
	return fmt.Sprintf("%s/%s of installation %s", c.Namespace, c.Name, c.Installation)
}

// CustomData is the text that carries the claim.
func (c Claim) CustomData() string {
	b, err := json.Marshal(claimDocument{Claim: &c})
	if err != nil { // three strings always marshal
		panic(err)
	}
	return string(b)
}

// ParseClaim reads a claim from custom data; ok is false where there is none, or none as CustomData writes it: whoever has the
// account may have written anything.
func ParseClaim(customData string) (claim Claim, ok bool) {
	var d claimDocument
	if json.Unmarshal([]byte(customData), &d) != nil || d.Claim == nil {
		return Claim{}, false
	}
	c := *d.Claim
	return c, PlainWord(c.Installation) && PlainWord(c.Namespace) && PlainWord(c.Name)
}

// maxWord is how many bytes a name of Kubernetes may have, and so an installation id.
const maxWord = 253

// PlainWord says whether a text may be an installation id, or a name: something that can be seen, without blanks.
func PlainWord(s string) bool {
	return s != "" && len(s) <= maxWord && !strings.ContainsFunc(s, func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsGraphic(r)
	})
}
