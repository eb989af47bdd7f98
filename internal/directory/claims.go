package directory

// HasClaims says, without a call, whether any account of the last complete list carries a claim of an installation. It is false before the
// directory's own credentials have read the whole list, where others use the snapshot too.
func HasClaims(d *Directory, installation string) bool {
	if !d.access.granted() {
		return false
	}
	d.cache.mu.Lock()
	defer d.cache.mu.Unlock()
	for _, r := range d.cache.snapshot.byID {
		if claim, ok := r.account.Claim(); ok && claim.Installation == installation && present(d.cache, r) {
			return true
		}
	}
	return false
}
