package twosms

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/mailaddress"
)

// Spec paths that other places name too.
const (
	fieldEmail    = "email"
	fieldUsername = "username"
	fieldPassword = "passwordSecretRef"
)

// Names on the wire that other places look at too: members of the bodies, the company's name as it is read, a filter of the list.
const (
	writtenID       = "ID"
	writtenPassword = "Password"
	shownName       = "Name"
	filterEmail     = "EmailAddress"
)

// row is one row of the field table: what the engine has to know of a field, and what the API calls it. Creation and update have the same
// names; an account that is read has others.
type row struct {
	// path is the field's place below spec.
	path string
	// mark and identity are account.Field's.
	mark     account.Mark
	identity bool
	// written is its member of the bodies, read its member of an account that is read; "" where it is never shown.
	written, read string
	// canonical and check are account.Field's.
	canonical account.Canonical
	check     func(string) error
}

// fields is the field table. Sources: the creation of a sub-account, its update, the list of accounts. Each update sends all of them, and
// the password and the ID: what is left out would be lost. None can be the same for several accounts, as no call is for several.
var fields = []row{
	// A sub-account is recognised by its e-mail until its ID is known: nobody shows its username.
	{path: fieldEmail, mark: account.MarkEmail, identity: true, written: "Email", read: "EmailAddress", canonical: account.CanonicalEmail, check: mailaddress.Check},
	{path: fieldUsername, written: "Username", check: checkText},
	{path: "firstName", written: "Firstname", read: "FirstName", canonical: strings.TrimSpace, check: checkText},
	{path: "lastName", written: "Lastname", read: "LastName", canonical: strings.TrimSpace, check: checkText},
	{path: "companyName", written: "CompanyName", read: shownName, canonical: strings.TrimSpace, check: checkText},
	{path: "mobilePhone", written: "MobilePhone", read: "ContactNumber", canonical: canonicalPhone, check: checkPhone},
}

// field is the row without the API's names.
func (r row) field() account.Field {
	return account.Field{
		Path: r.path, Mark: r.mark, Identity: r.identity, Settable: true, Updatable: true, Readable: r.read != "",
		Canonical: r.canonical, Check: r.check,
	}
}

// schema is the field table without the API's names.
var schema = func() account.Schema {
	s := make(account.Schema, len(fields))
	for i, r := range fields {
		s[i] = r.field()
	}
	return s
}()

// Fields returns the field table without the API's names, for those who have no Remote at hand. It is shared and must not be changed.
func Fields() account.Schema { return schema }

// accountOf is an account as the engine knows it. A value that is empty, or not shown, is unknown: no update could have left it so.
func accountOf(is info) account.Account {
	state := make(account.State, len(fields))
	name := ""
	for i, r := range fields {
		value := is[r.read]
		if r.read == "" || value == "" {
			continue
		}
		state[r.path] = schema[i].Normal(value)
		if r.identity {
			name = value
		}
	}
	return account.Account{ID: is.id(), Name: name, State: state}
}

// longestText is how many characters a text may have. Guess: the documents name no limit.
const longestText = 256

func checkText(v string) error {
	switch {
	case strings.TrimSpace(v) == "":
		return errors.New("must not be empty: the API wants a value with every change")
	case utf8.RuneCountInString(v) > longestText:
		return fmt.Errorf("must have at most %d characters", longestText)
	case strings.ContainsFunc(v, unicode.IsControl):
		return errors.New("must have no control characters, such as a line break")
	}
	return nil
}

const (
	leastDigits, leastPhone, longestPhone = 5, 5, 20
	phoneSigns                            = "0123456789 -()"
)

// checkPhone accepts what the documents call a phone number.
func checkPhone(v string) error {
	digits := len(digitsOf(v))
	if len(v) < leastPhone || len(v) > longestPhone || digits < leastDigits || strings.Trim(strings.TrimPrefix(v, "+"), phoneSigns) != "" ||
		strings.ContainsFunc(strings.TrimPrefix(v, "+"), func(c rune) bool { return !strings.ContainsRune(phoneSigns, c) }) {
		return errors.New(`must be 5 to 20 characters with at least five digits: digits, blanks, hyphens and brackets, a plus before them if you like, such as "+49 (30) 123456"`)
	}
	return nil
}

// canonicalPhone is the digits. Guess: the service may show a number without its plus, blanks, hyphens and brackets.
func canonicalPhone(v string) string {
	if digits := digitsOf(v); digits != "" {
		return digits
	}
	return v
}

func digitsOf(v string) string {
	return strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, v)
}
