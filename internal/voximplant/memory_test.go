package voximplant

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

const (
	// longRow is how many bytes a row of the test has, most of which nobody reads, mostOfARow how many of them may be in memory.
	longRow    = 16 << 10
	mostOfARow = 4 << 10
	// mostBesides is what reading takes however long the answer is.
	mostBesides = 256 << 10
)

// An answer is read as it comes: when its end is reached there is of each row what is wanted of it, and not the row.
func TestAnswerIsReadAsItComes(t *testing.T) {
	row := func(i int) string {
		return fmt.Sprintf(`{"account_id": %d, "account_name": "child-%05d", "account_email": "child-%05d@acme.example", "active": true,
			"language_code": "en", "location": "Europe/Berlin", "created": "2026-01-02 03:04:05", "currency": "USD", "frozen": false,
			"access_entries": ["%s"]}`, i+1, i, i, strings.Repeat("x", longRow))
	}
	for _, n := range []int{maxPage / 10, maxPage} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			parts := []io.Reader{strings.NewReader(fmt.Sprintf(`{"total_count": %d, "result": [`, n))}
			for i := range n {
				parts = append(parts, &late{text: func() string { return row(i) + map[bool]string{true: ","}[i+1 < n] }})
			}
			before, atEnd := inUse(), uint64(0)
			parts = append(parts, strings.NewReader("]}"), &late{text: func() string { atEnd = inUse(); return "" }})
			a, err := decodeAnswer(io.MultiReader(parts...), true)
			if err != nil || len(a.Rows.accounts) != n {
				t.Fatalf("%v, %+v", err, a)
			}
			used := int(atEnd - before)
			t.Logf("%d bytes a row of %d", used/n, longRow)
			if used > n*mostOfARow+mostBesides {
				t.Errorf("%d bytes are in use at the end of %d rows, at most %d should be", used, n, n*mostOfARow+mostBesides)
			}
		})
	}
}

// inUse is how many bytes of memory are in use and can't be done without.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only parked: pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// late is a text that is made when it is asked for.
type late struct {
	text func() string
	made io.Reader
}

func (l *late) Read(b []byte) (int, error) {
	if l.made == nil {
		l.made = strings.NewReader(l.text())
	}
	return l.made.Read(b)
}
