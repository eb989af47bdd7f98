// Package changeguard stops changes that reach too many accounts in too short a time: mass changes, until exactly those that
// wait are approved, and deactivations beyond the budget of an hour. It counts the resources of one parent in one namespace
// together, so that one tenant's mistake stops nobody else.
//
// The package knows no kind, no client and no clock: what it decides by are its inputs. Check says what would be decided now
// and counts nothing, for planning; Admit decides and counts, for execution. Namespaces are told apart by UID, so that a recreated one starts
// anew. A parent is known by its name where changes are counted (Guard), as one that is deleted and applied again leads to the same accounts, and
// by UID where its lists are judged (Starts, Absences). What is remembered is dropped once it is too old to count, whoever forgets it.
package changeguard
