package engine

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/plan"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// noteUnprovable notes what a resource lacks to get the account of one that is being deleted, where it needs a proof and has none: an account
// counts as handed over only to a resource that gets it. Of a deletion that needs a proof the connection Secrets are read, and nothing is
// asked of the provider.
func noteUnprovable(ctx context.Context, e *observer, s *scope, to *candidate, r *plan.Recipient) error {
	if r.Lacks != "" || !to.parent.Shared || len(adopters([]Managed{to.managed})) > 0 {
		return nil
	}
	proves, err := provable(ctx, e, s, to.managed)
	if err != nil || proves {
		return err
	}
	r.Lacks = "its ParentAccount " + to.parent.sharing() + ", and no connection Secret proves with the account's password that the new resource may have the account"
	r.Next = nextIfUnprovable(s, r, to.parent)
	return nil
}

// nextIfUnprovable is how a resource gets the account all the same.
func nextIfUnprovable(s *scope, r *plan.Recipient, parent *Parent) string {
	restore := "restore the connection Secret of this resource"
	if r.Namespace != s.obj.GetNamespace() {
		restore = fmt.Sprintf("give the connection Secret of this resource the annotation %s with the name of that resource", v1alpha1.AnnotationHandOverTo)
	}
	return fmt.Sprintf("To have the account, %s, or %s.", restore, adoptStepOf(r.Namespace, parent, "spec.adoptionPolicy of that resource"))
}

// provable says whether a connection Secret can prove to a resource that the account of one that is being deleted is to be had (proveOwnership):
// by a password in a Secret whose content goes along, or in its own; or where the Secret remembers that the account was given the password that
// the resource declares. Whether the password is still the account's, the provider alone knows.
func provable(ctx context.Context, e *observer, s *scope, to Managed) (bool, error) {
	declared, err := declaredPassword(ctx, e, to)
	if err != nil {
		return false, err
	}
	d, key := to.Declaration(), client.ObjectKeyFromObject(to.Object())
	former := secrets.Connection{Namespace: s.obj.GetNamespace(), Resource: s.declared.Kind + "/" + s.obj.GetName(), Account: s.target()}
	found, err := secrets.OfPrevious(ctx, e.Connections, former, former.Namespace, "")
	if err != nil {
		return false, err
	}
	along := key.Namespace == former.Namespace || s.annotation(v1alpha1.AnnotationHandOverTo) == key.String()
	for i := range found {
		goesAlong := along || found[i].Annotations[v1alpha1.AnnotationHandOverTo] == key.String()
		if goesAlong && !lacksPassword(s) && len(secrets.Passwords(&found[i])) > 0 || secrets.RemembersDeclared(&found[i], former, declared) {
			return true, nil
		}
	}
	own := secrets.Connection{Namespace: key.Namespace, Name: d.ConnectionSecret.Name, Resource: d.Kind + "/" + key.Name, Account: s.target()}
	held, err := e.Connections.Read(ctx, own)
	if isProblem(err) { // it is another's
		return false, nil
	}
	return held[secrets.KeyPassword] != "" || held[secrets.KeyPasswordNext] != "", err
}

// declaredPassword is the password that a resource declares, "" where it declares none, or none that can be used.
func declaredPassword(ctx context.Context, e *observer, m Managed) (account.Secret, error) {
	from := m.Declaration().PasswordSecret
	if from == nil {
		return "", nil
	}
	password, err := e.Inputs.Password(ctx, m.Object().GetNamespace(), from.Name, from.Key)
	if isProblem(err) {
		return "", nil
	}
	return password, err
}
