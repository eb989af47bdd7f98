// Package attempts remembers which attempts failed, so that none is repeated before its time, however often its resource is
// reconciled. An attempt is known by a fingerprint of what was tried; anything else is tried at once. All is kept in memory: after a restart
// each may be tried once more. The package knows no kind, makes no call and reads no clock.
package attempts
