package voximplant

import (
	"archive/zip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/simulator"
)

func TestFieldTable(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range fields {
		if seen[r.path] {
			t.Errorf("%s has two rows", r.path)
		}
		seen[r.path] = true
		switch {
		case (r.method == "") != (r.update == ""):
			t.Errorf("%s: method and parameter don't go together", r.path)
		case r.createDefault != "" && r.create == "":
			t.Errorf("%s has a default for nothing", r.path)
		case !schema[i].ReadOnly() && r.check == nil:
			t.Errorf("%s accepts anything", r.path)
		case r.kind == account.KindBool && r.read != "" && r.absent != absentBool:
			t.Errorf("%s: a boolean that is not shown is unknown", r.path)
		case r.batchable && r.update == "":
			t.Errorf("%s can't be written at all", r.path)
		case r.omitted && (r.kind != account.KindString || r.read == "" || r.absent != ""):
			t.Errorf("%s: only a text that is shown can be left out as empty", r.path)
		case schema[i].Delegated != strings.HasPrefix(r.path, "profile."):
			t.Errorf("%s: changed acting as the child: %v", r.path, schema[i].Delegated)
		}
	}
	if id := schema.Identity(); id.Path != fieldAccountName || !id.NameOnly() {
		t.Errorf("an account without an id is found by %+v", id)
	}
	for mark, path := range map[account.Mark]string{account.MarkActive: "active", account.MarkFrozen: "frozen", account.MarkEmail: "email", account.MarkCustomData: "profile.customData"} {
		if f, ok := schema.Marked(mark); !ok || f.Path != path {
			t.Errorf("mark %s is on %q", mark, f.Path)
		}
	}
	for path, unique := range map[string]bool{"profile.firstName": true, "profile.sendJSErrors": true, "callback.url": false, "email": true, "active": false, "languageCode": false, "canUseRestricted": false} {
		if f, ok := schema.Field(path); !ok || f.Batchable == unique {
			t.Errorf("%s: %v", path, f.Batchable)
		}
	}
	for _, path := range []string{"canUseRestricted", "profile.storeInboundSMS", "profile.storeOutboundSMS"} {
		if f, _ := schema.Field(path); !f.WriteOnly() {
			t.Errorf("%s is never shown", path)
		}
	}
	for path, atCreation := range map[string]bool{"profile.firstName": true, "profile.lastName": true, "profile.mobilePhone": false, "profile.customData": false, "callback.url": false} {
		if f, _ := schema.Field(path); f.Settable != atCreation || !f.Updatable {
			t.Errorf("%s can be set at creation: %v", path, f.Settable)
		}
	}
	if f, _ := schema.Field("recordStorage.name"); !f.CreationOnly() || !f.Readable {
		t.Error("a record storage is for creation only")
	}
	for _, path := range []string{"frozen", "created", "currency"} {
		if f, ok := schema.Field(path); !ok || !f.ReadOnly() {
			t.Errorf("%s can be declared", path)
		}
	}
}

// longHost is a domain of so many characters.
func longHost(n int) string {
	host := strings.Repeat(strings.Repeat("b", 62)+".", n/63+1)[:n]
	return strings.TrimSuffix(host, ".") + strings.Repeat("b", n-len(strings.TrimSuffix(host, ".")))
}

