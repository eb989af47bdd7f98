package account_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
)

const canary = "Canary-Pa55word!"

// holder has a secret in every place where a printer may find one.
type holder struct {
	Plain   account.Secret
	Pointer *account.Secret
	List    []account.Secret
	Map     map[string]account.Secret
	Any     any
	Inner   struct{ Deep account.Secret }
}

func newHolder() holder {
	s := account.Secret(canary)
	h := holder{Plain: s, Pointer: &s, List: []account.Secret{s}, Map: map[string]account.Secret{"k": s}, Any: s}
	h.Inner.Deep = s
	return h
}

// leak fails where the secret shows, whole or in part, or in another notation.
func leak(t *testing.T, how, text string) {
	t.Helper()
	for _, trace := range []string{canary, canary[:8], fmt.Sprintf("%x", canary)[:12], fmt.Sprintf("%X", canary)[:12], "67 97 110"} {
		if strings.Contains(text, trace) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := account.Secret(canary)
	unasked := "no verb"
	for what, v := range map[string]any{"itself": s, "a pointer": &s, "a struct": newHolder(), "a pointer to a struct": new(newHolder()), "a list": []any{s, &s}} {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "#+", "20", ".3"} {
			for _, verb := range "vsqxXdobBOceEfFgGtUTyz" {
				format := "%" + flags + string(verb)
				leak(t, what+" by "+format, fmt.Sprintf(format, v))
			}
		}
		for _, sprint := range []func(...any) string{fmt.Sprint, fmt.Sprintln} {
			leak(t, what+" by Print", sprint(v, "and", v))
		}
		leak(t, what+" as what is too much", fmt.Sprintf(unasked, v))
	}
	for _, format := range []string{"%v", "%s", "%#v", "%+v", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(format, s); got != "[redacted]" {
			t.Errorf("%s prints %q", format, got)
		}
	}
	if s.String() != "[redacted]" || s.Reveal() != canary {
		t.Error("String must not reveal it, Reveal must")
	}
	var none account.Secret
	if fmt.Sprint(none) != "[redacted]" {
		t.Error("whether a secret is empty shows")
	}
}

func TestSecretInErrors(t *testing.T) {
	s := account.Secret(canary)
	err := fmt.Errorf("refused %v: %w", s, errors.Join(fmt.Errorf("%+v", newHolder()), &account.Error{Message: fmt.Sprint(s)}))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		leak(t, "an error by "+format, fmt.Sprintf(format, err))
	}
}

func TestSecretIsNeverMarshalled(t *testing.T) {
	h := newHolder()
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	leak(t, "JSON", string(asJSON))
	if n := strings.Count(string(asJSON), `"[redacted]"`); n != 6 {
		t.Errorf("%d of 6 secrets say that they are redacted: %s", n, asJSON)
	}
}

func TestSecretInLogs(t *testing.T) {
	s := account.Secret(canary)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b)).With("with", s)
		log.Info("plain", "secret", s, "pointer", &s, "struct", newHolder(), "err", fmt.Errorf("%v", s), slog.Group("group", "deep", s))
		leak(t, name, b.String())
		if !strings.Contains(b.String(), "[redacted]") {
			t.Errorf("%s: nothing was logged: %s", name, b.String())
		}
	}
}
