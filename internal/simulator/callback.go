package simulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the service's choice
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// callbackTimeout is for how long the receiver of a callback may take.
const callbackTimeout = 10 * time.Second

// Callback is a report about an account that is sent to a callback_url (structure AccountCallback).
type Callback struct {
	// AccountID is the account's.
	AccountID int64 `json:"accountID"`
	// Type is what is reported: account_is_frozen, min_balance and so on.
	Type string `json:"type"`
	// URL is where the callback is sent. Default: the account's callback_url.
	URL string `json:"url,omitempty"`
	// Salt is what the hash is made with. Default: the account's callback_salt.
	Salt string `json:"salt,omitempty"`
	// CallbackID is the callback's own. Default: a random one.
	CallbackID int64 `json:"callbackID,omitempty"`
}

// String and GoString leave the salt out.
func (c Callback) String() string {
	return fmt.Sprintf("callback %d %s of account %d", c.CallbackID, c.Type, c.AccountID)
}

// GoString is String.
func (c Callback) GoString() string { return c.String() }

// CallbackBody is the body of a request with callbacks, each signed with its salt and the account's api_key.
func CallbackBody(s *Simulator, callbacks ...Callback) ([]byte, error) {
	list := make([]map[string]any, 0, len(callbacks))
	for _, c := range callbacks {
		a, ok := s.AccountByID(c.AccountID)
		switch {
		case !ok:
			return nil, notFound(fmt.Sprintf("account %d", c.AccountID))
		case c.Type == "":
			return nil, errors.New("a callback needs a type")
		}
		id := cmp.Or(c.CallbackID, randomID())
		salt := cmp.Or(c.Salt, a.Text("callback_salt"))
		hash := md5.Sum([]byte(salt + strconv.FormatInt(a.ID, 10) + a.APIKey() + strconv.FormatInt(id, 10))) //nolint:gosec // as above
		list = append(list, map[string]any{
			"callback_id": id, "type": c.Type, "account_id": a.ID, "hash": hex.EncodeToString(hash[:]), "account_name": a.Name(), "account_email": a.Email(),
			"language_code": cmp.Or(a.Text("language_code"), "en"), "balance": a.Fields["balance"], "currency": a.Text("currency"), c.Type: map[string]any{},
		})
	}
	return json.Marshal(map[string]any{"callbacks": list})
}

// randomID is positive, and small enough for every client.
func randomID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])                              // never fails
	return int64(binary.BigEndian.Uint64(b[:])>>11) + 1 // it has 53 bits
}

// SendCallback sends a callback, as the service does when something happens, and returns the HTTP status of the answer.
func SendCallback(ctx context.Context, s *Simulator, c Callback) (status int, err error) {
	a, _ := s.AccountByID(c.AccountID)
	url := cmp.Or(c.URL, a.Text("callback_url"))
	if url == "" {
		return 0, errors.New("the account has no callback_url, and none is given")
	}
	body, err := CallbackBody(s, c)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := new(http.Client).Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxControlBody))
	return answer.StatusCode, err
}

// controlSendCallback sends a callback.
func controlSendCallback(s *Simulator) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var c Callback
		if err := readJSON(r, &c); err != nil {
			return nil, err
		}
		status, err := SendCallback(r.Context(), s, c)
		return map[string]any{"status": status}, err
	}
}
