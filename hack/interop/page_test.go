package interop

import (
	"maps"
	"slices"
	"strings"
)

// pageOf is the page with its tables.
func pageOf(answers, errors, requests, parameters, promises string) string {
	return strings.NewReplacer(
		"ANSWERS", answers, "ERRORS", errors, "REQUESTS", requests, "PARAMETERS", parameters, "PROMISES", promises, "VERSION", clientVersion,
	).Replace(strings.TrimPrefix(frame, "\n"))
}

const frame = `
# Interoperability

For contributors: what the provider's own Node.js client (@voximplant/apiclient-nodejs VERSION, as published) and this project make of each
other. The client runs against the simulator, by TLS with a CA of the simulator's own. This page is made from the runs, by
UPDATE_DOCS=1 make test-interop; make test-interop fails where it isn't as they are.

## What the client makes of the simulator's answers
Each answer has the properties and types that the client's typings promise, except as said under
[What its typings promise](#what-its-typings-promise). Each parameter that the typings have was sent at least once, but for days.

ANSWERS
## What the client makes of errors
The simulator's texts are the documented ones. A business error resolves the client's promise, with "error" in place of the
result; all else rejects it.

ERRORS
## What both clients send
For the same purpose, part by part as the simulator received it. "Same" is same to the letter, secrets too, which are masked
here. A difference without a reason fails the test. AddAccount, CloneAccount and ChargeAccount are no methods of the client: there it sends the names
and values that it is given, which were taken from the documents, so that it says nothing about them. The methods of keys (CreateKey, GetKeys,
DeleteKey) have a test of their own: both clients send the same, and the client works with the credentials that ours makes of a key.

REQUESTS
## What parameters there are
The table of methods, which the subcommand api checks parameters by, beside the requests in the client's typings: names, types and
what is required.

PARAMETERS
## What its typings promise
Where version VERSION is not as its own typings say.

PROMISES`

// table is a table of the page.
type table struct{ text string }

func newTable(heads ...string) table {
	var t table
	t.row(heads...)
	t.row(slices.Repeat([]string{"---"}, len(heads))...)
	return t
}

func (t *table) row(cells ...string) { t.text += "| " + strings.Join(cells, " | ") + " |\n" }

// code is a text in a cell, as it is.
func code(text string) string { return "`" + strings.ReplaceAll(text, "|", "\\|") + "`" }

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// with is a map with the other's entries as well.
func with[V any](m, other map[string]V) map[string]V {
	all := maps.Clone(m)
	maps.Copy(all, other)
	return all
}
