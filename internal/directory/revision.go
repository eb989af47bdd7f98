package directory

// revision orders requests and answers. It is a count and not a time, as no clock is fine enough.
type revision uint64

// revisions hands out revisions, each later than the last. It is not safe for concurrent use: accountCache has the lock.
type revisions struct{ last revision }

func (r *revisions) next() revision {
	r.last++
	return r.last
}
