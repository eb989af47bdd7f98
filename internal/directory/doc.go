// Package directory keeps, for each parent account, what is known of its child accounts. Controllers ask it instead of the
// provider. A Directory is made of types that own one thing each:
//
//	connection     the provider's Remote that calls go to, and what it can do (own lock)
//	accountReader  reads of single accounts; those by id that come together share a call (own lock)
//	listReader     reads of the whole list (no state)
//	creator        creations, with the read that has to come before a repetition (no state)
//	batcher        updates; equal changes that come together share a call (own lock)
//	accountCache   what is known, with the one lock that guards it:
//	  snapshot           a row for each account, and when it was read or written
//	  completeLists      how many complete lists there were, and what each would have had
//	  pendingCreations   names whose creation has an unknown outcome, or is confirmed and not returned yet
//	  writeAttempts      values that were written and have not come back
//
// No lock is held during a call to the provider.
package directory
