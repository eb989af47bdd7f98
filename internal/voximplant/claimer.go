package voximplant

import (
	"context"

	"cpaas.dev/child-account-operator/internal/account"
)

// claimer writes the claim into an account's custom data. It has no state of its own.
type claimer struct{ client *Client }

// SetCustomData implements provider.Claimer by SetAccountInfo, which runs as the child.
func (c claimer) SetCustomData(ctx context.Context, id, customData string) error {
	if customData == "" { // whether an empty value empties the field is open
		return &account.Error{Class: account.Invalid, Method: methodSetAccountInfo, Message: "custom data can't be emptied"}
	}
	return c.client.SetAccountInfo(ctx, id, SetAccountInfoParams{CustomData: customData})
}
