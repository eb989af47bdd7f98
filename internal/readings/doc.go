// Package readings keeps what is read of ParentAccounts beside the lists of their child accounts: how the child accounts are verified,
// with each list, and the parent account's money, once an hour. Each is read only where an option says so. Nothing is decided by it: where
// it can't be read, all else continues.
//
// What is read belongs to the ParentAccount whose credentials have read it, and is shown to nobody else's, though several ParentAccounts
// may lead to one account.
package readings
