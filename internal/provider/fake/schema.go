package fake

import (
	"errors"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
)

// Paths of the fields. None is called as the field of any real provider, so that nothing that knows one by its path works here.
const (
	PathName     = "displayName" // the Identity field, unless Options.FoundByEmail
	PathLogin    = "login"       // never shown
	PathContact  = "contact"     // the e-mail
	PathEnabled  = "enabled"     // whether the account can be used
	PathBarred   = "barred"      // whether the provider has blocked the account
	PathTongue   = "tongue"
	PathNickname = "nickname" // can't be set at creation
	PathCredit   = "limits.credit"
	PathRegion   = "region" // changed by a call of its own
	PathOpened   = "opened" // read only
	PathMotto    = "motto"  // changed acting as the account itself
	PathQuiet    = "quiet"  // so changed, and never shown
	PathNotes    = "notes"  // the custom data, so changed; not of services with FullReplace or NoClaims
)

func notEmpty(v string) error {
	if strings.TrimSpace(v) == "" {
		return errors.New("must not be empty")
	}
	return nil
}

func boolean(v string) error {
	if v != "true" && v != "false" {
		return errors.New("must be true or false")
	}
	return nil
}

// schema is the field table of a service with these options.
func (o Options) schema() account.Schema {
	s := account.Schema{
		{Path: PathName, Identity: !o.FoundByEmail, Settable: true, Clonable: true, Updatable: o.FoundByEmail, Readable: true, Check: notEmpty},
		{Path: PathLogin, Settable: true, Updatable: true, Check: notEmpty},
		{Path: PathContact, Mark: account.MarkEmail, Identity: o.FoundByEmail, Settable: true, Clonable: true, Updatable: true, Readable: true, Canonical: account.CanonicalEmail, Check: notEmpty},
		{Path: PathEnabled, Kind: account.KindBool, Mark: account.MarkActive, Settable: true, CreateDefault: "true", Updatable: true, Readable: true, Batchable: true, Check: boolean},
		{Path: PathTongue, Settable: true, Clonable: true, Updatable: true, Readable: true, Batchable: true, Canonical: account.CanonicalLanguage, Check: notEmpty},
		{Path: PathNickname, Updatable: true, Readable: true, Batchable: true, Check: notEmpty},
		{Path: PathCredit, Kind: account.KindDecimal, Settable: true, Updatable: true, Readable: true, Batchable: true, Check: notEmpty},
		{Path: PathRegion, Settable: true, Updatable: true, Readable: true, Batchable: true, Group: "region", Check: notEmpty},
		{Path: PathBarred, Kind: account.KindBool, Mark: account.MarkFrozen, Readable: true},
		{Path: PathOpened, Readable: true},
		{Path: PathMotto, Updatable: true, Readable: true, Group: "own", Delegated: true, Check: notEmpty},
		{Path: PathQuiet, Kind: account.KindBool, Updatable: true, Group: "own", Delegated: true, Check: boolean},
	}
	if !o.FullReplace && !o.NoClaims {
		s = append(s, account.Field{Path: PathNotes, Mark: account.MarkCustomData, Updatable: true, Readable: true, OmittedEmpty: true, Group: "own", Delegated: true, Check: notEmpty})
	}
	if o.FullReplace { // one call for everything, and for one account only
		for i := range s {
			s[i].Batchable, s[i].Group, s[i].Delegated = false, "", false
		}
	}
	return s
}
