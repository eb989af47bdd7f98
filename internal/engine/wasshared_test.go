package engine_test

import (
	"testing"

	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/engine"
)

// sharedFrom has a ParentAccount allow other namespaces.
func sharedFrom(from v1alpha1.FromNamespaces) func(*v1alpha1.ParentAccount) {
	return func(p *v1alpha1.ParentAccount) {
		p.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: &from}
	}
}

// The status keeps that the account was shared, by whichever ParentAccount of it, and only of that account.
func TestParentAccountWasShared(t *testing.T) {
	former := func(p *v1alpha1.ParentAccount) { p.Status.WasShared = ptr.To(true) }
	for what, c := range map[string]struct {
		change func(*v1alpha1.ParentAccount)
		// another is of the same account, nil for none.
		another func(*v1alpha1.ParentAccount)
		was     string
		want    bool
	}{
		"never":          {func(*v1alpha1.ParentAccount) {}, nil, ownParentID, false},
		"its own alone":  {sharedFrom(v1alpha1.NamespacesSame), nil, ownParentID, false},
		"all":            {sharedFrom(v1alpha1.NamespacesAll), nil, "", true},
		"some":           {sharedFrom(v1alpha1.NamespacesSelector), nil, ownParentID, true},
		"until now":      {former, nil, ownParentID, true},
		"not connected":  {func(p *v1alpha1.ParentAccount) { former(p); p.Status.AccountID = "" }, nil, "", true},
		"another":        {func(*v1alpha1.ParentAccount) {}, sharedFrom(v1alpha1.NamespacesAll), ownParentID, true},
		"another, new":   {func(*v1alpha1.ParentAccount) {}, sharedFrom(v1alpha1.NamespacesAll), "", true},
		"another, was":   {func(*v1alpha1.ParentAccount) {}, former, ownParentID, true},
		"another, never": {func(*v1alpha1.ParentAccount) {}, func(*v1alpha1.ParentAccount) {}, ownParentID, false},
		"another account": {func(*v1alpha1.ParentAccount) {}, func(p *v1alpha1.ParentAccount) {
			former(p)
			p.Status.AccountID = "4712"
		}, ownParentID, false},
		"another service": {func(*v1alpha1.ParentAccount) {}, func(p *v1alpha1.ParentAccount) {
			former(p)
			p.Spec.Voximplant.Endpoint = ptr.To("https://collector.example")
		}, ownParentID, false},
		"that was another account":                  {former, nil, "4712", false},
		"that was another account, and this one is": {sharedFrom(v1alpha1.NamespacesAll), nil, "4712", true},
	} {
		t.Run(what, func(t *testing.T) {
			w := newOwnWorld(t)
			if c.another != nil {
				w.declare("another", func(*v1alpha1.ParentAccount) {})
				was := w.name
				w.name = "another"
				p := w.object()
				c.another(p)
				status := p.Status
				if err := w.client.Update(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				p.Status = status
				if err := w.client.Status().Update(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				w.name = was
			}
			p := w.object()
			p.Status.AccountID = ownParentID
			c.change(p)
			engine.NoteShared(t.Context(), w.engine, p, c.was)
			if got := ptr.Deref(p.Status.WasShared, false); got != c.want || p.Shared() != c.want {
				t.Errorf("was shared: %t, shared: %t", got, p.Shared())
			}
		})
	}
}
