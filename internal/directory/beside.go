package directory

import (
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// RemoteOf is the Remote that a directory's calls go to, for reads that concern nothing of what the directory knows.
func RemoteOf(d *Directory) provider.Remote { return d.connection.current() }

// OwnListAt is when the credentials of a directory's ParentAccount last requested a list that became complete; zero where they may not see
// what is known.
func OwnListAt(d *Directory) time.Time {
	at, _ := d.access.provenSince()
	return at
}

// BalanceOf is the balance of an account as the last read of it showed it, without a call; false where it is not known, or where the
// ParentAccount may not see it.
func BalanceOf(d *Directory, id string) (account.Balance, bool) {
	if !d.access.granted() {
		return account.Balance{}, false
	}
	d.cache.mu.Lock()
	defer d.cache.mu.Unlock()
	r := d.cache.snapshot.byID[id]
	if r == nil || r.account.Balance == nil || r.notReturned || r.inList < d.cache.lists.Complete {
		return account.Balance{}, false
	}
	return *r.account.Balance, true
}
