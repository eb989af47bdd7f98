// Package fairqueue limits how many resources of one tenant are reconciled at one time, so that many resources of one tenant do
// not keep all workers from the others. A resource that finds no free slot waits in its tenant's queue, occupies no worker
// meanwhile, and is woken when a slot may be free. The package knows no kind and makes no call.
package fairqueue
