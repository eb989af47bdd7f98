package simulator

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
)

// verificationsOf are the verifications in an answer, as "account: name status", in its order.
func verificationsOf(t *testing.T, r response) (out []string) {
	t.Helper()
	for _, row := range r.rows(t) {
		for _, v := range row["verifications"].([]any) {
			v := v.(map[string]any)
			text := fmt.Sprintf("%.0f: %v %v", row["account_id"], v["verification_name"], v["verification_status"])
			if v["documents"] != nil {
				text += " with documents"
			}
			out = append(out, text)
		}
	}
	return out
}

func TestGetAccountDocuments(t *testing.T) {
	f := newFixture(t)
	a, b, plain := f.child("acme-a").ID, f.child("acme-b").ID, f.child("acme-plain").ID
	own := f.parent.ID
	stranger := f.AddStranger("stranger", "stranger@else.example").ID
	put := func(id int64, list ...Verification) {
		if err := f.SetField(id, fieldVerifications, list); err != nil {
			t.Fatal(err)
		}
	}
	put(own, Verification{Name: "KYC", Status: VerificationVerified})
	put(a, Verification{Name: "DE", Status: VerificationRequired, HoldUntil: "2026-06-01"}, Verification{Name: "RU", Status: VerificationNotRequired})
	put(b, Verification{Name: "DE", Status: VerificationInProgress, HoldUntil: "2026-07-01", Documents: []Document{{ID: 7, Status: "IN_PROGRESS", Uploaded: "2026-05-01 10:00:00"}}})
	for name, test := range map[string]struct {
		form form
		want []string
	}{
		"one's own":         {nil, []string{fmt.Sprintf("%d: KYC VERIFIED", own)}},
		"all children":      {form{"child_account_id": "all", "children_verifications_only": "true", "with_details": "true"}, []string{fmt.Sprintf("%d: DE REQUIRED", a), fmt.Sprintf("%d: RU NOT_REQUIRED", a), fmt.Sprintf("%d: DE IN_PROGRESS", b)}},
		"one child and own": {form{"child_account_id": fmt.Sprint(b), "with_details": "true"}, []string{fmt.Sprintf("%d: KYC VERIFIED", own), fmt.Sprintf("%d: DE IN_PROGRESS with documents", b)}},
		"none":              {form{"child_account_id": fmt.Sprint(plain), "children_verifications_only": "true"}, nil},
		"by status":         {form{"child_account_id": "all", "verification_status": "REQUIRED;VERIFIED"}, []string{fmt.Sprintf("%d: KYC VERIFIED", own), fmt.Sprintf("%d: DE REQUIRED", a)}},
		"by name":           {form{"child_account_id": "all", "verification_name": "RU"}, []string{fmt.Sprintf("%d: RU NOT_REQUIRED", a)}},
		"by day":            {form{"child_account_id": "all", "from_unverified_hold_until": "2026-06-02", "to_unverified_hold_until": "2026-07-01"}, []string{fmt.Sprintf("%d: DE IN_PROGRESS", b)}},
	} {
		if got := verificationsOf(t, f.call("GetAccountDocuments", test.form)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	for _, test := range []struct {
		form form
		code int
	}{
		{form{"child_account_id": fmt.Sprint(stranger)}, codeChildID},
		{form{"child_account_id": "x"}, codeChildID},
		{form{"verification_status": "NOT_REQUIRED"}, codeVerificationStatus},
		{form{"from_unverified_hold_until": "1.6.2026"}, codeInvalidParameter},
		{form{"with_details": "maybe"}, codeInvalidParameter},
		{form{"verified": "true"}, codeForbiddenParameter},
	} {
		wantCode(t, f.call("GetAccountDocuments", test.form), test.code)
	}
	f.creds = f.newKey(f.parent.ID, RoleDeveloper)
	wantCode(t, f.call("GetAccountDocuments", nil), codeUnauthorized)
}

// What is no list of verifications is refused, and what is one outlives a restart.
func TestVerificationsAreStored(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(t.TempDir(), "state.json")
	f.stateFile = file
	id := f.child("acme-a").ID
	for _, bad := range []any{"REQUIRED", []any{map[string]any{"verification_name": "DE"}}, []any{map[string]any{"name": "DE", "verification_status": "REQUIRED"}}} {
		if err := f.SetField(id, fieldVerifications, bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	good := []any{map[string]any{"verification_name": "DE", "verification_status": "REQUIRED"}}
	if err := f.SetField(id, fieldVerifications, good); err != nil {
		t.Fatal(err)
	}
	again := New(Options{StateFile: file, Key: SharedKey()})
	a, _ := again.AccountByID(id)
	if want := []Verification{{Name: "DE", Status: VerificationRequired}}; !reflect.DeepEqual(a.Fields[fieldVerifications], want) {
		t.Errorf("%v, want %v", a.Fields[fieldVerifications], want)
	}
	if shown := f.call("GetChildrenAccounts", form{"child_account_id": fmt.Sprint(id)}).rows(t)[0]; shown[fieldVerifications] != nil {
		t.Errorf("AccountInfo has %v", shown)
	}
}
