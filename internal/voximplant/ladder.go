package voximplant

import (
	"context"
	"errors"
	"slices"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// rung is a way to ask GetChildrenAccounts for everything. Which one the service accepts is not certain: the documents
// want an id, a name or an e-mail, and mention "all" only elsewhere. So they are tried in this order, once.
type rung int

const (
	rungAll        rung = iota + 1 // child_account_id=all
	rungUnfiltered                 // no selection at all
	rungKnown                      // only what we know of: ids, and names looked for
)

// String is the rung's name, as for a metric's label.
func (g rung) String() string {
	return map[rung]string{rungAll: "all", rungUnfiltered: "unfiltered", rungKnown: "known"}[g]
}

// ListMethod implements provider.ListMethoder: "all", "unfiltered" or "known". It starts with the first and only goes on to the next.
func (r *Remote) ListMethod() string {
	at, _ := r.where()
	return at.String()
}

func (r *Remote) where() (at rung, proven bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rung, r.proven
}

// settle keeps the rung for the next list. It never goes back up: a service that has refused a way once is not asked again.
func (r *Remote) settle(at rung, proven bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at > r.rung {
		r.rung, r.proven = at, proven
	} else if at == r.rung {
		r.proven = r.proven || proven
	}
}

// List implements provider.Remote by GetChildrenAccounts. Pages are marked Partial where only known accounts can be listed.
func (r *Remote) List(ctx context.Context, known provider.Known, yield func(provider.Page)) error {
	at, proven := r.where()
	doubtful := false
	for ; at < rungKnown; at, proven = at+1, false {
		found, err := r.listAll(ctx, at, yield, !proven && (known.More || len(known.IDs) > 0))
		switch {
		case err == nil:
			r.settle(at, found)
			return nil
		case errors.Is(err, errEmpty):
			doubtful = true // nothing is learnt: perhaps there are no accounts any more
		case found || !refusesRequest(err):
			return err
		case !doubtful:
			r.settle(at+1, false)
		}
	}
	found, err := r.listKnown(ctx, known, yield)
	if err == nil && found {
		r.settle(rungKnown, true)
	}
	return err
}

// errEmpty says that a way which has never listed an account has listed none, although some are known or may be. An empty list is
// no proof that the service understood the question, and would make every account of ours look gone.
var errEmpty = &account.Error{Class: account.Incomplete, Method: methodGetChildrenAccounts, Message: "the list is empty"}

// listAll lists by one of the ways that show everything; found tells whether any page was handed on.
func (r *Remote) listAll(ctx context.Context, at rung, yield func(provider.Page), distrustEmpty bool) (found bool, err error) {
	err = r.pages(ctx, GetChildrenAccountsParams{All: at == rungAll}, func(page []account.Account) error {
		if len(page) == 0 && distrustEmpty {
			return errEmpty
		}
		found = found || len(page) > 0
		yield(provider.Page{Accounts: page})
		return nil
	})
	return found, err
}

// listKnown asks for what the caller knows of. What can't be an id or a name is not there. There is a page in any case.
func (r *Remote) listKnown(ctx context.Context, known provider.Known, yield func(provider.Page)) (found bool, err error) {
	hand := func(page []account.Account) error {
		found = found || len(page) > 0
		yield(provider.Page{Accounts: page, Partial: true})
		return nil
	}
	ids := slices.DeleteFunc(distinct(known.IDs), func(id string) bool { return !validID(id) })
	for chunk := range slices.Chunk(ids, maxPage) {
		if err := r.byID(ctx, chunk, hand); err != nil {
			return found, err
		}
	}
	var named []account.Account
	for _, name := range distinct(known.Names) {
		if !safeName(name) {
			continue
		}
		a, err := r.byName(ctx, name)
		if err != nil {
			return found, err
		}
		if a != nil && !slices.Contains(ids, a.ID) {
			named = append(named, *a)
		}
	}
	return found, hand(named)
}

// refusesRequest tells a refusal of the way of asking from one of the caller or the moment.
func refusesRequest(err error) bool {
	e := account.AsError(err)
	return e.Answered && !e.OutcomeUnknown && (e.Class == account.Invalid || e.Class == account.NotFound)
}
