// Package directory keeps, for each parent account, what is known of its child accounts. Controllers ask it instead of the
// provider. A Directory is what one ParentAccount sees and does, made of types that own one thing each:
//
//	connection     the provider's Remote that calls go to, and what it can do (own lock)
//	access         whether the ParentAccount's own credentials have read the list, and how its attempts ended (own lock)
//	accountReader  reads of single accounts; those by id that come together share a call (own lock)
//	bindingReader  reads of accounts before resources are bound to them by claim; one serves all that need it (own lock)
//	listReader     reads of the whole list (no state)
//	creator        creations, with the read that has to come before a repetition (no state)
//	batcher        updates; equal changes that come together share a call (own lock)
//
// What is known is in a sharedSnapshot (own lock for who uses it), which all ParentAccounts of one Source share; Registry has the
// snapshots in use, and scheduleFor says whose turn it is to read the list:
//
//	accountCache   what is known, with the one lock that guards it:
//	  snapshot           a row for each account, and when it was read or written
//	  completeLists      how many complete lists there were, and what each would have had
//	  pendingCreations   names whose creation has an unknown outcome, or is confirmed and not returned yet
//	  writeAttempts      values that were written and have not come back
//
// No lock is held during a call to the provider.
package directory
