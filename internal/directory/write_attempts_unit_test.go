package directory

import (
	"maps"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// A value is not kept once it was written twice and a read returned another value. Each step is a value that is written ("> de") or
// returned ("< fr").
func TestWriteAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		steps []string
		want  string
	}{
		"written once":                     {[]string{"> de", "< fr", "< fr"}, ""},
		"written twice, not read":          {[]string{"> de", "> de"}, ""},
		"written twice, read in between":   {[]string{"> de", "< fr", "> de"}, "de"},
		"written twice":                    {[]string{"> de", "> de", "< fr"}, "de"},
		"never returned":                   {[]string{"> de", "> de", "< "}, "de"},
		"returned":                         {[]string{"> de", "< fr", "> de", "< de"}, ""},
		"changed by somebody":              {[]string{"> de", "> de", "< fr", "< it"}, ""},
		"changed by somebody, twice again": {[]string{"> de", "> de", "< fr", "< it", "> de", "> de"}, "de"},
		"another value":                    {[]string{"> de", "> de", "< fr", "> it"}, ""},
	} {
		w, schema := writeAttempts{}, voximplant.Fields()
		for _, step := range c.steps {
			state := account.State{"languageCode": step[2:]}
			if step[2:] == "" {
				state = nil
			}
			if step[0] == '>' {
				w.recordAttempt(schema, "1", state)
			} else {
				w.compare(schema, account.Account{ID: "1", State: state})
			}
		}
		var want account.State
		if c.want != "" {
			want = account.State{"languageCode": c.want}
		}
		if got := w.notKept("1"); !maps.Equal(got, want) {
			t.Errorf("%s: not kept %v, want %v", name, got, want)
		}
		if w.notKept("2") != nil {
			t.Errorf("%s: another account is concerned", name)
		}
		if w.forget("1"); len(w) > 0 {
			t.Errorf("%s: %v is left", name, w)
		}
	}
}
