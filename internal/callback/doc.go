// Package callback receives what the provider reports of accounts by itself (account callbacks), over HTTP, from the internet. A callback that
// is signed with an account's callback salt and its API key becomes an event on the account's resource, and has the account read at once.
// It is a hint and no more: the signature does not cover what is reported, so what the operator acts on is what it reads.
//
// Whoever sends something else costs no call to the provider, and bounded memory and requests: accounts are known by the directory's
// snapshot, and what signs an account's callbacks is read once a minute, whatever comes of it.
package callback
