package voximplant

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// keyRecoverer finds the API key of a child account again.
type keyRecoverer struct {
	client *Client
	reads  *keyReads
}

// RecoverKey implements provider.KeyRecoverer. AccountInfo has the API key only for callers that authenticate by API
// key or password: to the parent's API key in GetChildrenAccounts, to the child's own password in GetAccountInfo.
func (k keyRecoverer) RecoverKey(ctx context.Context, id string, password account.Secret) (account.Secret, error) {
	if !validID(id) {
		return "", badID(methodGetChildrenAccounts)
	}
	key, refused := k.byParentKey(ctx, id)
	switch {
	case key != "":
		return key, nil
	case refused != nil && (password == "" || isTransient(refused)):
		return "", refused
	case password == "":
		return "", k.noCredentials()
	}
	key, err := k.byPassword(ctx, id, password)
	switch {
	case err == nil:
		return key, nil
	case refused != nil:
		return "", withHint(err, "the parent's API key did not help either: "+refused.Error())
	}
	return "", err
}

// byParentKey reads the key with the parent's API key, where there is one; "" where the answer has none. Reads at one time share a call.
func (k keyRecoverer) byParentKey(ctx context.Context, id string) (account.Secret, *account.Error) {
	if k.client.config.ParentAPIKey == "" {
		return "", nil
	}
	key, err := k.reads.read(ctx, id)
	if err != nil {
		e := account.AsError(err)
		if e.Code == codeAuthorizationFailed {
			e = withHint(e, "is the key of apiKeySecretRef the parent's?")
		}
		return "", e
	}
	return key, nil
}

// byPassword reads the key with the account's own password.
func (k keyRecoverer) byPassword(ctx context.Context, id string, password account.Secret) (account.Secret, *account.Error) {
	info, err := k.client.GetAccountInfoAs(ctx, id, password)
	switch {
	case err != nil:
		return "", account.AsError(err)
	case info.Account.ID != id:
		return "", otherAccount()
	case info.Account.APIKey == "":
		return "", improper(methodGetAccountInfo, false, "the answer has no api_key")
	}
	return info.Account.APIKey, nil
}

// noCredentials says how to continue where neither the parent's API key nor the account's password is known, or only the
// former, which has not shown the account's.
func (k keyRecoverer) noCredentials() *account.Error {
	e := &account.Error{
		Class: account.Invalid, Method: methodGetChildrenAccounts,
		Message: "the provider returns an account's API key only to the parent's API key and to the account's own password: set apiKeySecretRef, or give the password",
	}
	if k.client.config.ParentAPIKey != "" {
		e.Message = "the provider does not return the account's API key to the parent's API key, but to the account's own password: give the password"
	}
	return e
}

// isTransient says whether the failure is temporary, not a refusal.
func isTransient(e *account.Error) bool {
	return e.Class == account.Unavailable || e.Class == account.Throttled || e.Class == account.Incomplete
}
