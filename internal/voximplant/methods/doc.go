// Package methods is the table of the Management API's methods for accounts and keys: what each does, which role its caller needs, what its
// parameters are. Whoever calls a method by its name, as the subcommand api does, checks the parameters by the table before the call.
//
// The table is data without state. All of the package is safe for concurrent use, as long as nobody changes what Table and Find return.
package methods
