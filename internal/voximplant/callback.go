package voximplant

import (
	"cmp"
	"crypto/md5" //nolint:gosec // the provider's choice
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// maxCallbacks is how many callbacks a request has at most. Guess: no document says how many the cloud sends at one time.
const maxCallbacks = 100

// callbackTypes are the types of AccountCallback that something is done about.
var callbackTypes = map[string]provider.CallbackType{
	"account_is_frozen":               provider.AccountFrozen,
	"account_is_unfrozen":             provider.AccountUnfrozen,
	"min_balance":                     provider.BalanceBelowMinimum,
	"next_charge_alert":               provider.ChargeUpcoming,
	"account_document_status_updated": provider.DocumentsUpdated,
}

// accountCallback is the part of the structure AccountCallback that is used. What else it has, and above all what the type's own object
// says, is not covered by the hash.
type accountCallback struct {
	CallbackID callbackID `json:"callback_id"`
	AccountID  callbackID `json:"account_id"`
	Type       string     `json:"type"`
	Hash       string     `json:"hash"`
	// Salt is the hash where there is no Hash. Guess: the structure AccountCallback calls the hash hash, and the description of callback_salt
	// calls it "a salt field".
	Salt string `json:"salt"`
}

var (
	// plainID is short, and has no byte by which MD5 pads: whoever has seen a hash could otherwise make those of longer ids without
	// knowing the secrets, as MD5 can be extended.
	plainID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	integer = regexp.MustCompile(`^[0-9]{1,20}$`)
	// accountNumber is an account_id.
	accountNumber = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
)

// callbackID is an id as it stands in the hash. Guess: the documents call ids integers, and other parts of the API write some as strings, so
// either is taken.
type callbackID string

// UnmarshalJSON takes an integer or a string.
func (id *callbackID) UnmarshalJSON(data []byte) error {
	text, possible := string(data), integer
	if data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		possible = plainID
	}
	if !possible.MatchString(text) {
		return errors.New("no id")
	}
	*id = callbackID(text)
	return nil
}

// ParseCallbacks decodes the body of a request of the cloud to a callback_url (structure AccountCallbacks); it is a provider.DecodeCallbacks.
// What can't be verified of it is Malformed.
func ParseCallbacks(body []byte) ([]provider.Callback, error) {
	var request struct {
		Callbacks []json.RawMessage `json:"callbacks"`
	}
	if json.Unmarshal(body, &request) != nil { // whose error may repeat the body
		return nil, errors.New("the body is no JSON object with a list of callbacks")
	}
	switch n := len(request.Callbacks); {
	case n == 0:
		return nil, errors.New("the body has no callbacks")
	case n > maxCallbacks:
		return nil, fmt.Errorf("the body has more than %d callbacks", maxCallbacks)
	}
	callbacks := make([]provider.Callback, len(request.Callbacks))
	for i, raw := range request.Callbacks {
		callbacks[i] = parseCallback(raw)
	}
	return callbacks, nil
}

func parseCallback(raw []byte) provider.Callback {
	var c accountCallback
	if json.Unmarshal(raw, &c) != nil || c.CallbackID == "" || !accountNumber.MatchString(string(c.AccountID)) {
		return provider.Callback{Malformed: true}
	}
	hash, err := hex.DecodeString(cmp.Or(c.Hash, c.Salt))
	if err != nil || len(hash) != md5.Size {
		return provider.Callback{Malformed: true}
	}
	kind, known := callbackTypes[c.Type]
	if !known {
		kind = provider.OtherCallback
	}
	return provider.Callback{
		ID: string(c.CallbackID), AccountID: string(c.AccountID), Type: kind,
		SignedWith: func(salt, apiKey account.Secret) bool {
			if salt == "" || apiKey == "" {
				return false
			}
			want := md5.Sum([]byte(salt.Reveal() + string(c.AccountID) + apiKey.Reveal() + string(c.CallbackID))) //nolint:gosec // as above
			return subtle.ConstantTimeCompare(want[:], hash) == 1
		},
	}
}
