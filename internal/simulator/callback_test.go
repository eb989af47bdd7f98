package simulator

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// receiver keeps the bodies that it is sent.
func receiver(t *testing.T, status int) (url string, bodies *[]string) {
	t.Helper()
	bodies = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s, %v, %v", r.Method, r.Header, err)
		}
		*bodies = append(*bodies, string(body))
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, bodies
}

// A callback goes to the account's callback_url, signed with its salt and its key, as the documents say.
func TestSendCallback(t *testing.T) {
	f := newFixture(t)
	url, bodies := receiver(t, http.StatusForbidden)
	a := f.child("acme-one")
	for name, value := range map[string]any{"callback_url": url, "callback_salt": "pepper", "balance": 1.5} {
		if err := f.SetField(a.ID, name, value); err != nil {
			t.Fatal(err)
		}
	}
	answer := decode[map[string]int](t, f.control("POST", "callbacks", fmt.Sprintf(`{"accountID": %d, "type": "account_is_frozen", "callbackID": 7}`, a.ID), http.StatusOK))
	if answer["status"] != http.StatusForbidden || len(*bodies) != 1 {
		t.Fatalf("%v, %v", answer, *bodies)
	}
	var sent struct {
		Callbacks []struct {
			CallbackID int64           `json:"callback_id"`
			AccountID  int64           `json:"account_id"`
			Type       string          `json:"type"`
			Hash       string          `json:"hash"`
			Balance    float64         `json:"balance"`
			Of         json.RawMessage `json:"account_is_frozen"`
		} `json:"callbacks"`
	}
	if err := json.Unmarshal([]byte((*bodies)[0]), &sent); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(fmt.Appendf(nil, "pepper%d%s7", a.ID, a.APIKey()))
	if c := sent.Callbacks[0]; c.CallbackID != 7 || c.AccountID != a.ID || c.Type != "account_is_frozen" || c.Hash != hex.EncodeToString(sum[:]) || c.Balance != 1.5 || string(c.Of) != "{}" {
		t.Errorf("%+v", c)
	}

	other, bodies := receiver(t, http.StatusOK)
	if status, err := SendCallback(t.Context(), f.Simulator, Callback{AccountID: a.ID, Type: "min_balance", URL: other, Salt: "another"}); status != http.StatusOK || err != nil || len(*bodies) != 1 {
		t.Errorf("%d, %v, %v", status, err, *bodies)
	}
	one, err := CallbackBody(f.Simulator, Callback{AccountID: a.ID, Type: "min_balance"})
	if err != nil {
		t.Fatal(err)
	}
	if two, err := CallbackBody(f.Simulator, Callback{AccountID: a.ID, Type: "min_balance"}); err != nil || string(one) == string(two) {
		t.Errorf("two callbacks have one id: %s, %v", two, err)
	}
}

func TestCallbacksThatCanNotBeSent(t *testing.T) {
	f := newFixture(t)
	a := f.child("acme-one")
	f.control("POST", "callbacks", `{"accountID": 1, "type": "min_balance", "url": "http://127.0.0.1:1"}`, http.StatusNotFound)
	for _, bad := range []string{
		`{"accountID": %d, "type": "min_balance"}`, `{"accountID": %d, "url": "http://127.0.0.1:1"}`, `{"accountID": %d, "type": "min_balance", "url": "http://127.0.0.1:1"}`,
		`{"accountID": %d, "typ": "min_balance"}`, `[%d]`,
	} {
		f.control("POST", "callbacks", fmt.Sprintf(bad, a.ID), http.StatusBadRequest)
	}
	if c := (Callback{AccountID: 5, Salt: "s4lt-of-the-earth"}); strings.Contains(fmt.Sprintf("%v %+v %#v %s", c, c, c, c), "s4lt") {
		t.Error("a printed callback shows its salt")
	}
}
