// Package charset finds out how a text was saved that people hand in as a file: Windows tools like to save UTF-16, or UTF-8
// with a byte order mark, and neither shows in an editor.
package charset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode"
)

// Mark is the byte order mark. At the beginning of a text it says how the text was saved; elsewhere it is an invisible
// character.
const Mark = "\ufeff"

// WithoutMark returns a text in UTF-8 without the byte order marks that it begins with.
func WithoutMark(text []byte) []byte {
	for bytes.HasPrefix(text, []byte(Mark)) {
		text = text[len(Mark):]
	}
	return text
}

// WithoutMarks returns a text in UTF-8 without any byte order mark: files that were put together have one in the middle.
func WithoutMarks(text []byte) []byte { return bytes.ReplaceAll(text, []byte(Mark), nil) }

// wide is an encoding other than UTF-8.
type wide struct {
	name, mark string
	// size is how many bytes a unit has, and unit reads one.
	size int
	unit func([]byte) uint32
}

// wides are the encodings that Wide knows. A mark that begins with another one comes before it.
var wides = []wide{
	{"UTF-32", "\xff\xfe\x00\x00", 4, binary.LittleEndian.Uint32},
	{"UTF-32", "\x00\x00\xfe\xff", 4, binary.BigEndian.Uint32},
	{"UTF-16", "\xff\xfe", 2, func(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) }},
	{"UTF-16", "\xfe\xff", 2, func(b []byte) uint32 { return uint32(binary.BigEndian.Uint16(b)) }},
}

// Wide names the encoding of a text that was saved as UTF-16 or UTF-32, "" for any other. Without a byte order mark that shows
// where most characters are of alphabets like the Latin one; nothing that is text in UTF-8 is taken for it.
func Wide(text []byte) string {
	for _, w := range wides {
		if bytes.HasPrefix(text, []byte(w.mark)) || w.fits(text) {
			return w.name
		}
	}
	return ""
}

// alphabets is where the Latin, Greek, Cyrillic, Armenian and Hebrew characters end. The higher byte of each is at most 5, which
// no character in UTF-8 has.
const alphabets = 0x600

// fits says whether most units are characters of Latin and of one more such alphabet, which their higher bytes tell apart.
func (w wide) fits(text []byte) bool {
	var having [alphabets >> 8]int
	units := len(text) / w.size
	for i := range units {
		if c := w.unit(text[i*w.size:]); c < alphabets && isText(rune(c)) {
			having[c>>8]++
		}
	}
	return 2*(having[0]+slices.Max(having[1:])) > units
}

func isText(c rune) bool { return unicode.IsPrint(c) || unicode.IsSpace(c) }

// invisibles are the characters that show nowhere and that nobody types: soft hyphen, marks of direction, spaces of no width,
// separators, annotations; unicode's own table has fillers beside them. The joiners U+200C and U+200D are not among them, since scripts and emoji are written with them.
var invisibles = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1}, {0x061c, 0x061c, 1}, {0x180e, 0x180e, 1}, {0x200b, 0x200b, 1}, {0x200e, 0x200f, 1},
		{0x2028, 0x202e, 1}, {0x2060, 0x206f, 1}, {0xfeff, 0xfeff, 1}, {0xfff9, 0xfffb, 1},
	},
	LatinOffset: 1,
}

// Invisible names the first invisible character of a text as U+FEFF, "" where there is none. Blanks and control characters
// are not among them.
func Invisible(text string) string {
	for _, c := range text {
		if unicode.In(c, invisibles, unicode.Other_Default_Ignorable_Code_Point) {
			return fmt.Sprintf("U+%04X", c)
		}
	}
	return ""
}
