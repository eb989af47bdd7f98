package changeguard

// mostShown is how many groups of a start are remembered that were shown: a group that changes all the time is another each second.
const mostShown = 2000

// shownGroups are the groups of a start that were shown for approval, and since when what waits in each namespace is as it is. The zero value
// has none. Whoever uses it holds the lock of Starts.
type shownGroups struct {
	// changes counts the changes of the group; since is the last one of each namespace.
	changes int
	since   map[string]int
	// at is, by the hash of a group, after which change it was last shown; order has the hashes, the oldest first.
	at    map[string]int
	order []string
	// last is what approved last returned nil for.
	last struct{ changes, shown int }
}

// changed notes that something else waits in these namespaces.
func (g *shownGroups) changed(namespaces ...string) {
	for _, namespace := range namespaces {
		if g.since == nil {
			g.since = map[string]int{}
		}
		g.changes++
		g.since[namespace] = g.changes
	}
}

// show notes that a group is shown, as it is now.
func (g *shownGroups) show(hash string) {
	if g.at == nil {
		g.at = map[string]int{}
	}
	if _, known := g.at[hash]; !known {
		if len(g.order) == mostShown {
			delete(g.at, g.order[0])
			g.order = g.order[1:]
		}
		g.order = append(g.order, hash)
	}
	g.at[hash] = g.changes
}

// approved says of which namespaces all that waits is as it was when the last of those groups was shown that the hashes name; nil for none,
// as far as is known without a search.
func (g *shownGroups) approved(hashes []string) func(namespace string) bool {
	shown := -1
	for _, hash := range hashes {
		if at, known := g.at[hash]; known {
			shown = max(shown, at)
		}
	}
	if shown < 0 || g.last.changes == g.changes && g.last.shown == shown { // nothing has changed since that was answered
		return nil
	}
	g.last.changes, g.last.shown = g.changes, shown
	return func(namespace string) bool { return g.since[namespace] <= shown }
}
