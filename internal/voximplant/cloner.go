package voximplant

import (
	"context"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// cloner creates accounts by CloneAccount.
//
// Guess: the documents name the parameters of CloneAccount, and nothing of what becomes of everything else. All that is assumed is here:
//   - The clone has the name, e-mail, password, custom data (the claim), names, language and location that are sent. So the claim is always sent,
//     and never the template's own custom data kept.
//   - It may have anything in all other fields: the template's value, or a default. So the Remote says of none of them what it is, and what is
//     declared is written right after. Whether the clone is active, and its e-mail, count as the answer has them.
//   - account_name and account_email of the answer are the clone's. An answer about another account than the one that was asked for, the
//     template itself for example, is none: whether there is a clone is then for a read of its name to say.
//   - 115 is about the template. The currency is the parent's to decide; it can't be declared.
type cloner struct{ client *Client }

// Clone implements provider.Cloner by CloneAccount.
func (c cloner) Clone(ctx context.Context, templateID string, n provider.NewAccount) (provider.Cloned, error) {
	if err := checkNew(methodCloneAccount, n); err != nil {
		return provider.Cloned{}, err
	}
	p := CloneAccountParams{SourceID: templateID, Name: n.Name, Password: n.Password, CustomData: n.CustomData, Fields: map[string]string{}}
	sent := account.State{}
	for i, r := range fields {
		value, declared := n.Desired[r.path]
		if !declared || r.identity || !r.clonable() {
			continue
		}
		if sent[r.path] = schema[i].Normal(value); r.mark == account.MarkEmail {
			p.Email = value
		} else {
			p.Fields[r.create] = value
		}
	}
	a, err := c.client.CloneAccount(ctx, p)
	switch {
	case err != nil:
		return provider.Cloned{}, err
	case a.ID == templateID, a.Name != "" && !strings.EqualFold(a.Name, n.Name):
		return provider.Cloned{}, improper(methodCloneAccount, true, "the answer is about another account than the clone")
	}
	said := func(m account.Mark, value string) {
		if f, ok := schema.Marked(m); ok && value != "" {
			sent[f.Path] = f.Normal(value)
		}
	}
	said(account.MarkActive, a.Active)
	said(account.MarkEmail, a.Email)
	return provider.Cloned{
		Created: provider.Created{Account: account.Account{ID: a.ID, Name: n.Name, CustomData: n.CustomData, State: sent}, APIKey: a.APIKey},
		Users:   namesOf(a.Users), Scenarios: namesOf(a.Scenarios), Applications: namesOf(a.Applications),
	}, nil
}

// clonable says whether CloneAccount takes the field.
func (r row) clonable() bool {
	return r.identity || r.mark == account.MarkEmail || clonedFields[r.create]
}

// namesOf are the names of what a clone has got.
func namesOf(parts []ClonedPart) []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Name
	}
	return names
}
