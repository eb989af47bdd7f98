// Package voximplant speaks to the Voximplant Management API: a typed client of the account methods, its error table,
// its field table, and the provider.Remote made of them.
//
// The documents are at https://voximplant.com/docs/references/httpapi/accounts; where they leave a question open,
// a comment beginning with "Guess:" says what is taken for true.
package voximplant
