package changeguard

// Include adds a resource to those that were there at a parent's start: Begin was not told of it. It does nothing before Begin, and where
// the resource is known.
func Include(s *Starts, p Parent, r Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil || one.open[r.UID] != nil {
		return
	}
	if _, approved := one.approved[r.UID]; !approved {
		s.open(p, one, r)
	}
}

// Reopen ends the approval of a resource that needs a write which was not approved: Hold has it wait.
func Reopen(s *Starts, p Parent, r Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.starts[p]
	if one == nil {
		return
	}
	if _, approved := one.approved[r.UID]; approved {
		delete(one.approved, r.UID)
		s.open(p, one, r).kept = true
	}
}
