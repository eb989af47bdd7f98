package voximplant

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
	"cpaas.dev/child-account-operator/internal/simulator"
)

// verify gives the account with an id its verifications.
func (w *world) verify(t *testing.T, id string, list ...simulator.Verification) {
	t.Helper()
	if err := w.SetField(idOf(t, id), "verifications", list); err != nil {
		t.Fatal(err)
	}
}

func TestGetAccountDocuments(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(2)
	w.verify(t, fmt.Sprint(w.parent.ID), simulator.Verification{Name: "KYC", Status: simulator.VerificationVerified})
	w.verify(t, ids[0], simulator.Verification{Name: "DE", Status: simulator.VerificationRequired, HoldUntil: "2026-06-01"})
	w.verify(t, ids[1], simulator.Verification{Name: "RU", Status: simulator.VerificationInProgress, Documents: []simulator.Document{
		{ID: 7, Individual: true, Comment: "blurred", Uploaded: "2026-05-01 10:00:00", Status: "REJECTED"},
	}})
	parent := AccountDocuments{AccountID: fmt.Sprint(w.parent.ID), Verifications: []AccountVerification{{Name: "KYC", Status: "VERIFIED"}}}
	first := AccountDocuments{AccountID: ids[0], Verifications: []AccountVerification{{Name: "DE", Status: "REQUIRED", HoldUntil: "2026-06-01"}}}
	second := AccountDocuments{AccountID: ids[1], Verifications: []AccountVerification{{Name: "RU", Status: "IN_PROGRESS", Documents: []AccountDocument{
		{ID: "7", Individual: true, Comment: "blurred", Uploaded: "2026-05-01 10:00:00", Status: "REJECTED"},
	}}}}
	for name, test := range map[string]struct {
		params GetAccountDocumentsParams
		want   []AccountDocuments
	}{
		"one's own":        {GetAccountDocumentsParams{}, []AccountDocuments{parent}},
		"with a child":     {GetAccountDocumentsParams{ChildIDs: ids[1:], WithDetails: true}, []AccountDocuments{parent, second}},
		"a child by state": {GetAccountDocumentsParams{All: true, ChildrenOnly: true, Statuses: []string{"REQUIRED", "VERIFIED"}}, []AccountDocuments{first}},
		"a child by name and day": {GetAccountDocumentsParams{
			All: true, Verification: "DE", HoldFrom: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), HoldTo: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		}, []AccountDocuments{first}},
		"none": {GetAccountDocumentsParams{All: true, Verification: "FR"}, []AccountDocuments{}},
	} {
		if got, err := w.client.GetAccountDocuments(context.Background(), test.params); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, test.want)
		}
	}
	calls := len(w.Calls())
	_, err := w.client.GetAccountDocuments(context.Background(), GetAccountDocumentsParams{ChildIDs: []string{"all"}})
	wantError(t, err, account.Invalid, false)
	if len(w.Calls()) != calls {
		t.Error("a call was made for what is no id")
	}
}

// All children are one call, and each account's verifications come bounded.
func TestVerifications(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	ids := w.children(1500)
	w.verify(t, ids[0], simulator.Verification{Name: "B", Status: "NOT_REQUIRED"}, simulator.Verification{Name: "A", Status: "SOMETHING_NEW"}, simulator.Verification{Name: "C", Status: "REQUIRED"})
	w.verify(t, ids[1499], simulator.Verification{Name: "C", Status: "VERIFIED"})
	w.verify(t, fmt.Sprint(w.parent.ID), simulator.Verification{Name: "KYC", Status: simulator.VerificationVerified})
	got, err := w.Verifications(context.Background())
	want := map[string][]account.Verification{
		ids[0]: {
			{Name: "A", Status: "SOMETHING_NEW"}, {Name: "C", Status: "REQUIRED", State: account.VerificationRequired},
			{Name: "B", Status: "NOT_REQUIRED", State: account.VerificationNotRequired},
		},
		ids[1499]: {{Name: "C", Status: "VERIFIED", State: account.VerificationDone}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if calls := w.called(); !reflect.DeepEqual(calls, []string{"GetAccountDocuments"}) {
		t.Errorf("calls %v", calls)
	}
}

// A refusal of what the operator can do without says nothing about the credentials, whatever worked before, and whichever of the two codes.
func TestOptionalCallsAreRefused(t *testing.T) {
	for _, code := range []int{codeAuthorizationFailed, codeForbiddenCommand} {
		w := newWorld(t, simulator.Settings{})
		w.children(1)
		optional := map[string]func() error{
			"GetAccountDocuments":    func() error { _, err := w.Verifications(context.Background()); return err },
			"GetMoneyAmountToCharge": func() error { _, err := w.AmountToCharge(context.Background()); return err },
			"GetCurrencyRate":        func() error { _, err := w.ExchangeRates(context.Background()); return err },
		}
		for method, call := range optional {
			if err := call(); err != nil {
				t.Fatal(err)
			}
			id := w.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: method, Code: code})
			if e := wantError(t, call(), account.RoleMissing, false); e.Method != method || e.Code != code {
				t.Errorf("%+v", e)
			}
			w.RemoveFault(id)
			if err := call(); err != nil {
				t.Errorf("%s after a refusal: %v", method, err)
			}
		}
		if _, _, err := list(w.Remote, provider.Known{}); err != nil {
			t.Errorf("the list after refusals: %v", err)
		}
		w.AddFault(simulator.Fault{Kind: simulator.FaultError, Method: "GetChildrenAccounts", Code: codeAuthorizationFailed})
		_, _, err := list(w.Remote, provider.Known{})
		wantError(t, err, account.Unauthorized, false) // the list worked before, so the credentials are out
	}
}

func TestImproperOptionalAnswers(t *testing.T) {
	for _, body := range []string{`{"result": 1}`, `{"result": null}`, `{"result": "x"}`, `{"result": [null]}`, `{"result": [{"account_id": "x"}]}`, `{"result": [{}]}`} {
		r := stub(t, respond(200, "application/json", body))
		_, err := r.Verifications(context.Background())
		wantError(t, err, account.Unavailable, false)
	}
	for _, body := range []string{`{"result": 1}`, `{"result": null}`, `{"result": {}}`, `{"result": {"amount": "much", "min_amount": 1}}`, `{"result": {"amount": "NaN", "min_amount": 1}}`, `{"result": {"amount": 1}}`} {
		r := stub(t, respond(200, "application/json", body))
		_, err := r.AmountToCharge(context.Background())
		wantError(t, err, account.Unavailable, false)
	}
	for _, body := range []string{`{"result": 1}`, `{"result": null}`, `{"result": []}`} {
		r := stub(t, respond(200, "application/json", body))
		_, err := r.ExchangeRates(context.Background())
		wantError(t, err, account.Unavailable, false)
	}
	r := stub(t, respond(200, "application/json", `{"result": {"EUR": "0.5", "USD": null, "XXX": 3, "RUR": {}}}`))
	if rates, err := r.ExchangeRates(context.Background()); err != nil || !reflect.DeepEqual(rates, map[string]float64{"EUR": 0.5}) {
		t.Errorf("%v, %v", rates, err)
	}
	r = stub(t, respond(200, "application/json", `{"result": {"account_id": 5, "account_name": "parent"}}`))
	_, err := r.Balance(context.Background())
	wantError(t, err, account.Unavailable, false)
}
