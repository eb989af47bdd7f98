package voximplant

import "strconv"

// listCheck watches a list while it is read in pages, and is the one place of the rules for what may change meanwhile. The documents
// promise nothing of it. Each page is requested at the offset where the former one ended, in the order of ids, so:
//
//   - The ids ascend over all pages. So no account comes twice, and none that was inserted before an offset goes unnoticed.
//   - total_count may grow: a new account has a higher id than all that were there (guess), so it comes at the end. The list is complete
//     when there are as many accounts as the total_count of the last page says. Whether the accounts that were there before are still
//     where they were is not taken on trust: the last account of the former page is read once more, at its offset (confirm). So a service
//     that gives new accounts any ids keeps the strict rule, by which a list that grows is refused.
//   - total_count may not shrink: an account was removed, and those behind it have moved up by one, perhaps past an offset.
//   - It may not grow without end, or a list would never end: to twice what it was, and a page, at most.
//   - One account that is removed and another that is created between the same two pages leave total_count as it was, and one account
//     moves past the offset unseen. This can't be told without one more call for each page. The API can't remove accounts; and what one
//     list lacks is not missing yet: see account.View.Absences.
type listCheck struct {
	// seen is how many accounts there were so far, total how many the last page has announced, first the first one.
	seen, total, first int
	begun              bool
	// last is the last account's id.
	last int64
}

// page checks a page for which count accounts were requested.
func (c *listCheck) page(p *ChildrenPage, count int) error {
	if !c.begun {
		c.begun, c.first, c.total = true, p.Total, p.Total
	}
	n := len(p.Accounts)
	switch most := 2*c.first + maxPage; {
	case p.Total < c.total:
		return contradiction("total_count was %d and is now %d", c.total, p.Total)
	case p.Total > most:
		return contradiction("total_count was %d and is now %d: the list grows faster than it can be read", c.first, p.Total)
	case n > count:
		return contradiction("a page has %d accounts, %d were asked for", n, count)
	case c.seen+n > p.Total:
		return contradiction("it has more accounts than its total_count of %d", p.Total)
	case n == 0 && c.seen < p.Total:
		return contradiction("it ends after %d of %d accounts", c.seen, p.Total)
	}
	for _, a := range p.Accounts {
		id, err := strconv.ParseInt(a.ID, 10, 64)
		if err != nil || id <= c.last {
			return contradiction("its ids do not ascend at account %s", a.ID)
		}
		c.last = id
	}
	c.seen, c.total = c.seen+n, p.Total
	return nil
}

// confirm checks the answer to a request for the last account that was seen, after the list has grown.
func (c *listCheck) confirm(p *ChildrenPage) error {
	if p.Total < c.total || len(p.Accounts) != 1 || p.Accounts[0].ID != strconv.FormatInt(c.last, 10) {
		return contradiction("total_count was %d and has grown, but account %d is no longer at its place", c.total, c.last)
	}
	return nil
}
