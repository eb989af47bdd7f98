package voximplant

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/apihttp"
	"cpaas.dev/child-account-operator/internal/provider"
)

// reader reads child accounts by GetChildrenAccounts. It has no state of its own.
type reader struct{ client *Client }

// Get implements provider.Remote by GetChildrenAccounts: one call for each 1,000 ids, and one or more for each name.
func (r reader) Get(ctx context.Context, sel provider.Selector) ([]account.Account, error) {
	var found []account.Account
	add := func(page []account.Account) error {
		found = append(found, page...)
		return nil
	}
	for ids := range slices.Chunk(distinct(sel.IDs), maxPage) {
		if err := r.byID(ctx, ids, newSizing(r.client.config.MaxList), add); err != nil {
			return nil, err
		}
	}
	for _, name := range distinct(sel.Names) {
		a, err := r.byName(ctx, name)
		if err != nil {
			return nil, err
		}
		if a != nil {
			found = append(found, *a)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(found, func(a account.Account) bool {
		again := seen[a.ID]
		seen[a.ID] = true
		return again
	}), nil
}

// byID reads at most maxPage accounts. The ids of no child are left out, also where the service refuses them in spite of
// ignore_invalid_accounts: then each half is read by itself, until the refusal is about one id.
func (r reader) byID(ctx context.Context, ids []string, sizes sizing, add func([]account.Account) error) error {
	requested := make(map[string]bool, len(ids))
	for _, id := range ids {
		requested[id] = true
	}
	err := r.pages(ctx, GetChildrenAccountsParams{IDs: ids}, sizes, func(page []account.Account) error {
		for _, a := range page {
			if !requested[a.ID] {
				return contradiction("it has account %s, which was not asked for", a.ID)
			}
		}
		return add(page)
	})
	if account.ClassOf(err) != account.NotFound {
		return err
	}
	if len(ids) == 1 {
		return nil
	}
	half := len(ids) / 2
	if err := r.byID(ctx, ids[:half], sizes, add); err != nil {
		return err
	}
	return r.byID(ctx, ids[half:], sizes.after(half), add)
}

// byName finds the account with exactly this name; nil if there is none. The service matches parts of names,
// so that it may be on any page.
func (r reader) byName(ctx context.Context, name string) (*account.Account, error) {
	if !safeName(name) {
		return nil, badName()
	}
	var found *account.Account
	err := r.pages(ctx, GetChildrenAccountsParams{Name: name}, newSizing(r.client.config.MaxList), func(page []account.Account) error {
		i := slices.IndexFunc(page, func(a account.Account) bool { return a.Name == name })
		if i < 0 {
			return nil
		}
		found = &page[i]
		return errEnough
	})
	switch {
	case found != nil:
		return found, nil
	case account.ClassOf(err) == account.NotFound: // 198: no name like it
		return nil, nil
	}
	return nil, err
}

// errEnough ends pages early.
var errEnough = &account.Error{Message: "enough"}

// pages reads a list page by page and hands each to yield before it asks for the next. It returns nil only if the pages are the whole
// list, as listCheck has it. sizes says how many accounts a page is to have.
func (r reader) pages(ctx context.Context, params GetChildrenAccountsParams, sizes sizing, yield func([]account.Account) error) error {
	check := listCheck{}
	for {
		params.Offset = check.seen
		params.Count = sizes.at(params.Offset)
		page, err := r.client.GetChildrenAccounts(ctx, params)
		if cut, ok := errors.AsType[*pageTooLarge](err); ok {
			if err := r.smaller(ctx, params, sizes, cut); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		before := check
		if err := check.page(page, params.Count); err != nil {
			return err
		}
		if before.begun && check.total > before.total {
			if err := r.confirm(ctx, params, before); err != nil {
				return err
			}
		}
		sizes.read(params.Offset, params.Count, page.size)
		accounts := make([]account.Account, len(page.Accounts))
		for i, info := range page.Accounts {
			accounts[i] = r.client.accountOf(info)
		}
		if err := yield(accounts); err != nil {
			return err
		}
		if check.seen == check.total {
			return nil
		}
	}
}

// smaller has the next page be smaller than one that was too large; an error where it was of one account alone.
func (r reader) smaller(ctx context.Context, params GetChildrenAccountsParams, sizes sizing, cut *pageTooLarge) error {
	count := params.Count
	if n := len(params.IDs); n > 0 {
		count = min(count, n-params.Offset)
	}
	if count > 1 {
		sizes.tooLarge(params.Offset, count, cut.whole)
		return nil
	}
	e := *cut.cause
	e.Message = "the answer for " + r.describe(ctx, params) + " alone is larger than the " + sizeText(r.client.config.MaxList) +
		" that the operator reads, so the list can't be read to its end: shorten what is stored in that account, its custom data for example"
	return &e
}

// describe says which account is the first of a page that can't be read.
func (r reader) describe(ctx context.Context, params GetChildrenAccountsParams) string {
	params.Count, params.NamesOnly = 1, true
	page, err := r.client.GetChildrenAccounts(ctx, params)
	switch {
	case err == nil && len(page.Accounts) > 0:
		name, _ := page.Accounts[0].Value("account_name")
		return "account " + page.Accounts[0].ID + " (" + apihttp.NewRedactor().Clean(name) + ")"
	case len(params.IDs) == 1:
		return "account " + params.IDs[0]
	}
	return fmt.Sprintf("the account at offset %d", params.Offset)
}

// confirm reads the last account that was seen before a list grew once more: it has to be where it was.
func (r reader) confirm(ctx context.Context, params GetChildrenAccountsParams, before listCheck) error {
	params.Offset, params.Count = before.seen-1, 1
	page, err := r.client.GetChildrenAccounts(ctx, params)
	if err != nil {
		return err
	}
	return before.confirm(page)
}
