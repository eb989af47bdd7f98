// Package controllers reconciles ParentAccounts and ChildAccounts: gate, observe, plan, apply, status.
// What a state means for the conditions, and when to come back, are tables (conditions.go, classes.go).
package controllers
