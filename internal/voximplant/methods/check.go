package methods

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/voximplant"
)

// ParameterError is a parameter that a call can't have as it is. Its text names the parameter and what to do, and repeats no value of a
// secret.
type ParameterError struct {
	Method, Parameter, Problem string
}

// Error implements error.
func (e *ParameterError) Error() string {
	if e.Parameter == "" {
		return fmt.Sprintf("%s %s", e.Method, e.Problem)
	}
	return fmt.Sprintf("%s: parameter %s %s", e.Method, e.Parameter, e.Problem)
}

// Check says why a call can't have the parameters; nil where it can. The error is a *ParameterError.
func (m Method) Check(given map[string]string) error {
	for _, name := range sortedNames(given) {
		if _, known := m.Parameter(name); !known {
			return &ParameterError{m.Name, fmt.Sprintf("%.60q", name), "does not exist: " + m.instead(name)}
		}
	}
	for _, p := range m.Parameters {
		value, ok := given[p.Name]
		if !ok && p.Required {
			return &ParameterError{m.Name, p.Name, fmt.Sprintf("is required: add %s (%s)", p.howToGive(), p.Type)}
		}
		if !ok {
			continue
		}
		if err := p.Check(value); err != nil {
			return &ParameterError{m.Name, p.Name, err.Error()}
		}
	}
	return m.checkChoices(given)
}

// instead says which parameter is meant, or which there are.
func (m Method) instead(name string) string {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	names := make([]string, len(m.Parameters))
	for i, p := range m.Parameters {
		names[i] = p.Name
		if plain(p.Name) == plain(name) {
			return "write " + p.Name
		}
	}
	if len(names) == 0 {
		return "the method has no parameters"
	}
	return "choose among " + strings.Join(names, ", ")
}

func (p Parameter) howToGive() string {
	if p.Secret {
		return "-p " + p.Name + "=@FILE"
	}
	return "-p " + p.Name + "=…"
}

// checkChoices checks what parameters have to do with each other.
func (m Method) checkChoices(given map[string]string) error {
	for _, c := range m.Choices {
		var has []string
		for _, name := range c.Of {
			if _, ok := given[name]; ok {
				has = append(has, name)
			}
		}
		switch {
		case len(has) > 1:
			return &ParameterError{m.Name, has[1], "can't go with " + has[0] + ": give one of them"}
		case len(has) == 0 && c.Required:
			return &ParameterError{Method: m.Name, Problem: "needs one of the parameters " + strings.Join(c.Of, ", ") + ": add one"}
		}
	}
	if m.Selectors != nil && !slices.ContainsFunc(sortedNames(given), func(name string) bool { return !slices.Contains(m.Selectors, name) }) {
		problem := "would change nothing: add a parameter"
		if len(m.Selectors) > 0 {
			problem += " besides " + strings.Join(m.Selectors, ", ")
		}
		return &ParameterError{Method: m.Name, Problem: problem}
	}
	return nil
}

// Check says why the parameter can't have the value; nil where it can. The error continues a sentence that begins with the parameter's
// name, and does not repeat the value of a secret.
func (p Parameter) Check(value string) error {
	switch {
	case value == "":
		return errors.New("is empty, which the API takes for left out: leave the parameter out, or give a value")
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return errors.New("is no text in UTF-8: save it as UTF-8")
	}
	if err := p.checkType(value); err != nil {
		return err
	}
	if p.check != nil {
		return p.check(value)
	}
	return nil
}

var (
	wholeNumber = regexp.MustCompile(`^\d{1,10}$`)
	plainNumber = regexp.MustCompile(`^\d{1,15}(\.\d{1,15})?$`)
	positiveID  = regexp.MustCompile(`^[1-9]\d{0,18}$`)
	upperWord   = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

func (p Parameter) checkType(value string) error {
	switch p.Type {
	case Bool:
		if value != "true" && value != "false" {
			return fmt.Errorf("must be true or false, not %.40q", value)
		}
	case Number:
		return p.checkNumber(value)
	case Decimal:
		if !plainNumber.MatchString(value) {
			return fmt.Errorf("must be a number such as 12.50, not %.40q", value)
		}
	case Date:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return fmt.Errorf("must be a date such as 2026-01-31, not %.40q", value)
		}
	case ID:
		if !validID(value) {
			return fmt.Errorf("must be an id, a positive whole number, not %.40q", value)
		}
	case IDList, TextList:
		return p.checkList(value)
	case Text:
		if n := utf8.RuneCountInString(value); p.Max > 0 && n > p.Max {
			return fmt.Errorf("has %d characters: shorten it to %d", n, p.Max)
		}
		return p.checkValue(value)
	}
	return nil
}

