package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// The formats of output. None has colours, so that NO_COLOR has nothing to switch off.
const (
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatTable = "table"
)

var outputFormats = []string{formatJSON, formatYAML, formatTable}

// checkOutput refuses a format that there is not; "" is the command's own default.
func checkOutput(format string) error {
	if format == "" || slices.Contains(outputFormats, format) {
		return nil
	}
	return fmt.Errorf("-o %.20q: choose among %s", format, strings.Join(outputFormats, ", "))
}

// printValue prints a value as JSON or YAML.
func printValue(w io.Writer, format string, value any) error {
	text, err := encodeJSON(value)
	if err != nil {
		return err
	}
	if format == formatYAML {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var decoded any
		if err := d.Decode(&decoded); err != nil {
			return err
		}
		text = []byte(encodeYAML(decoded))
	}
	_, err = w.Write(text)
	return err
}

// encodeJSON writes JSON for people and programs: indented, members by name, a line break at the end, and nothing in it that a terminal
// would take for a command.
func encodeJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return []byte(escaped(b.String(), '\n')), nil
}

// escaped has \u escapes in place of what can't be printed: control characters, and those that turn the direction of text. The runes in
// but stay as they are.
func escaped(text string, but ...rune) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case strconv.IsPrint(r) || slices.Contains(but, r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// decodeAnswer reads an answer with its numbers as they stand there.
func decodeAnswer(raw json.RawMessage) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var answer map[string]any
	err := d.Decode(&answer)
	return answer, err
}

// maskSecrets replaces the secrets of an answer, wherever they stand, and says whether there were any.
func maskSecrets(value any) (masked bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if methods.SecretResult(name) && !isEmpty(member) {
				v[name] = account.Secret("").String()
				masked = true
			} else {
				masked = maskSecrets(member) || masked
			}
		}
	case []any:
		for _, item := range v {
			masked = maskSecrets(item) || masked
		}
	}
	return masked
}

// isEmpty says whether a member hides nothing: a boolean tells whether there is a secret, for example.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil, bool:
		return true
	case string:
		return v == ""
	}
	return false
}

// printTable prints an answer as a table: a row for each element of its result, by the method's columns, or a line for each member.
func printTable(w io.Writer, m methods.Method, answer map[string]any) error {
	var b bytes.Buffer
	if err := writeTable(&b, m, answer); err != nil {
		return err
	}
	for line := range bytes.Lines(b.Bytes()) {
		if _, err := w.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// writeTable is printTable, with blanks where the last cells of a line are empty.
func writeTable(w io.Writer, m methods.Method, answer map[string]any) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	rest := answer
	if rows, ok := rowsOf(m, answer["result"]); ok && len(m.Columns) > 0 {
		heads := make([]string, len(m.Columns))
		for i, column := range m.Columns {
			heads[i] = strings.ToUpper(column[strings.LastIndex(column, ".")+1:])
		}
		fmt.Fprintln(t, strings.Join(heads, "\t"))
		for _, row := range rows {
			cells := make([]string, len(m.Columns))
			for i, column := range m.Columns {
				cells[i] = cell(row[column])
			}
			fmt.Fprintln(t, strings.Join(cells, "\t"))
		}
		rest = besides(m, answer)
		if len(rest) == 0 {
			return t.Flush()
		}
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	lines := map[string]string{}
	flatten(lines, "", rest)
	fmt.Fprintln(t, "NAME\tVALUE")
	for _, name := range sortedKeys(lines) {
		fmt.Fprintf(t, "%s\t%s\n", escaped(name), lines[name])
	}
	return t.Flush()
}

// rowsOf are the rows of a result, by the paths of the columns; false where the result is no list.
func rowsOf(m methods.Method, result any) (rows []map[string]any, ok bool) {
	items, isList := result.([]any)
	if object, isObject := result.(map[string]any); isObject && m.Rows != "" {
		items, isList = []any{object}, object[m.Rows] != nil
	}
	if !isList {
		return nil, false
	}
	for _, item := range items {
		object, _ := item.(map[string]any)
		inner, nested := object[m.Rows].([]any)
		if m.Rows == "" || !nested || len(inner) == 0 {
			rows = append(rows, object)
			continue
		}
		for _, one := range inner {
			row := maps.Clone(object)
			members, _ := one.(map[string]any)
			for name, value := range members {
				row[m.Rows+"."+name] = value
			}
			rows = append(rows, row)
		}
	}
	return rows, true
}

// besides is the part of an answer that is in no row.
func besides(m methods.Method, answer map[string]any) map[string]any {
	rest := maps.Clone(answer)
	delete(rest, "result")
	if object, ok := answer["result"].(map[string]any); ok {
		maps.Copy(rest, object)
		delete(rest, m.Rows)
	}
	return rest
}

// flatten puts each scalar below a value under its path.
func flatten(into map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			at := name
			if path != "" {
				at = path + "." + name
			}
			flatten(into, at, member)
		}
	case []any:
		for i, item := range v {
			flatten(into, path+"["+strconv.Itoa(i)+"]", item)
		}
	default:
		into[path] = cell(value)
	}
}

// cell is a value in a table: scalars as they are, all else as JSON in one line.
func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return escaped(strings.ToValidUTF8(v, string(utf8.RuneError)))
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	text, err := json.Marshal(value)
	if err != nil { // what was decoded from JSON encodes
		return ""
	}
	return escaped(string(text))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
