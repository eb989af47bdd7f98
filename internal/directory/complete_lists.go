package directory

import (
	"cmp"
	"slices"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
)

// Listings is the state of reading the whole list: how many lists were complete, and how the last attempt ended.
type Listings struct {
	// Complete counts the complete lists since the snapshot was made, whoever has read them. Of lists that were read at the same time
	// one counts: they say nothing that the other does not.
	Complete int
	// CompleteAt is when the last complete list was requested, AttemptedAt when a list was last requested; zero before that, and
	// AttemptedAt too where a list is due because a call was refused.
	CompleteAt, AttemptedAt time.Time
	// Err is how the last attempt failed, nil if it did not. It is never another ParentAccount's.
	Err *account.Error
	// Total is how many accounts the last complete list had.
	Total int
	// Created is how many accounts are known to be there beside: they were created since, or while the list was read.
	Created int
	// Partial is set where the provider lists only accounts whose ids or names are requested.
	Partial bool
}

// completeLists has how many complete lists there were, and which accounts the last one would have had. It is not safe for
// concurrent use: accountCache has the lock.
type completeLists struct {
	Listings
	// identity is the field whose values the names are.
	identity account.Field
	// requested holds the ids and names (in canonical spelling) that the last complete list requested, each with how many
	// complete lists there had been before the first of those in a row that requested it; nil unless the list is partial.
	requested map[string]int
	// concluded counts all lists that were complete, concludedAt is the revision at which the last was.
	concluded   int
	concludedAt revision
}

// conclude records a list that was complete, at a revision. One that was requested before the last one was concluded is no further one:
// an account that both lack is not missing twice.
func (l *completeLists) conclude(list readList, at revision) {
	if list.startedRevision > l.concludedAt {
		l.complete(list.startedAt, len(list.ids), list.partial, list.known)
	} else {
		l.overlap(list)
	}
	l.concluded, l.concludedAt = l.concluded+1, at
}

// overlap records a list that was read at the same time as the last one.
func (l *completeLists) overlap(list readList) {
	if list.startedAt.After(l.CompleteAt) {
		l.CompleteAt, l.AttemptedAt, l.Total = list.startedAt, list.startedAt, len(list.ids)
	}
	if l.requested == nil || !list.partial { // the last one has covered everything, or this one has nothing in a row
		return
	}
	for key := range l.requestedBy(list.known, true) {
		if _, covered := l.requested[key]; !covered {
			l.requested[key] = l.Complete - 1
		}
	}
}

// complete records a complete list of so many accounts, which requested what was known.
func (l *completeLists) complete(started time.Time, total int, partial bool, known Known) {
	l.requested = l.requestedBy(known, partial)
	l.Listings = Listings{Complete: l.Complete + 1, CompleteAt: started, AttemptedAt: started, Total: total, Partial: partial}
}

// requestedBy is the new value of requested, before the list is counted.
func (l *completeLists) requestedBy(known Known, partial bool) map[string]int {
	if !partial {
		return nil
	}
	out := make(map[string]int, len(known.IDs)+len(known.Names))
	names := make([]string, len(known.Names))
	for i, name := range known.Names {
		names[i] = l.identity.Normal(name)
	}
	for _, key := range slices.Concat(known.IDs, names) {
		before, inARow := l.requested[key]
		if !inARow {
			before = l.Complete
		}
		out[key] = before
	}
	return out
}

// covers says whether the last complete list would have had the account.
func (l *completeLists) covers(key Key) bool {
	if l.requested == nil {
		return l.Complete > 0
	}
	_, byID := l.requested[key.ID]
	_, byName := l.requested[l.identity.Normal(key.Name)]
	return byID || byName
}

// absences counts the complete lists in a row that would have had the account, where none of them had it and nothing else is
// known of it.
func (l *completeLists) absences(key Key) int {
	return l.Complete - l.requested[cmp.Or(key.ID, l.identity.Normal(key.Name))]
}
