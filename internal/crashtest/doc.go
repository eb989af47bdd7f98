// Package crashtest kills the operator, a real process, at every boundary of its work: before and after each call to the
// provider and each write to the Kubernetes API. Started again, it must end where it would have ended without the crash.
//
// Where the boundaries are is not written down anywhere: each scenario is run once to record them, and then once for each
// of them. So whoever adds a call has it covered. docs/reliability.md has the table that comes of it.
//
// make test-all runs it, or TEST_ALL=1 make test PKG=./internal/crashtest.
package crashtest
