package protocoltest

import "errors"

// object is a ChildAccount as the API server stores it.
type object struct {
	name, accountName, secretName string
	// uid tells a resource from one that was deleted and had the same name; version changes with each write, generation with each
	// edit of the spec.
	uid, version, generation int
	// bound is the account in the status; observed is set once there is a status.
	bound    string
	observed bool
}

// secret is a connection Secret: the resource and the attempt to create an account that it records.
type secret struct {
	uid, attempt, version int
}

var (
	errConflict = errors.New("conflict, or not found")
	errExists   = errors.New("already exists")
)

// store is the API server.
type store struct {
	objects map[string]object
	secrets map[string]secret
	last    int
}

func newStore() store { return store{objects: map[string]object{}, secrets: map[string]secret{}} }

func (s *store) next() int {
	s.last++
	return s.last
}

func (s *store) declare(name, accountName, secretName string) {
	s.objects[name] = object{name: name, accountName: accountName, secretName: secretName, uid: s.next(), version: s.next(), generation: 1}
}

// edit gives the resource's connection Secret another name.
func (s *store) edit(name, secretName string) {
	o := s.objects[name]
	o.secretName, o.version = secretName, s.next()
	o.generation++
	s.objects[name] = o
}

// bind patches the status, and is refused where the object is not the one that was read.
func (s *store) bind(read object, id string) (object, error) {
	o, ok := s.objects[read.name]
	if !ok || o.version != read.version {
		return read, errConflict
	}
	o.bound, o.observed, o.version = id, true, s.next()
	s.objects[read.name] = o
	return o, nil
}

// createSecret is refused where there is one.
func (s *store) createSecret(name string, uid int) (secret, error) {
	if there, ok := s.secrets[name]; ok {
		return there, errExists
	}
	return s.put(name, secret{uid: uid, attempt: 1}), nil
}

// renew records one more attempt, and is refused where the Secret is not the one that was read.
func (s *store) renew(name string, read secret, uid int, lock bool) (secret, error) {
	there, ok := s.secrets[name]
	if !ok || lock && there.version != read.version {
		return read, errConflict
	}
	there.uid = uid
	there.attempt++
	return s.put(name, there), nil
}

func (s *store) put(name string, to secret) secret {
	to.version = s.next()
	s.secrets[name] = to
	return to
}
