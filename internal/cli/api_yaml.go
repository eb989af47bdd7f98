package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A library's YAML reads numbers as floats and prints characters that turn the direction of text. JSON's values need little of YAML, so
// they are written here: numbers to the digit, members by name, each text plain or in double quotes.

var (
	plainText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+(),=-]+)*$`)
	// taken are plain words that YAML takes for something else than text, by some of its versions.
	taken = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null)$`)
)

// encodeYAML writes a value that was decoded from JSON, numbers as json.Number.
func encodeYAML(value any) string { return yamlBlock("", value) }

// yamlBlock is a value with its lines, each indented.
func yamlBlock(indent string, value any) string {
	var b strings.Builder
	switch v := value.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			b.WriteString(indent + yamlText(name) + ":" + yamlMember(indent, v[name]))
		}
		if len(v) > 0 {
			return b.String()
		}
	case []any:
		for _, item := range v {
			b.WriteString(indent + "- " + strings.TrimPrefix(yamlBlock(indent+"  ", item), indent+"  "))
		}
		if len(v) > 0 {
			return b.String()
		}
	}
	return indent + yamlScalar(value) + "\n"
}

// yamlMember is what comes after the colon of a member.
func yamlMember(indent string, value any) string {
	switch v := value.(type) {
	case map[string]any:
		if len(v) > 0 {
			return "\n" + yamlBlock(indent+"  ", v)
		}
	case []any:
		if len(v) > 0 {
			return "\n" + yamlBlock(indent, v)
		}
	}
	return " " + yamlScalar(value) + "\n"
}

// yamlScalar is a value in one line.
func yamlScalar(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		return yamlText(v)
	case []any:
		return "[]"
	}
	return "{}"
}

// yamlText is a text, in quotes where that would not be one without.
func yamlText(text string) string {
	if plainText.MatchString(text) && !taken.MatchString(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
