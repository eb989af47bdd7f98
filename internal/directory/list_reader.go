package directory

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"cpaas.dev/child-account-operator/internal/provider"
)

// listReader reads the whole list into the cache. It has no state of its own.
type listReader struct {
	clock      clock.Clock
	connection *connection
	cache      *accountCache
	access     *access
	// completed is told of each list that was complete.
	completed func()
}

// readList is a list that was read, or the part of it that was read before an error.
type readList struct {
	known Known
	// startedAt and startedRevision are when the first page was requested.
	startedAt       time.Time
	startedRevision revision
	// ids are those of the accounts that it has.
	ids map[string]bool
	// partial is set where the provider listed only accounts whose ids or names were requested.
	partial bool
}

// refresh is Directory.Refresh.
func (l *listReader) refresh(ctx context.Context, known Known) error {
	list, err := l.read(ctx, l.connection.current(), known)
	if err != nil {
		l.access.listFailed(list.startedAt, err)
		return err
	}
	l.conclude(list)
	return nil
}

// switchTo is Directory.Switch.
func (l *listReader) switchTo(ctx context.Context, remote provider.Remote, known Known) error {
	list, err := l.read(ctx, remote, known)
	if err != nil {
		return err
	}
	l.connection.replace(remote)
	l.conclude(list)
	return nil
}

// conclude records a list that is complete.
func (l *listReader) conclude(list readList) {
	l.cache.listCompleted(list)
	l.access.readList(list.startedAt)
	l.completed()
}

// read reads a list page by page and merges each page into the cache. The list is complete where there is no error.
func (l *listReader) read(ctx context.Context, remote provider.Remote, known Known) (readList, error) {
	list := readList{known: known, startedAt: l.clock.Now(), startedRevision: l.cache.nextRevision(), ids: map[string]bool{}}
	requested := list.startedRevision
	err := remote.List(ctx, known, func(p provider.Page) {
		list.partial = list.partial || p.Partial
		for _, a := range p.Accounts {
			list.ids[a.ID] = true
		}
		requested = l.cache.mergePage(p.Accounts, requested)
	})
	return list, err
}
