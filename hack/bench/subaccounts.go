package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// subAccountsAlone are tried on a stack of their own, each on what the one before it has left.
var subAccountsAlone = []scenario{
	{subAccounts, ofFleet(createSubAccounts)},
	{subAccountsRest, ofFleet(resyncSubAccounts)},
	{subAccountsChange, ofFleet(changeSubAccounts)},
}

const (
	// mostSubAccounts is how many SubAccounts are measured at most: each is created and changed by calls of its own.
	mostSubAccounts = 200
	masterName      = "acme-sms"
	masterID        = "86e51d05-20a3-486c-adf1-a98ca194c74c"
	// subListing is the method by which the list of a master account is read.
	subListing = "GET accounts"
)

// subAccountsOf is how many SubAccounts are measured beside n accounts.
func subAccountsOf(n int) int { return min(n, mostSubAccounts) }

// ofFleet is a scenario in the form of the fleet's methods.
func ofFleet(run func(context.Context, *fleet) (measured, error)) func(*fleet, context.Context) (measured, error) {
	return func(f *fleet, ctx context.Context) (measured, error) { return run(ctx, f) }
}

// createSubAccounts applies a ParentAccount of a master account, and then all SubAccounts at once, and has the list read in the end.
func createSubAccounts(ctx context.Context, f *fleet) (m measured, err error) {
	if err := applyMaster(ctx, f); err != nil {
		return m, err
	}
	return f.measure(ctx, func(m *measured) error {
		m.Resyncs = 1
		m.Applied, m.Ready, err = eachSubAccount(ctx, f, func(c *v1alpha1.SubAccount) error { return f.cluster.Create(ctx, c) })
		if err != nil {
			return err
		}
		if _, err := f.settle(ctx); err != nil {
			return err
		}
		return requestMaster(ctx, f)
	})
}

// resyncSubAccounts has the list read some times, one time after another.
func resyncSubAccounts(ctx context.Context, f *fleet) (measured, error) {
	return f.measure(ctx, func(m *measured) error {
		m.Resyncs = resyncs
		for range resyncs {
			if err := requestMaster(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// changeSubAccounts changes the same field of all to the same value.
func changeSubAccounts(ctx context.Context, f *fleet) (measured, error) {
	return f.measure(ctx, func(m *measured) (err error) {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"lastName": "King"}}`))
		m.Applied, m.Ready, err = eachSubAccount(ctx, f, func(c *v1alpha1.SubAccount) error { return f.cluster.Patch(ctx, c, patch) })
		return err
	})
}

// applyMaster makes a master account, the Secret with its client credentials, and its ParentAccount, and waits until that is Ready.
func applyMaster(ctx context.Context, f *fleet) error {
	master := map[string]string{"id": masterID, "companyName": "Acme Ltd", "email": "owner@acme.example"}
	if err := f.simulator.Control(ctx, http.MethodPost, "2sms/masters", master, nil); err != nil {
		return err
	}
	if err := f.simulator.Control(ctx, http.MethodPatch, "2sms/settings", map[string]string{"latency": f.options.Latency.String()}, nil); err != nil {
		return err
	}
	var credentials struct{ ClientID, ClientSecret string }
	if err := f.simulator.Control(ctx, http.MethodGet, "2sms/masters/"+masterID+"/credentials", nil, &credentials); err != nil {
		return err
	}
	p := masterParent()
	p.Spec = v1alpha1.ParentAccountSpec{
		TwoSMS: &v1alpha1.TwoSMSParent{BaseURL: f.simulator.URL + "/2sms", AccountID: masterID, ClientSecretRef: v1alpha1.SecretReference{Name: masterName}},
		Limits: f.parent().Spec.Limits,
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: masterName, Namespace: namespace, Labels: map[string]string{v1alpha1.LabelInput: "true"}},
		StringData: map[string]string{v1alpha1.ClientIDKey: credentials.ClientID, v1alpha1.ClientSecretKey: credentials.ClientSecret},
	}
	for _, object := range []client.Object{secret, p} {
		if err := f.cluster.Create(ctx, object); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("ParentAccount %s is not Ready", masterName))
	defer cancel()
	err := stack.Poll(limited, 100*time.Millisecond, func() (bool, error) {
		err := f.cluster.Get(limited, client.ObjectKeyFromObject(p), p)
		return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady), err
	})
	if err != nil {
		return err
	}
	_, err = f.settle(ctx)
	return err
}

func masterParent() *v1alpha1.ParentAccount {
	return &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: masterName}}
}

// requestMaster has the list of the master account read now, and waits until that has begun.
func requestMaster(ctx context.Context, f *fleet) error {
	calls, err := f.calls(ctx)
	if err != nil {
		return err
	}
	if err := f.cluster.Patch(ctx, masterParent(), readNow()); err != nil {
		return err
	}
	return f.awaitCalls(ctx, subListing, calls[subListing])
}

// subAccount is the resource of a sub-account.
func subAccount(name string) *v1alpha1.SubAccount {
	return &v1alpha1.SubAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.SubAccountSpec{
			ParentRef: v1alpha1.ParentReference{Name: masterName}, Username: name, Email: name + "@acme.example",
			FirstName: "Ada", LastName: "Lovelace", CompanyName: "Acme Ltd", MobilePhone: "+44 1234 567890",
		},
	}
}

// eachSubAccount does something to each SubAccount, and returns after how many seconds that was done, and all were Ready, as far as a poll shows that.
func eachSubAccount(ctx context.Context, f *fleet, do func(*v1alpha1.SubAccount) error) (done float64, ready []float64, err error) {
	start := time.Now()
	if err := parallel(f.n, hands, func(i int) error { return do(subAccount(nameOf(i))) }); err != nil {
		return 0, nil, err
	}
	done = time.Since(start).Seconds()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not all SubAccounts are Ready after %s", patience))
	defer cancel()
	err = stack.Poll(ctx, 100*time.Millisecond, func() (bool, error) {
		var list v1alpha1.SubAccountList
		if err := f.cluster.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list.Items, func(c v1alpha1.SubAccount) bool {
			return c.Status.ObservedGeneration != c.Generation || !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionReady)
		}), nil
	})
	return done, []float64{time.Since(start).Seconds()}, err
}

// eachSub is how much of a count there is for each SubAccount of a scenario.
func eachSub(scenario string, count func(spending) int) func(fleetResult) string {
	return func(f fleetResult) string {
		return of(scenario, func(m measured) string { return number3(float64(count(m.spending)) / float64(subAccountsOf(f.N))) })(f)
	}
}