func (p Parameter) checkNumber(value string) error {
	n, err := strconv.Atoi(value)
	if !wholeNumber.MatchString(value) || err != nil {
		return fmt.Errorf("must be a whole number, not %.40q", value)
	}
	if p.Max > 0 && (n < p.Min || n > p.Max) {
		return fmt.Errorf("must be from %d to %d", p.Min, p.Max)
	}
	return nil
}

func validID(value string) bool {
	_, err := strconv.ParseInt(value, 10, 64)
	return err == nil && positiveID.MatchString(value)
}

// checkList checks each item of a list.
func (p Parameter) checkList(value string) error {
	if value == "all" {
		if p.All {
			return nil
		}
		return errors.New("can't be all: name each, separated by semicolons, in quotes for the shell")
	}
	for item := range strings.SplitSeq(value, ";") {
		switch {
		case item == "":
			return errors.New("has an empty item: separate the items by one semicolon each, in quotes for the shell")
		case p.Type == IDList && !validID(item):
			return fmt.Errorf("must be ids, positive whole numbers, separated by semicolons and in quotes for the shell, as in %q; %.40q is none", "1;2", item)
		}
		if p.Type == TextList {
			if err := p.checkValue(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkValue compares a text with those that there are. A word in upper case may be one that came after this table.
func (p Parameter) checkValue(value string) error {
	if len(p.Values) == 0 || slices.Contains(p.Values, value) || p.Open && upperWord.MatchString(value) {
		return nil
	}
	for _, v := range p.Values {
		if strings.EqualFold(v, value) {
			return fmt.Errorf("can't be %.40q: write %s", value, v)
		}
	}
	values := p.Values
	more := ""
	if len(values) > mostNamed {
		values, more = values[:mostNamed], ", …"
	}
	return fmt.Errorf("can't be %.40q: choose among %s%s", value, strings.Join(values, ", "), more)
}

// mostNamed is how many values an error names.
const mostNamed = 12

// byField checks a value as the field of the spec is checked.
func byField(path string) func(string) error {
	f, ok := voximplant.Fields().Field(path)
	if !ok || f.Check == nil {
		panic("the field table has no check for " + path)
	}
	return f.Check
}

var newAccountName = regexp.MustCompile(`^[a-z][a-z0-9-]{4,19}$`)

// checkAccountName checks the name of an account that is to be made.
func checkAccountName(value string) error {
	if !newAccountName.MatchString(value) {
		return fmt.Errorf("must have 5 to 20 lower-case letters, digits and hyphens, and begin with a letter, which %.40q does not", value)
	}
	return nil
}

// checkPassword has the documented rules. No error repeats the password.
func checkPassword(value string) error {
	special := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	switch {
	case strings.ContainsFunc(value, unicode.IsSpace):
		return errors.New("must not have spaces or line breaks in it: choose another password")
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("must not have control characters in it: choose another password")
	case utf8.RuneCountInString(value) < 8 || !strings.ContainsFunc(value, unicode.IsUpper) || !strings.ContainsFunc(value, unicode.IsLower) ||
		!strings.ContainsFunc(value, unicode.IsDigit) || !strings.ContainsFunc(value, special):
		return errors.New("must have at least 8 characters, among them an upper-case and a lower-case letter, a digit and a special character: choose another password")
	}
	return nil
}

var phoneDigits = regexp.MustCompile(`^\+?\d{5,15}$`)

// checkPhone accepts digits after an optional plus. Guess: the documents don't say what a phone number looks like.
func checkPhone(value string) error {
	if !phoneDigits.MatchString(value) {
		return fmt.Errorf("must be a phone number, 5 to 15 digits with the country code, such as 4930123456, not %.40q", value)
	}
	return nil
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

func checkCountry(value string) error {
	if !countryCode.MatchString(value) {
		return fmt.Errorf("must be a country code of ISO 3166-1, two upper-case letters such as DE, not %.40q", value)
	}
	return nil
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// checkCurrency checks each code of a list.
func checkCurrency(value string) error {
	for code := range strings.SplitSeq(value, ";") {
		if !currencyCode.MatchString(code) {
			return fmt.Errorf("must be a currency code, three upper-case letters such as EUR, not %.40q", code)
		}
	}
	return nil
}

func checkURL(value string) error {
	if !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "http://") {
		return fmt.Errorf("must be a URL such as https://acme.example/callbacks, not %.40q", value)
	}
	return nil
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
