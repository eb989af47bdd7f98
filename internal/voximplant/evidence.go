package voximplant

import (
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
)

// evidence remembers which methods the credentials have worked for, because two codes are ambiguous without it.
type evidence struct {
	mu     sync.Mutex
	worked map[string]bool
}

// notGranted is the rule for refusals of a call that runs as a child, with a token that the parent's key signed for it.
// Which roles the key needs for that is open, so 100 and 104 say only that this capability is not granted: nothing about
// the credentials, and nothing that evidence is made of.
func notGranted(e *account.Error) {
	switch e.Code {
	case codeAuthorizationFailed, codeForbiddenCommand:
		e.Class = account.RoleMissing
		e.Message = "this capability is not granted: the parent's key may not do this as its child account (" + e.Message + ")"
		if roles := childRoles[e.Method]; roles != "" {
			e.Message += "; the method needs one of the roles " + roles
			e.Next = "Give the service account of the parent account one of the roles " + roles + " at the provider, or ask the owner of the ParentAccount to."
		}
	case codeNotActivated: // the child, not its parent
		e.Message = "the child account is not active, so the operator can't act as the account (" + e.Message + ")"
		e.Next = "Activate the account, with spec.active: true for example. The operator retries automatically."
	}
}

// notGrantedOption is the rule for refusals of calls that the operator can do without. The documents name no roles for most of these
// methods, and 100 is ambiguous, so 100 and 104 say only that this capability is not granted: whether the credentials are good at all, the
// list of child accounts tells.
func notGrantedOption(e *account.Error) {
	if e.Code == codeAuthorizationFailed || e.Code == codeForbiddenCommand {
		e.Class = account.RoleMissing
		if roles := childRoles[e.Method]; roles != "" {
			e.Message += "; the method needs one of the roles " + roles
			e.Next = nextForOwnRole(roles)
		}
	}
}

// childRoles are the roles that the documents name for the methods that are called as a child, or as the parent account itself. Guess: that
// they are also what the parent's key needs to call them as a child.
var childRoles = map[string]string{
	methodSetAccountInfo: "Owner, Admin, Developer, Accountant, Payer",
}

// success notes that a call of method was carried out.
func (v *evidence) success(method string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.worked == nil {
		v.worked = map[string]bool{}
	}
	v.worked[method] = true
}

// refine is the one place of the rules for ambiguous refusals of the parent's own calls:
//
//   - 100, "Authorization failed", is also how a method whose role is missing can answer while the same token works
//     elsewhere. So it is RoleMissing for a method that has never worked while another one has, else Unauthorized;
//     from a method that worked before it shows that the credentials are out, and all that was learnt with them goes.
//     A key that was revoked since answers like a missing role, too, from a method that has never worked: the list tells.
//   - 104, "Forbidden command", is RoleMissing. But GetChildrenAccounts needs the role Owner, and Owner is enough for
//     AddAccount: where the former has worked and the latter is forbidden, it is not the role, it is that the provider
//     has not enabled child accounts for the parent. Guess: the documents don't say which code that has. So it is with CloneAccount.
func (v *evidence) refine(e *account.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e.Code {
	case codeAuthorizationFailed:
		switch {
		case v.worked[e.Method]:
			clear(v.worked)
		case len(v.worked) > 0:
			e.Class, e.DoubtsCredentials = account.RoleMissing, true
		}
	case codeForbiddenCommand:
		if (e.Method == methodAddAccount || e.Method == methodCloneAccount) && v.worked[methodGetChildrenAccounts] {
			e.Class = account.BlockedNotEnabled
		}
	}
}
