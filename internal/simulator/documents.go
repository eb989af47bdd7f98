package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The fields of an account that hold lists: its verifications, and the subscriptions that it pays for.
const (
	fieldVerifications = "verifications"
	fieldSubscriptions = "subscriptions"
)

// longestVerificationName is from how many characters on a verification_name is refused: a guess.
const longestVerificationName = 100

// The statuses of a verification. One can't be asked for: NOT_REQUIRED.
const (
	VerificationRequired    = "REQUIRED"
	VerificationInProgress  = "IN_PROGRESS"
	VerificationVerified    = "VERIFIED"
	VerificationNotRequired = "NOT_REQUIRED"
)

// Verification is a verification of an account, as GetAccountDocuments answers with it. An account's are its field "verifications".
type Verification struct {
	Name   string `json:"verification_name"`
	Status string `json:"verification_status"`
	// HoldUntil is a day, YYYY-MM-DD; "" for none.
	HoldUntil string     `json:"unverified_hold_until,omitempty"`
	Documents []Document `json:"documents,omitempty"`
}

// Document is a document that was uploaded for a Verification.
type Document struct {
	ID         int64  `json:"account_document_id"`
	Individual bool   `json:"is_individual"`
	Comment    string `json:"comment,omitempty"`
	Uploaded   string `json:"uploaded"`
	Status     string `json:"account_document_status"`
}

// coerceList brings the value of a field that holds a list to its type, strictly: a list of other objects is refused. Other fields keep
// their value.
func coerceList(name string, value any) (any, error) {
	switch name {
	case fieldVerifications:
		return listOf(name, value, func(v Verification) bool { return v.Name != "" && v.Status != "" })
	case fieldSubscriptions:
		return listOf(name, value, func(s Subscription) bool { return s.Type != "" && s.Amount >= 0 })
	}
	return value, nil
}

func listOf[T any](name string, value any, good func(T) bool) ([]T, error) {
	if list, ok := value.([]T); ok && !slices.ContainsFunc(list, func(one T) bool { return !good(one) }) {
		return slices.Clone(list), nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var list []T
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil || slices.ContainsFunc(list, func(one T) bool { return !good(one) }) {
		return nil, fmt.Errorf("field %q must be a list of complete objects as the API writes them", name)
	}
	return list, nil
}

// asDate is a day: YYYY-MM-DD.
func asDate(name, raw string) (any, *apiError) {
	if _, err := time.Parse(time.DateOnly, raw); err != nil {
		return nil, fail(codeInvalidParameter, name)
	}
	return raw, nil
}

// asVerificationStatuses is a list of the statuses that can be asked for.
func asVerificationStatuses(_, raw string) (any, *apiError) {
	items := strings.Split(raw, ";")
	for _, item := range items {
		if item != VerificationRequired && item != VerificationInProgress && item != VerificationVerified {
			return nil, fail(codeVerificationStatus)
		}
	}
	return items, nil
}

// getAccountDocuments is GetAccountDocuments: the verifications of the caller's account and of the children that it names.
// Guess: accounts of which no verification is left are not in the answer; children_verifications_only without child_account_id is all children.
func getAccountDocuments(s *Simulator, c *invocation) (map[string]any, *apiError) {
	childrenOnly := c.values.flag("children_verifications_only", false)
	list, byID := c.values["child_account_id"].(idList)
	all := list.all || childrenOnly && !byID
	accounts := slices.Clone(s.children[c.who.account.ID])
	if !all {
		var err *apiError
		if accounts, err = s.childrenByID(c.who.account.ID, list.ids, false); err != nil {
			return nil, err
		}
	}
	if !childrenOnly {
		accounts = append([]*Account{c.who.account}, accounts...)
	}
	result := []map[string]any{}
	for _, a := range accounts {
		if verifications := selectVerifications(c, a, all); len(verifications) > 0 {
			result = append(result, map[string]any{"account_id": a.ID, "verifications": verifications})
		}
	}
	return map[string]any{"result": result}, nil
}

// selectVerifications are the verifications of an account that meet the filters of a call.
func selectVerifications(c *invocation, a *Account, all bool) (out []Verification) {
	statuses, byStatus := c.values["verification_status"].([]string)
	name, from, to := c.values.text("verification_name"), c.values.text("from_unverified_hold_until"), c.values.text("to_unverified_hold_until")
	verifications, _ := a.Fields[fieldVerifications].([]Verification)
	for _, v := range verifications {
		switch {
		case byStatus && !slices.Contains(statuses, v.Status),
			name != "" && v.Name != name,
			(from != "" || to != "") && v.HoldUntil == "",
			from != "" && v.HoldUntil < from,
			to != "" && v.HoldUntil > to:
			continue
		}
		if all || !c.values.flag("with_details", false) { // doc: ignored with all
			v.Documents = nil
		}
		out = append(out, v)
	}
	return out
}
