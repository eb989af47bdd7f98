package voximplant

import (
	"strings"
	"testing"
)

func TestNearestZone(t *testing.T) {
	for v, want := range map[string]string{
		"europe/berlin": "Europe/Berlin", "Europe/Berln": "Europe/Berlin", "Berlin": "Europe/Berlin", "Germany/Berlin": "Europe/Berlin", "New York": "America/New_York",
		"America/New York": "America/New_York", "us/eastern": "US/Eastern", "utc": "UTC", "Europe/Kiyv": "Europe/Kiev", " Asia/Tokyo ": "Asia/Tokyo", "etc/gmt+10": "Etc/GMT+10",
		"": "", "Europe/Atlantis": "", "(GMT+01:00) Amsterdam, Bern, Rome": "", strings.Repeat("Europe/", 40): "",
	} {
		if got := nearestZone(v); got != want {
			t.Errorf("%q: %q, want %q", v, got, want)
		}
	}
	for _, v := range []string{"europe/berlin", "Europe/Atlantis"} {
		err := checkLocation(v)
		if err == nil || !strings.Contains(err.Error(), "is not a time zone") || strings.Contains(err.Error(), "Did you mean Europe/Berlin?") != (v == "europe/berlin") {
			t.Errorf("%s: %v", v, err)
		}
	}
}

// The schema has no zone that the operator refuses.
func TestTimezonesOfTheSchema(t *testing.T) {
	if len(zoneNames()) < 590 {
		t.Errorf("%d zones", len(zoneNames()))
	}
	for _, name := range zoneNames() {
		if err := checkLocation(name); err != nil {
			t.Error(err)
		}
		if len(name) > longestZone {
			t.Errorf("%s is too long for the schema", name)
		}
	}
}
