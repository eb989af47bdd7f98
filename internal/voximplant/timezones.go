package voximplant

import (
	_ "embed"
	"strings"
	"sync"
)

//go:generate go run cpaas.dev/child-account-operator/hack/timezones list timezones.txt

// timezones has the names of the IANA time zone database as Go embeds it, one a line and sorted: those for backward compatibility too,
// which the provider may use. The CRD is made with the same list.
//
//go:embed timezones.txt
var timezones string

// zoneNames are the names in timezones. Only messages need them.
var zoneNames = sync.OnceValue(func() []string { return strings.Fields(timezones) })

// nearestZone is the zone that somebody may have meant: one whose name differs in case, spaces and underscores alone, then one of the
// city or with a few letters that differ; "" where none is near. Of several the first in the alphabet is returned.
func nearestZone(v string) string {
	want := foldZone(v)
	if want == "" || len(want) > longestZone {
		return ""
	}
	nearest, least := "", maxZoneEdits(want)+1
	for _, zone := range zoneNames() {
		name := foldZone(zone)
		city := name[strings.LastIndexByte(name, '/')+1:]
		switch edits := editDistance(want, name); {
		case edits == 0:
			return zone
		case city == want[strings.LastIndexByte(want, '/')+1:]: // Berlin, Germany/Berlin
			edits = 1
			fallthrough
		default:
			if edits < least {
				nearest, least = zone, edits
			}
		}
	}
	return nearest
}

// longestZone is how long a name is at most that is compared: the schema's limit.
const longestZone = 64

// maxZoneEdits is how many letters of a name may differ: a quarter of it.
func maxZoneEdits(name string) int { return max(1, len(name)/4) }

// foldZone is a name without what is easily mistaken.
func foldZone(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", "_"))
}

// editDistance is how many bytes have to be added, removed or replaced to make one text of another (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
