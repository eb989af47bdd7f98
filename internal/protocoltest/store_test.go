package protocoltest

import "errors"

// object is a ChildAccount as the API server stores it.
type object struct {
	name, accountName string
	// uid tells a resource from one that was deleted and had the same name; version changes with each write.
	uid, version int
	// finalizer and intent are what is marked before a creation.
	finalizer, intent bool
	// bound is the account in the status.
	bound string
}

var errConflict = errors.New("conflict, or not found")

// store is the API server.
type store struct {
	objects map[string]object
	last    int
	// unlocked leaves out the optimistic lock of the marks.
	unlocked bool
}

func (s *store) next() int {
	s.last++
	return s.last
}

func (s *store) declare(name, accountName string) {
	s.objects[name] = object{name: name, accountName: accountName, uid: s.next(), version: s.next()}
}

// mark patches finalizer and intent, and is refused where the object is not the one that was read.
func (s *store) mark(read object, intent bool) (object, error) {
	return s.patch(read, !s.unlocked, func(o *object) { o.finalizer, o.intent = true, o.intent || intent })
}

// bind patches the status, likewise.
func (s *store) bind(read object, id string) (object, error) {
	return s.patch(read, true, func(o *object) { o.bound = id })
}

func (s *store) patch(read object, lock bool, change func(*object)) (object, error) {
	o, ok := s.objects[read.name]
	if !ok || lock && o.version != read.version {
		return read, errConflict
	}
	change(&o)
	o.version = s.next()
	s.objects[read.name] = o
	return o, nil
}
