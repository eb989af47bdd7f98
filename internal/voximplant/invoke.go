package voximplant

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"regexp"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/charset"
)

// Invocation is a call of a method by its name, for people who call what the operator itself has no use for. The package methods has the
// names and the parameters that there are.
type Invocation struct {
	Method     string
	Parameters map[string]string
	// As is the id of the account that the call runs as: "" is the parent itself, another id one of its children.
	As string
	// Write is set where the method changes something, so that a lost answer leaves the outcome unknown.
	Write bool
	// Secrets are the values among the parameters that must not show in any error.
	Secrets []account.Secret
}

var methodName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]+$`)

// Invoke makes the call and returns the answer, a JSON object, as the service wrote it: secrets included. It is sent as every call of the
// client is, once. Answers may have as many bytes as lists (Config.MaxList), and take as long. Every error is an *account.Error.
func Invoke(ctx context.Context, c *Client, in Invocation) (json.RawMessage, error) {
	issuer := cmp.Or(in.As, c.config.Credentials.AccountID)
	switch {
	case !methodName.MatchString(in.Method):
		return nil, &account.Error{Class: account.Invalid, Message: "no name of a method"}
	case !validID(issuer):
		return nil, badID(in.Method)
	}
	params := url.Values{}
	for name, value := range in.Parameters {
		params.Set(name, value)
	}
	var whole bytes.Buffer
	a, err := c.do(ctx, call{
		method: in.Method, params: params, write: in.Write, issuer: issuer, secrets: in.Secrets,
		timeout: c.config.ListTimeout, most: c.config.MaxList, whole: &whole,
	})
	if err != nil {
		return nil, err
	}
	if in.Write && !a.done() && !composite(a.Result) {
		return nil, improper(in.Method, true, "the answer says neither that it was done nor why not")
	}
	return charset.WithoutMark(whole.Bytes()), nil
}

// composite says whether a result is an object or a list, as the methods answer with that do more than set something.
func composite(result json.RawMessage) bool {
	return len(result) > 0 && (result[0] == '{' || result[0] == '[')
}

// ChildID returns the id of the child account with exactly this name, "" where the parent has none: by GetChildrenAccounts, whose filter
// matches parts of names.
func ChildID(ctx context.Context, c *Client, name string) (string, error) {
	found, err := reader{client: c}.byName(ctx, name)
	if err != nil || found == nil {
		return "", err
	}
	return found.ID, nil
}
