// Package twosms is the client of the 2sms admin API for sub-accounts, its field table and the Remote made of both.
//
// What is a guess about the service is marked so. The sources are the vendor's help pages of the admin API: the update of a sub-account
// (PUT api/v1/admin/accounts/{id}/children/{childrenID}), its creation, the list of accounts, and the token.
package twosms
