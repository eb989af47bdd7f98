package charset_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/charset"
)

// encoded is a text in UTF-16 or UTF-32.
func encoded(text string, size int, order binary.AppendByteOrder) []byte {
	var out []byte
	if size == 4 {
		for _, c := range text {
			out = order.AppendUint32(out, uint32(c))
		}
		return out
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

func TestWide(t *testing.T) {
	texts := map[string]string{
		"a password": "Pa55word!", "of a file": "Pa55word!\n", "of Windows": "Pa55word!\r\n", "of one letter": "a",
		"with umlauts": "Größe-1ü", "Polish": "Zażółć-1", "half Cyrillic": "Пар1-a", "Cyrillic": "Пароль-1", "Greek": "Κωδικός1", "with a dash": "Pa55–word", "with an emoji": "Pa55w🙂rd",
		"JSON": `{"account_id": 1, "key_id": "k"}`, "PEM": "-----BEGIN CERTIFICATE-----\nMIIB\n",
	}
	for name, text := range texts {
		for size, want := range map[int]string{2: "UTF-16", 4: "UTF-32"} {
			for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
				for _, mark := range []string{"", charset.Mark} {
					if got := charset.Wide(encoded(mark+text, size, order)); got != want {
						t.Errorf("%s as %s, %v, mark %q: %q", name, want, order, mark, got)
					}
				}
			}
		}
		for _, mark := range []string{"", charset.Mark} {
			if got := charset.Wide([]byte(mark + text)); got != "" {
				t.Errorf("%s with mark %q is called %s", name, mark, got)
			}
		}
	}
	for name, data := range map[string][]byte{
		"a mark alone": []byte("\xff\xfe"), "a line appended": append(encoded("Pa55word!", 2, binary.LittleEndian), '\n'),
		"others than alphabets, with a mark": encoded(charset.Mark+"密码密码", 2, binary.LittleEndian),
	} {
		if got := charset.Wide(data); got != "UTF-16" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, data := range map[string]string{
		"nothing": "", "a byte": "a", "NUL": "\x00", "NULs": "\x00\x00\x00\x00", "ended by a NUL": "word\x00", "a NUL inside": "pass\x00word",
		"control characters": "\x01\x02\x03\x04", "Latin-1": "Gr\xf6\xdfe-1\xfc", "DER": "\x30\x82\x01\x0a\x02\x82\x01\x01", "not text": "\xff",
	} {
		if got := charset.Wide([]byte(data)); got != "" {
			t.Errorf("%s is called %s", name, got)
		}
	}
}

func TestWithoutMark(t *testing.T) {
	for text, want := range map[string]struct{ first, all string }{
		"":                         {"", ""},
		"key":                      {"key", "key"},
		"\ufeff":                   {"", ""},
		"\ufeffkey":                {"key", "key"},
		"\ufeff\ufeffkey\ufeff":    {"key\ufeff", "key"},
		"a\ufeffb":                 {"a\ufeffb", "ab"},
		" \ufeffb":                 {" \ufeffb", " b"},
		"\xef\xbb":                 {"\xef\xbb", "\xef\xbb"},
		"\xfe\xff\x00a":            {"\xfe\xff\x00a", "\xfe\xff\x00a"},
		"\xef\xbb\xbf{\"a\": \"\"": {"{\"a\": \"\"", "{\"a\": \"\""},
	} {
		if got := string(charset.WithoutMark([]byte(text))); got != want.first {
			t.Errorf("%q without the first is %q", text, got)
		}
		if got := string(charset.WithoutMarks([]byte(text))); got != want.all {
			t.Errorf("%q without any is %q", text, got)
		}
	}
}

func TestInvisible(t *testing.T) {
	for text, want := range map[string]string{
		"Pa55word!": "", "": "", "Größe": "", "a b": "", "a\u00a0b": "", "👨‍👩‍👧": "", "می\u200cخواهم": "", "a\x00": "",
		"\ufeffPa55word!": "U+FEFF", "Pa55\ufeffword!": "U+FEFF", "Pa55word!\ufeff": "U+FEFF", "a\u200bb\ufeff": "U+200B",
		"\u00ad": "U+00AD", "\u200e": "U+200E", "\u202e": "U+202E", "\u2028": "U+2028", "\u2060": "U+2060", "\u2069": "U+2069", "\u3164": "U+3164",
	} {
		if got := charset.Invisible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What Unicode calls a format character, and shows nowhere, is invisible: all but what is written with, or seen.
func TestInvisiblesAreComplete(t *testing.T) {
	const joiners = "\u200c\u200d"
	seen := func(c rune) bool { // signs of Arabic, Syriac, Kaithi, hieroglyphs, shorthand, music; tags in flags
		return c >= 0x600 && c <= 0x605 || c == 0x6dd || c == 0x70f || c == 0x890 || c == 0x891 || c == 0x8e2 || c > 0xffff
	}
	for c := range unicode.MaxRune {
		format := unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp) && !seen(c) && !strings.ContainsRune(joiners, c)
		filler := unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c)
		if got, want := charset.Invisible(string(c)) != "", format || filler; got != want {
			t.Errorf("%U: %v, want %v", c, got, want)
		}
	}
}

// No text in UTF-8 is called anything else, and any Latin one in UTF-16 is.
func FuzzWide(f *testing.F) {
	for _, seed := range []string{"Pa55word!", "\ufeffPa55word!", "Größe", "P\x00a\x00", "\xff\xfeP\x00", "\x00P", "\xfe\xff\x00P", "密码", "\r\n", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := charset.Wide([]byte(text))
		if utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl) && got != "" {
			t.Errorf("%q is called %s", text, got)
		}
		if !utf8.ValidString(text) || text == "" || strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxLatin1 || !unicode.IsPrint(c) }) {
			return
		}
		if got := charset.Wide(encoded(text, 2, binary.BigEndian)); got != "UTF-16" {
			t.Errorf("%q in UTF-16 is called %q", text, got)
		}
	})
}
