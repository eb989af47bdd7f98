package voximplant

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// rung is a way to request everything from GetChildrenAccounts. Which one the service accepts is not certain: the documents
// want an id, a name or an e-mail, and mention "all" only elsewhere. So the lister tries them in this order, once.
type rung int

const (
	rungAll        rung = iota + 1 // child_account_id=all
	rungUnfiltered                 // no selection at all
	rungKnown                      // only known ids and names
)

// String is the rung's name, as for a metric's label.
func (g rung) String() string {
	return map[rung]string{rungAll: "all", rungUnfiltered: "unfiltered", rungKnown: "known"}[g]
}

// lister reads the whole list, and remembers by which way the service gives it, and in which pages. It is safe for concurrent use: mu
// guards the rung and proven, and no call is made while it is held.
type lister struct {
	reader reader
	sizes  pageSizes

	mu   sync.Mutex
	rung rung
	// proven is set once the rung has listed an account.
	proven bool
}

// ListMethod implements provider.ListMethoder: "all", "unfiltered" or "known". It starts with the first and only continues to the next.
func (l *lister) ListMethod() string {
	at, _ := l.currentRung()
	return at.String()
}

// currentRung is the rung to begin with, and whether it has listed an account before.
func (l *lister) currentRung() (at rung, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rung, l.proven
}

// settle keeps the rung for the next list. It never goes back up: a way that the service has refused once is not used again.
func (l *lister) settle(at rung, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at > l.rung {
		l.rung, l.proven = at, proven
	} else if at == l.rung {
		l.proven = l.proven || proven
	}
}

// List implements provider.Remote by GetChildrenAccounts. Pages are marked Partial where only known accounts can be listed.
func (l *lister) List(ctx context.Context, known provider.Known, yield func(provider.Page)) error {
	at, proven := l.currentRung()
	emptyBefore := false // a way that never listed an account has listed none
	for ; at < rungKnown; at, proven = at+1, false {
		found, err := l.listAll(ctx, at, yield, !proven && (known.More || len(known.IDs) > 0))
		switch {
		case err == nil:
			l.settle(at, found)
			return nil
		case errors.Is(err, errEmpty):
			emptyBefore = true // no reason to leave the rung: perhaps there are no accounts any more
		case found || !refusesRequest(err):
			return err
		case !emptyBefore:
			l.settle(at+1, false)
		}
	}
	found, err := l.listKnown(ctx, known, yield)
	if err == nil && found {
		l.settle(rungKnown, true)
	}
	return err
}

// errEmpty says that a way which has never listed an account has listed none, although some are known or may be. An empty list is
// no proof that the service understood the request, and would make every account of ours count as missing.
var errEmpty = &account.Error{Class: account.Incomplete, Method: methodGetChildrenAccounts, Message: "the list is empty"}

// listAll lists by one of the ways that return everything; found says whether any page had accounts.
func (l *lister) listAll(ctx context.Context, at rung, yield func(provider.Page), distrustEmpty bool) (found bool, err error) {
	sizes := l.sizes.begin(l.reader.client.config.MaxList)
	defer l.sizes.keep(sizes)
	err = l.reader.pages(ctx, GetChildrenAccountsParams{All: at == rungAll}, sizes, func(page []account.Account) error {
		if len(page) == 0 && distrustEmpty {
			return errEmpty
		}
		found = found || len(page) > 0
		yield(provider.Page{Accounts: page})
		return nil
	})
	return found, err
}

// listKnown requests the accounts that the caller knows of. A text that can't be an id or a name is no account's. There is a page in any case.
func (l *lister) listKnown(ctx context.Context, known provider.Known, yield func(provider.Page)) (found bool, err error) {
	yieldPartial := func(page []account.Account) error {
		found = found || len(page) > 0
		yield(provider.Page{Accounts: page, Partial: true})
		return nil
	}
	ids := slices.DeleteFunc(distinct(known.IDs), func(id string) bool { return !validID(id) })
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) // the same pages each time
	sizes := l.sizes.begin(l.reader.client.config.MaxList)
	defer l.sizes.keep(sizes)
	for i := 0; i < len(ids); i += maxPage {
		if err := l.reader.byID(ctx, ids[i:min(i+maxPage, len(ids))], sizes.after(i), yieldPartial); err != nil {
			return found, err
		}
	}
	var named []account.Account
	for _, name := range distinct(known.Names) {
		if !safeName(name) {
			continue
		}
		a, err := l.reader.byName(ctx, name)
		if err != nil {
			return found, err
		}
		if a != nil && !slices.Contains(ids, a.ID) {
			named = append(named, *a)
		}
	}
	return found, yieldPartial(named)
}

// refusesRequest says whether the service refused the parameters, not the caller, and not for now.
func refusesRequest(err error) bool {
	e := account.AsError(err)
	return e.Answered && !e.OutcomeUnknown && (e.Class == account.Invalid || e.Class == account.NotFound)
}
