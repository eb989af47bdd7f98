package testenv

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

func TestCanariesAreFound(t *testing.T) {
	var c Canaries
	c.Add("password", `Pa55&"<ö>/+%-word`)
	c.Add("key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n")
	c.Add("token", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2lnbmF0dXJl")
	c.Add("password", `Pa55&"<ö>/+%-word`)
	if fmt.Sprint(c.Kinds) != "map[key:1 password:1 token:1]" {
		t.Errorf("%v", c.Kinds)
	}
	plain := `Pa55&"<ö>/+%-word`
	quoted, _ := json.Marshal(map[string]string{"k": plain})
	for name, text := range map[string]string{
		"plain": plain, "JSON": string(quoted), "Go": fmt.Sprintf("%q", plain), "bytes": fmt.Sprint([]byte(plain)), "form": url.Values{"p": {plain}}.Encode(), "path": url.PathEscape(plain),
		"HTML": html.EscapeString(plain), "base64": base64.StdEncoding.EncodeToString([]byte("a=1&p=" + plain + "&b=2")), "base64 moved": base64.StdEncoding.EncodeToString([]byte(`{"p":"` + plain + `"}`)),
		"raw base64": base64.RawURLEncoding.EncodeToString([]byte("x" + plain)), "its beginning": fmt.Sprintf("%.9s…", plain), "JSON in JSON": string(quoted[:20]),
		"a line of a key": "hkiG9w0BAQEFAASC", "the first line": "x MIIEvQIBADANBgkq", "a signature": "c2lnbmF0dXJl", "claims": "Bearer x.eyJpc3MiOjF9.x",
	} {
		if len(c.In("before "+text+" after")) == 0 {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	for _, text := range []string{"", "Pa55", `it must begin with "-----BEGIN PRIVATE KEY-----"`, "[redacted]", strings.Repeat("password ", 50)} {
		if got := c.In(text); len(got) > 0 {
			t.Errorf("found in %q: %v", text, got)
		}
	}
}
