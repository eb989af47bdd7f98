package directory

// NameOf returns the name of the account with an id, from memory; known is false where there is no such account. ready is false before the
// directory's own credentials have read the whole list: nothing is known then.
func NameOf(d *Directory, id string) (name string, known, ready bool) {
	if !d.access.granted() || d.cache.listings().Complete == 0 {
		return "", false, false
	}
	name, known = d.cache.nameOf(id)
	return name, known, true
}
