package simulator

import (
	"cmp"
	"encoding/json"
	"time"
)

// TwoSMSSettings choose between the answers that the documents of the 2sms admin API leave open.
type TwoSMSSettings struct {
	// UniqueEmails refuses a second sub-account with an e-mail (HTTP 400).
	UniqueEmails bool `json:"uniqueEmails"`
	// UniqueUsernames refuses a second sub-account with a username (HTTP 400).
	UniqueUsernames bool `json:"uniqueUsernames"`
	// ErrorsAsOK answers refusals with HTTP 200 and an ErrorCode. Default: HTTP 400, 401 or 404 and an ErrorCode.
	ErrorsAsOK bool `json:"errorsAsOK"`
	// NullError has "Error": null in answers of success. Default: an ErrorCode and an ErrorReason that are empty.
	NullError bool `json:"nullError"`
	// DetailHasID answers a creation with the new account's ID. Default: without.
	DetailHasID bool `json:"detailHasID"`
	// IgnoreFilters lists all accounts, whatever the query asks for.
	IgnoreFilters bool `json:"ignoreFilters"`
	// TokenLife is how long a token is valid; JSON "10m". Default: 8 hours.
	TokenLife time.Duration `json:"tokenLife"`
	// Latency passes before every call runs; JSON "20ms". Default: none.
	Latency time.Duration `json:"latency"`
}

// defaultTokenLife is the documented one.
const defaultTokenLife = 8 * time.Hour

// MarshalJSON writes durations as strings.
func (s TwoSMSSettings) MarshalJSON() ([]byte, error) {
	type plain TwoSMSSettings
	return json.Marshal(struct {
		plain
		TokenLife string `json:"tokenLife"`
		Latency   string `json:"latency"`
	}{plain(s), s.TokenLife.String(), s.Latency.String()})
}

// UnmarshalJSON reads over the settings as they are: what the JSON leaves out stays. Unknown names are refused.
func (s *TwoSMSSettings) UnmarshalJSON(data []byte) error {
	type plain TwoSMSSettings
	read := struct {
		*plain
		TokenLife string `json:"tokenLife"`
		Latency   string `json:"latency"`
	}{plain: (*plain)(s), TokenLife: s.TokenLife.String(), Latency: s.Latency.String()}
	if err := decodeStrictly(data, &read); err != nil {
		return err
	}
	life, err := time.ParseDuration(cmp.Or(read.TokenLife, "0s"))
	if err != nil {
		return err
	}
	latency, err := time.ParseDuration(cmp.Or(read.Latency, "0s"))
	s.TokenLife, s.Latency = life, latency
	return err
}
