package simulator

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that the known locations do not depend on the machine
	"unicode"
	"unicode/utf8"
)

// parser is the type of a parameter: it reads the text of a call, or refuses it with the documented error.
type parser func(name, raw string) (any, *apiError)

// idList is the type intlist: ids, or the literal all.
type idList struct {
	all bool
	ids []int64
}

func asBool(name, raw string) (any, *apiError) {
	switch raw {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, fail(codeInvalidParameter, name)
}

var digits = regexp.MustCompile(`^\d{1,18}$`)

// asID is a whole number above zero.
func asID(code int) parser {
	return func(name, raw string) (any, *apiError) {
		id, ok := parseID(raw)
		if !ok {
			return nil, fail(code, name)
		}
		return id, nil
	}
}

func parseID(raw string) (int64, bool) {
	if !digits.MatchString(raw) {
		return 0, false
	}
	id, err := strconv.ParseInt(raw, 10, 64)
	return id, err == nil && id > 0
}

// asNumber is a whole number in a range; outside of it the answer is 497.
func asNumber(low, high int64) parser {
	return func(name, raw string) (any, *apiError) {
		if !digits.MatchString(strings.TrimPrefix(raw, "-")) {
			return nil, fail(codeInvalidParameter, name)
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < low || n > high {
			return nil, fail(codeRange, "", name, low, high)
		}
		return n, nil
	}
}

var decimal = regexp.MustCompile(`^\d{1,15}(\.\d{1,15})?$`)

// asDecimal is a number with a dot. That it cannot be negative is a guess.
func asDecimal(name, raw string) (any, *apiError) {
	if !decimal.MatchString(raw) {
		return nil, fail(codeInvalidParameter, name)
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return nil, fail(codeInvalidParameter, name)
	}
	return n, nil
}

// asIDs is the type intlist: 1;2;3 or all. The documents' code samples have [123] instead, which their text rules out.
func asIDs(code int) parser {
	return func(name, raw string) (any, *apiError) {
		if raw == "all" {
			return idList{all: true}, nil
		}
		var list idList
		for item := range strings.SplitSeq(raw, ";") {
			id, ok := parseID(item)
			if !ok {
				return nil, fail(code, name)
			}
			list.ids = append(list.ids, id)
		}
		return list, nil
	}
}

// asTexts is the type stringlist: a;b;c.
func asTexts(code int) parser {
	return func(name, raw string) (any, *apiError) {
		items := strings.Split(raw, ";")
		if slices.Contains(items, "") {
			return nil, fail(code, name)
		}
		return items, nil
	}
}

// asText is any text.
func asText(_, raw string) (any, *apiError) { return raw, nil }

// asTextBelow is a text of less than limit characters (not bytes: a guess).
func asTextBelow(limit, code int) parser {
	return func(_, raw string) (any, *apiError) {
		if utf8.RuneCountInString(raw) >= limit {
			return nil, fail(code)
		}
		return raw, nil
	}
}

func asOneOf(allowed ...string) parser {
	return func(name, raw string) (any, *apiError) {
		if !slices.Contains(allowed, raw) {
			return nil, fail(codeInvalidParameter, name)
		}
		return raw, nil
	}
}

func asCode(known map[string]bool, code int) parser {
	return func(_, raw string) (any, *apiError) {
		if !known[raw] {
			return nil, fail(code)
		}
		return raw, nil
	}
}

func asLocation(name, raw string) (any, *apiError) {
	if _, err := time.LoadLocation(raw); err != nil || raw == "Local" {
		return nil, fail(codeInvalidParameter, name)
	}
	return raw, nil
}

var accountName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func asAccountName(_, raw string) (any, *apiError) {
	if n := utf8.RuneCountInString(raw); n < 5 || n > 20 {
		return nil, fail(codeNameLength)
	}
	if !accountName.MatchString(raw) {
		return nil, fail(codeNameCharacters)
	}
	return raw, nil
}

var email = regexp.MustCompile(`^[^\s@;,<>"]+@[^\s@;,<>".]+(\.[^\s@;,<>".]+)+$`)

// asEmail is a mail address of the usual form; what the service itself checks is not documented.
func asEmail(code int) parser {
	return func(_, raw string) (any, *apiError) {
		if len(raw) > 254 || !email.MatchString(raw) {
			return nil, fail(code)
		}
		return raw, nil
	}
}

// asPassword has the documented rules: 8 characters, upper and lower case, a digit, a special character, no spaces.
func asPassword(_, raw string) (any, *apiError) {
	if strings.ContainsFunc(raw, unicode.IsSpace) {
		return nil, fail(codePasswordSpaces)
	}
	special := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for _, needed := range []func(rune) bool{unicode.IsUpper, unicode.IsLower, unicode.IsDigit, special} {
		if !strings.ContainsFunc(raw, needed) {
			return nil, fail(codePasswordRules)
		}
	}
	if utf8.RuneCountInString(raw) < 8 {
		return nil, fail(codePasswordRules)
	}
	return raw, nil
}

func asCallbackURL(_, raw string) (any, *apiError) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fail(codeCallbackURL)
	}
	return raw, nil
}

var phone = regexp.MustCompile(`^\+?\d{7,15}$`)

// asPhone is 7 to 15 digits after an optional plus: a guess.
func asPhone(_, raw string) (any, *apiError) {
	if !phone.MatchString(raw) {
		return nil, fail(codeMobilePhone)
	}
	return raw, nil
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
