package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// elsewhere is an e-mail that nobody declared.
const elsewhere = "somebody@elsewhere.example"

// showDrift changes an e-mail behind the operator's back and waits until the operator has put it right.
func (d *demo) showDrift(ctx context.Context) error {
	child, err := d.anyChild(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the operator has not put the e-mail of %s right within %s", child.Name, patience))
	defer cancel()
	fmt.Fprintf(d.out, "\nNow somebody changes the e-mail of %s in the provider's control panel. Nobody tells the operator; it looks every %s.\n", child.Name, resync)
	id := child.Status.AccountID
	if err := d.setEmail(limited, id, elsewhere); err != nil {
		return err
	}
	if err := d.followEmail(limited, id, child.Spec.Email); err != nil {
		return err
	}
	event, err := d.correction(limited, child.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%s  event %s on ChildAccount %s: %s\n", now(), event.Reason, child.Name, event.Note)
	return nil
}

// anyChild returns a ChildAccount to try it with: one that is switched on.
func (d *demo) anyChild(ctx context.Context) (*v1alpha1.ChildAccount, error) {
	var list v1alpha1.ChildAccountList
	if err := d.cluster.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	for _, c := range list.Items {
		if o := c.Status.Observed; o != nil && valueOf(o.Active) {
			return &c, nil
		}
	}
	return nil, errors.New("no ChildAccount is switched on")
}

// followEmail shows the e-mail that the provider has, whenever it changes, until it is the declared one.
func (d *demo) followEmail(ctx context.Context, id, declared string) error {
	last := ""
	return stack.Poll(ctx, 100*time.Millisecond, func() (bool, error) {
		email, err := d.email(ctx, id)
		if err != nil {
			return false, err
		}
		if email != last {
			fmt.Fprintf(d.out, "%s  at the provider: account %s has %s (declared: %s)\n", now(), id, email, declared)
			last = email
		}
		return email == declared, nil
	})
}

// correction waits for the event by which the operator tells of it.
func (d *demo) correction(ctx context.Context, child string) (*eventsv1.Event, error) {
	var found *eventsv1.Event
	err := stack.Poll(ctx, 100*time.Millisecond, func() (bool, error) {
		var list eventsv1.EventList
		if err := d.cluster.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		for i, e := range list.Items {
			if e.Regarding.Kind == "ChildAccount" && e.Regarding.Name == child && e.Reason == "DriftCorrected" {
				found = &list.Items[i]
			}
		}
		return found != nil, nil
	})
	return found, err
}

// email returns an account's e-mail as the provider has it.
func (d *demo) email(ctx context.Context, id string) (string, error) {
	var account struct {
		Fields struct {
			Email string `json:"account_email"`
		} `json:"fields"`
	}
	err := d.simulator.Control(ctx, http.MethodGet, "accounts/"+id, nil, &account)
	return account.Fields.Email, err
}

// setEmail changes an account's e-mail, as somebody would in the provider's control panel.
func (d *demo) setEmail(ctx context.Context, id, email string) error {
	return d.simulator.Control(ctx, http.MethodPatch, "accounts/"+id, map[string]string{"account_email": email}, nil)
}

func now() string { return time.Now().Format("15:04:05.000") }
