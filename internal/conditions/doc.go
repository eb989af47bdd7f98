// Package conditions has the condition tables: what each reason means for the conditions of a resource, how the operator comes
// back, what is an event, and what people can do. An Outcome is how a reconcile ended; a Table turns it into conditions, a pause
// and an event. The tables are data, and all is computed from what is handed in: no call is made and no clock is read.
package conditions