func TestChecks(t *testing.T) {
	for path, values := range map[string]map[string]bool{
		"email": {"a@b": true, "a.b+c@example.com": true, "": false, "a": false, "@b": false, "a@": false, "a@b;c@d": false, "a b@c": false, "a@b\n": false, "a@b\v": false, "a\u00a0@b": false, "a@b@c": false,
			strings.Repeat("a", 63) + "@" + longHost(190): true, "a@" + longHost(190): true, "a@" + longHost(191): false, strings.Repeat("a", 64) + "@b": true, strings.Repeat("a", 65) + "@b": false,
			strings.Repeat("a", 64) + "@" + longHost(190): false, "ä@b": false, "a@ß": false},
		"active":             {"true": true, "false": true, "": false, "TRUE": false, "1": false},
		"languageCode":       {"en": true, "iw": true, "he": true, "zu": true, "": false, "EN": false, "xx": false, "en ": false, "eng": false},
		"minBalanceToNotify": {"0": true, "5.00": true, "999999999.9999": true, "": false, "-1": false, "1.": false, ".5": false, "1e3": false, "1,5": false, "1000000000": false, "1.00001": false},
		"location": {
			"Europe/Berlin": true, "Europe/Kiev": true, "Europe/Kyiv": true, "UTC": true, "Etc/GMT-8": true, "Etc/GMT+10": true, "GMT": true, "America/Argentina/Buenos_Aires": true,
			"": false, "Local": false, "local": false, "Factory": false, "europe/berlin": false, "Europe/Nowhere": false, "../etc/passwd": false, "/etc/localtime": false,
			"Europe/Berlin ": false, "posix/UTC": false, "Europe//Berlin": false, "Europe": false,
		},
		"profile.firstName":                  {"A": true, strings.Repeat("ü", 49): true, strings.Repeat("a", 50): false, "": false, "A\nB": false},
		"profile.lastName":                   {"O'Neil-\u00dcnal": true, strings.Repeat("a", 50): false, "": false},
		"profile.mobilePhone":                {"+4915112345678": true, "4915112345678": true, "1234567": true, "123456": false, "": false, "+": false, "00 49": false, "1234567890123456": false, "+12345a7": false},
		"profile.customData":                 {"x": true, "{\n\t\"a\": 1\r\n}": true, strings.Repeat("ü", 8191): true, strings.Repeat("x", 8192): false, "": false, "a\x00": false, account.Claim{Installation: "i", Namespace: "n", Name: "m"}.CustomData(): false},
		"profile.sendJSErrors":               {"true": true, "1": false},
		"profile.storeInboundSMS":            {"false": true, "": false},
		"profile.billingAddress.name":        {"Acme": true, strings.Repeat("a", 199): true, strings.Repeat("a", 200): false},
		"profile.billingAddress.countryCode": {"DE": true, "AX": true, "de": false, "XX": false, "": false, "DEU": false},
		"profile.billingAddress.address":     {strings.Repeat("a", 511): true, strings.Repeat("a", 512): false},
		"profile.billingAddress.zip":         {"10115": true, strings.Repeat("1", 29): true, strings.Repeat("1", 30): false},
		"profile.billingAddress.phone":       {"+49 (30) 123": true, strings.Repeat("1", 30): false},
		"recordStorage.name":                 {"eu-records": true, "": false, strings.Repeat("a", 256): false},
		"callback.url": {
			"https://a.example": true, "http://a.example:8080/x?y=z&q=a@b": true, "https://[::1]/": true, "": false, "a.example": false, "ftp://a.example": false, "https://": false, "https:///x": false,
			"https://u:p@a.example": false, "https://u@a.example": false, "https://a.example/ x": false, "https://ä.example": false, "https://a.example/" + strings.Repeat("x", 1024): false,
		},
	} {
		f, ok := schema.Field(path)
		if !ok {
			t.Fatal("no field", path)
		}
		for value, good := range values {
			for range 2 { // the second time it may be remembered
				if err := f.Check(value); (err == nil) != good {
					t.Errorf("%s %q: %v", path, value, err)
				}
			}
		}
	}
}

func TestLanguagesAreThoseOfTheDocuments(t *testing.T) {
	if len(languageCodes) != 142 {
		t.Errorf("%d codes", len(languageCodes))
	}
	for code := range languageCodes {
		if !languageCodes[account.CanonicalLanguage(code)] {
			t.Errorf("%s has a twin that is not documented", code)
		}
	}
}

func TestZoneLinks(t *testing.T) {
	for alias, zone := range zoneOf {
		if zoneOf[zone] != "" {
			t.Errorf("%s leads to %s, which leads on", alias, zone)
		}
		for _, name := range []string{alias, zone} {
			if err := checkLocation(name); err != nil {
				t.Error(err)
			}
		}
	}
	for _, equal := range [][2]string{
		{"Europe/Kiev", "Europe/Kyiv"}, {"Etc/GMT", "GMT"}, {"UTC", "Etc/UTC"}, {"Etc/GMT", "UTC"}, {"US/Pacific", "America/Los_Angeles"}, {"Asia/Calcutta", "Asia/Kolkata"},
	} {
		if canonicalLocation(equal[0]) != canonicalLocation(equal[1]) {
			t.Errorf("%v differ", equal)
		}
	}
	for _, different := range [][2]string{{"Europe/Oslo", "Europe/Berlin"}, {"Etc/GMT-8", "Etc/GMT+8"}, {"America/Montreal", "America/Toronto"}} {
		if canonicalLocation(different[0]) == canonicalLocation(different[1]) {
			t.Errorf("%v are one", different)
		}
	}
}

// Whatever zone Go knows can be declared.
func TestAllZones(t *testing.T) {
	z, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Skip("no list of zones here:", err)
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") || f.Name == "Factory" {
			continue
		}
		if err := checkLocation(f.Name); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatAFullAnswerLeavesOut(t *testing.T) {
	state := stateOf(AccountInfo{ID: "5"})
	for _, path := range []string{"active", "frozen", "notifications.news", "payments.invoice"} {
		if state[path] != "false" {
			t.Errorf("%s is %q", path, state[path])
		}
	}
	for _, path := range []string{"email", "location", "languageCode", "minBalanceToNotify", "canUseRestricted", "created", "profile.firstName", "profile.storeInboundSMS", "callback.url"} {
		if value, known := state[path]; known {
			t.Errorf("%s is %q", path, value)
		}
	}
}

// What the service shows of an account that has a value for everything is all that can be read.
func TestStateOfSimulatedAccount(t *testing.T) {
	w := newWorld(t, simulator.Settings{})
	w.children(1)
	child, _ := w.Account("child-00000")
	for _, r := range fields {
		if _, initial := child.Fields[r.read]; initial || r.read == "" || r.kind != account.KindString {
			continue
		}
		if err := w.SetField(child.ID, r.read, "a text"); err != nil {
			t.Error(err)
		}
	}
	accounts, err := w.Get(background, selectNames("child-00000"))
	if err != nil || len(accounts) != 1 {
		t.Fatalf("%v, %v", accounts, err)
	}
	for _, f := range schema {
		if _, known := accounts[0].State[f.Path]; known != (f.Readable && !f.NameOnly()) {
			t.Errorf("%s: %v", f.Path, known)
		}
	}
}
