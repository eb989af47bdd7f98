package voximplant

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// passwords sets and checks the passwords of child accounts. It has no state of its own.
type passwords struct{ client *Client }

// SetPassword implements provider.PasswordSetter by SetChildAccountInfo. That refuses a password that the account has had
// before (535), the present one too.
func (p passwords) SetPassword(ctx context.Context, t provider.Target, password account.Secret) error {
	if password == "" {
		return &account.Error{Class: account.PasswordRejected, Method: methodSetChildAccountInfo, Message: "the password must not be empty"}
	}
	return p.client.SetChildPassword(ctx, t.ID, password)
}

// CheckPassword implements provider.PasswordChecker by GetAccountInfo with the account's id and password.
// Guess: 100 is how a wrong password is answered. The other codes that have to do with authorization are about tokens,
// sessions or addresses, so that nothing follows from them for the password.
func (p passwords) CheckPassword(ctx context.Context, id string, password account.Secret) (bool, error) {
	has, _, err := p.SignIn(ctx, id, password)
	return has, err
}

// SignIn implements provider.KeyShower: an account that proves itself by its password is shown its API key.
func (p passwords) SignIn(ctx context.Context, id string, password account.Secret) (has bool, key account.Secret, err error) {
	if password == "" {
		return false, "", &account.Error{Class: account.Invalid, Method: methodGetAccountInfo, Message: "there is no password to check"}
	}
	info, err := p.client.GetAccountInfoAs(ctx, id, password)
	switch {
	case err != nil && isWrongPassword(account.AsError(err)):
		return false, "", nil
	case err != nil:
		return false, "", err
	case info.Account.ID != id:
		return false, "", otherAccount()
	}
	return true, info.Account.APIKey, nil
}

// isWrongPassword says whether the error is a definite refusal of the password. HTTP 429 may carry any code, so the class counts too.
func isWrongPassword(e *account.Error) bool {
	return e.Class == account.Unauthorized && e.Code == codeAuthorizationFailed
}

// otherAccount is the error for a GetAccountInfo that is not about the requested account.
func otherAccount() *account.Error {
	return improper(methodGetAccountInfo, false, "the answer is about another account")
}
