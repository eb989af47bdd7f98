package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// twoSMSPath is where the simulator serves the 2sms admin API.
const twoSMSPath = "/2sms"

// connectMaster makes the master account of a sample at the simulator, and the Secret with its client credentials, and has the sample name the
// simulator's address.
func (d *demo) connectMaster(ctx context.Context, object *unstructured.Unstructured) (note string, err error) {
	id, _, err := unstructured.NestedString(object.Object, "spec", "twoSMS", "accountID")
	if err != nil {
		return "", err
	}
	secret, _, err := unstructured.NestedString(object.Object, "spec", "twoSMS", "clientSecretRef", "name")
	if err != nil {
		return "", err
	}
	master := map[string]string{"id": id, "companyName": "Acme Ltd", "email": "owner@acme.example"}
	if err := d.simulator.Control(ctx, http.MethodPost, "2sms/masters", master, nil); err != nil {
		return "", err
	}
	var credentials struct{ ClientID, ClientSecret string }
	if err := d.simulator.Control(ctx, http.MethodGet, "2sms/masters/"+id+"/credentials", nil, &credentials); err != nil {
		return "", err
	}
	err = d.cluster.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secret, Namespace: namespace, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		StringData: map[string]string{v1alpha1.ClientIDKey: credentials.ClientID, v1alpha1.ClientSecretKey: credentials.ClientSecret},
	})
	if err != nil {
		return "", err
	}
	address := d.simulator.URL + twoSMSPath
	return fmt.Sprintf(", with baseURL: %s, and Secret %s with the simulator's client credentials", address, secret),
		unstructured.SetNestedField(object.Object, address, "spec", "twoSMS", "baseURL")
}

// awaitSubAccounts waits until all SubAccounts are ready, and shows them.
func (d *demo) awaitSubAccounts(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, patience, errNotReady)
	defer cancel()
	var list v1alpha1.SubAccountList
	err := stack.Poll(limited, 100*time.Millisecond, func() (bool, error) {
		if err := d.cluster.List(limited, &list); err != nil {
			return false, err
		}
		for _, c := range list.Items {
			if c.Status.ObservedGeneration != c.Generation || !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReady) {
				return false, nil
			}
		}
		return len(list.Items) > 0, nil
	})
	if errors.Is(err, errNotReady) {
		return fmt.Errorf("%w%s", err, d.complaints(ctx))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out, "\nSubAccounts, whose accounts are sub-accounts at 2sms:")
	for _, c := range list.Items {
		fmt.Fprintf(d.out, "%s/%s  account %s  %s  ready\n", c.Namespace, c.Name, c.Status.AccountID, c.Spec.Email)
	}
	return nil
}
