package voximplant

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// ownPaths are the rows of the field table that SetAccountInfo changes under the same parameter as SetChildAccountInfo does; the rows of
// SetAccountInfo come beside them. Source: SetAccountInfo. It takes an e-mail, too, but not under a token (537), and a password, which is left to
// people: who mistypes it would be locked out.
var ownPaths = []string{
	"languageCode", "location", "notifications.account", "notifications.tariffChanges", "notifications.news", "minBalanceToNotify", "callback.url",
}

// ownFields is the field table of the parent account itself.
var ownFields = func() (rows []row) {
	for _, r := range fields {
		if r.method != methodSetAccountInfo && !slices.Contains(ownPaths, r.path) {
			continue
		}
		r.create, r.createDefault, r.method, r.batchable, r.mark = "", "", methodSetAccountInfo, false, account.MarkNone
		rows = append(rows, r)
	}
	return rows
}()

// ownSchema is ownFields without the API's names. Nothing is delegated: the account acts as itself.
var ownSchema = func() account.Schema {
	s := make(account.Schema, len(ownFields))
	for i, r := range ownFields {
		s[i] = r.field()
		s[i].Delegated = false
	}
	return s
}()

// OwnFields returns the field table of the parent account itself, for those who have no Remote at hand. It is shared and must not be changed.
func OwnFields() account.Schema { return ownSchema }

// ownKeeper reads and changes the parent account itself. It has no state of its own.
type ownKeeper struct{ client *Client }

var _ provider.OwnKeeper = ownKeeper{}

// OwnFields implements provider.OwnKeeper.
func (ownKeeper) OwnFields() account.Schema { return ownSchema }

// Own implements provider.OwnKeeper by GetAccountInfo.
func (k ownKeeper) Own(ctx context.Context) (account.Account, error) {
	info, err := k.client.GetAccountInfo(ctx)
	if err != nil {
		return account.Account{}, err
	}
	if info.Account.ID != k.client.config.Credentials.AccountID {
		return account.Account{}, otherAccount()
	}
	return accountOf(info.Account), nil
}

// UpdateOwn implements provider.OwnKeeper by SetAccountInfo, as the parent account itself.
func (k ownKeeper) UpdateOwn(ctx context.Context, changes []account.Change, salt account.Secret) error {
	values := make(map[string]string, len(changes)+1)
	for _, c := range changes {
		i := slices.IndexFunc(ownFields, func(r row) bool { return r.path == c.Field.Path })
		err := errors.New("can't be changed")
		if i >= 0 {
			err = ownFields[i].check(c.To)
		}
		if err != nil {
			return &account.Error{Class: account.Invalid, Method: methodSetAccountInfo, Field: c.Field.Path, Message: err.Error()}
		}
		values[ownFields[i].update] = c.To
	}
	if salt != "" {
		values[wireCallbackSalt] = salt.Reveal()
	}
	if len(values) == 0 {
		return nil
	}
	params := make(url.Values, len(values))
	for name, value := range values {
		params.Set(name, value)
	}
	return k.client.write(ctx, call{
		method: methodSetAccountInfo, params: params, issuer: k.client.config.Credentials.AccountID, optional: true, secrets: []account.Secret{salt},
	})
}

// nextForOwnRole is what to do where the key of the parent account lacks a role for a method that changes the account itself.
func nextForOwnRole(roles string) string {
	return fmt.Sprintf("Give the service account one of the roles %s at the provider.", roles)
}
