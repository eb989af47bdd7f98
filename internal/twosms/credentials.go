package twosms

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/charset"
)

// longestCredential is how many bytes the client's id and its secret may have each. Guess: the documents name no limit.
const longestCredential = 1024

// Credentials are a client's to the admin API, and the master account that they are of. Printed in any way, the secret does not show.
type Credentials struct {
	// AccountID is the guid of the master account.
	AccountID string
	// ClientID and ClientSecret are the client credentials of OAuth 2.
	ClientID     string
	ClientSecret account.Secret
}

// ParseCredentials reads a JSON object with accountID, clientID and clientSecret, all three texts. White space around a value is no part of
// it: a file that was made with an editor ends with a line break. The errors name the key and what to do, and never repeat anything of the
// content.
func ParseCredentials(data []byte) (Credentials, error) {
	var document struct {
		AccountID    string `json:"accountID"`
		ClientID     string `json:"clientID"`
		ClientSecret string `json:"clientSecret"`
	}
	if wide := charset.Wide(data); wide != "" {
		return Credentials{}, fmt.Errorf("the credentials are text in %s: save them as UTF-8", wide)
	}
	if err := json.Unmarshal(charset.WithoutMark(data), &document); err != nil {
		return Credentials{}, errors.New("the credentials are not a JSON object with accountID, clientID and clientSecret, which are texts")
	}
	c := Credentials{
		AccountID: canonicalID(trimmed(document.AccountID)), ClientID: trimmed(document.ClientID), ClientSecret: account.Secret(trimmed(document.ClientSecret)),
	}
	for name, value := range map[string]string{"clientID": c.ClientID, "clientSecret": c.ClientSecret.Reveal()} {
		if err := checkCredential(value); err != nil {
			return Credentials{}, fmt.Errorf("%q %w", name, err)
		}
	}
	if c.AccountID == "" {
		return Credentials{}, errors.New(`"accountID" is not a guid, such as 86e51d05-20a3-486c-adf1-a98ca194c74c: take that of the master account`)
	}
	return c, nil
}

func trimmed(value string) string {
	return strings.TrimSpace(string(charset.WithoutMarks([]byte(value))))
}

func checkCredential(value string) error {
	switch {
	case value == "":
		return errors.New("is missing or empty: take it as 2sms has issued it")
	case len(value) > longestCredential:
		return fmt.Errorf("is longer than %d bytes: take it as 2sms has issued it", longestCredential)
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errors.New("has a line break or another control character in it: take it as 2sms has issued it")
	}
	return nil
}

func (c Credentials) valid() bool {
	return c.AccountID != "" && c.AccountID == canonicalID(c.AccountID) && c.ClientID != "" && c.ClientSecret != ""
}

// Format implements fmt.Formatter, for every verb: only what is no secret.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "credentials of account %s", c.AccountID)
}

// MarshalText implements encoding.TextMarshaler, and by it json.Marshaler, like Format.
func (c Credentials) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }
