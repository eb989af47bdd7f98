// Package engine keeps accounts as resources of whatever kind declare them: it resolves a resource's parent, observes, plans,
// executes and writes the status. What to do is computed by package plan; the engine gathers its inputs and carries out its
// steps, each by the function that a table has for its kind. It knows no kind and no provider: a kind comes in as Managed,
// Kind and Parents, a provider by way of its directory.
package engine
