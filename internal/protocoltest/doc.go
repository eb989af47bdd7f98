// Package protocoltest checks the protocol of creation (intent, create, read, adopt) as a state machine: random schedules of
// crashes, two leaders at once, stale caches, lost and late calls, resources for one and the same name. The decisions are the
// real ones (account.Decide, directory, the client), the provider is the simulator; a driver stands in for the controllers and
// the Kubernetes API. That each step of the protocol is needed is shown by leaving it out, in games that are written down: then the machine
// finds a violation.
package protocoltest
