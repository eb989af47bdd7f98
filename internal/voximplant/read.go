package voximplant

import (
	"context"
	"slices"
	"strconv"

	"cpaas.dev/child-account-operator/internal/account"
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
		if err := r.byID(ctx, ids, add); err != nil {
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
func (r reader) byID(ctx context.Context, ids []string, add func([]account.Account) error) error {
	requested := make(map[string]bool, len(ids))
	for _, id := range ids {
		requested[id] = true
	}
	err := r.pages(ctx, GetChildrenAccountsParams{IDs: ids}, func(page []account.Account) error {
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
	if err := r.byID(ctx, ids[:half], add); err != nil {
		return err
	}
	return r.byID(ctx, ids[half:], add)
}

// byName finds the account with exactly this name; nil if there is none. The service matches parts of names,
// so that it may be on any page.
func (r reader) byName(ctx context.Context, name string) (*account.Account, error) {
	if !safeName(name) {
		return nil, badName()
	}
	var found *account.Account
	err := r.pages(ctx, GetChildrenAccountsParams{Name: name}, func(page []account.Account) error {
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

// pages reads a list page by page and hands each to yield before it asks for the next. It returns nil only if the pages
// are the whole list and nothing was added, removed or moved meanwhile: total_count is the same on each, the ids ascend
// over all of them, and there are as many as total_count says.
func (r reader) pages(ctx context.Context, params GetChildrenAccountsParams, yield func([]account.Account) error) error {
	check := listCheck{}
	for {
		params.Offset = check.seen
		page, err := r.client.GetChildrenAccounts(ctx, params)
		if err != nil {
			return err
		}
		if err := check.page(page); err != nil {
			return err
		}
		accounts := make([]account.Account, len(page.Accounts))
		for i, info := range page.Accounts {
			accounts[i] = accountOf(info)
		}
		if err := yield(accounts); err != nil {
			return err
		}
		if check.seen == check.total {
			return nil
		}
	}
}

// listCheck watches a list while it is read.
type listCheck struct {
	seen, total int
	begun       bool
	last        int64
}

func (c *listCheck) page(p *ChildrenPage) error {
	if !c.begun {
		c.begun, c.total = true, p.Total
	}
	switch n := len(p.Accounts); {
	case p.Total != c.total:
		return contradiction("total_count was %d and is now %d", c.total, p.Total)
	case n > maxPage:
		return contradiction("a page has %d accounts, %d were asked for", n, maxPage)
	case c.seen+n > c.total:
		return contradiction("it has more accounts than its total_count of %d", c.total)
	case n == 0 && c.seen < c.total:
		return contradiction("it ends after %d of %d accounts", c.seen, c.total)
	}
	for _, a := range p.Accounts {
		id, err := strconv.ParseInt(a.ID, 10, 64)
		if err != nil || id <= c.last {
			return contradiction("its ids do not ascend at account %s", a.ID)
		}
		c.last = id
	}
	c.seen += len(p.Accounts)
	return nil
}
