package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/hack/internal/stack"
)

const (
	namespace  = "telephony"
	parentName = "acme"
	// hands is how many resources are applied or changed at one time.
	hands = 10
	// quiet is how long nothing may be asked of anybody before a scenario counts as over.
	quiet = 2 * time.Second
)

// fleet is a stack with one parent account and n children.
type fleet struct {
	n         int
	options   options
	stack     *stack.Stack
	cluster   *stack.Cluster
	simulator *stack.Simulator
	// kubeconfig is the operator's, and flags are what it is started with beside the usual.
	kubeconfig string
	flags      []string
	operator   *stack.Process
	audit      *auditLog
	tracker    *tracker
	// pids are the processes by what they are.
	pids map[string]int
}

// runFleet starts a fleet, whose operator has these flags beside the usual, and runs the scenarios with it.
func runFleet(ctx context.Context, s *stack.Stack, n int, o options, scenarios []scenario, flags ...string) (*fleetResult, error) {
	fmt.Fprintf(s.Out, "\n%d accounts\n", n)
	f := &fleet{n: n, options: o, stack: s, flags: flags, pids: map[string]int{"bench": os.Getpid()}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the tracker's watch before the control plane is stopped
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	result := &fleetResult{N: n, Scenarios: map[string]measured{}}
	var err error
	if result.Kubernetes, err = kubernetesOf(f); err != nil {
		return nil, err
	}
	for _, scenario := range scenarios {
		m, err := scenario.run(f, ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", scenario.name, err)
		}
		result.Scenarios[scenario.name] = m
		fmt.Fprintf(s.Out, "%s: %s\n", scenario.name, m)
	}
	return result, nil
}

// start starts all that runs, with a ParentAccount that is Ready.
func (f *fleet) start(ctx context.Context) error {
	steps := []func(context.Context) error{f.startCluster, f.startSimulator, f.authorize, f.startOperator, f.applyParent}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) startCluster(ctx context.Context) error {
	log := f.stack.Path("audit.log")
	_ = os.Remove(log) // of an earlier fleet
	flags, err := auditFlags(f.stack.Path("audit-policy.yaml"), log)
	if err != nil {
		return err
	}
	if f.cluster, err = f.stack.StartCluster(ctx, flags); err != nil {
		return err
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if f.pids[name], err = childNamed(name); err != nil {
			return err
		}
	}
	if f.audit, err = openAuditLog(log); err != nil {
		return err
	}
	f.tracker, err = startTracker(ctx, f.cluster)
	return err
}

func (f *fleet) startSimulator(ctx context.Context) (err error) {
	if f.simulator, err = f.stack.StartSimulator(ctx, "--latency", f.options.Latency.String()); err != nil {
		return err
	}
	f.pids["simulator"] = f.simulator.Process.PID()
	return f.cluster.AddCredentials(ctx, namespace, f.simulator)
}

// authorize makes the operator's service account, with the rights that it has in a cluster.
func (f *fleet) authorize(ctx context.Context) error {
	roles, err := stack.ReadYAML[rbacv1.ClusterRole](filepath.Join(f.stack.Manifests, "config/rbac/role/role.yaml"))
	if err != nil {
		return err
	}
	for i := range roles {
		role := &roles[i]
		if role.Kind != "ClusterRole" {
			continue
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
		}
		if err := errors.Join(f.cluster.Create(ctx, role), f.cluster.Create(ctx, binding)); err != nil {
			return err
		}
	}
	f.kubeconfig, err = f.cluster.AddServiceAccount(ctx, operatorNamespace, operatorAccount)
	return err
}

func (f *fleet) startOperator(context.Context) (err error) {
	if f.operator, err = f.stack.StartOperator(f.kubeconfig, []string{f.simulator.URL}, f.flags...); err == nil {
		f.pids["operator"] = f.operator.PID()
	}
	return err
}

func (f *fleet) stopOperator() error {
	delete(f.pids, "operator")
	return f.operator.Stop()
}

// parent is the ParentAccount, with the default resyncInterval.
func (f *fleet) parent() *v1alpha1.ParentAccount {
	return &v1alpha1.ParentAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: parentName},
		Spec: v1alpha1.ParentAccountSpec{
			Voximplant: v1alpha1.VoximplantParent{
				CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: "voximplant"},
				Endpoint:             &f.simulator.URL,
			},
			Limits: &v1alpha1.Limits{
				RequestsPerSecond: ptr.To(int32(f.options.Rate)), MaxInFlight: ptr.To(int32(f.options.InFlight)),
				MassChange: &v1alpha1.MassChange{Percent: ptr.To[int32](100)}, // the change of all is meant
			},
		},
	}
}

func (f *fleet) applyParent(ctx context.Context) error {
	p := f.parent()
	if err := f.cluster.Create(ctx, p); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the ParentAccount is not Ready"))
	defer cancel()
	err := stack.Poll(ctx, 100*time.Millisecond, func() (bool, error) {
		err := f.cluster.Get(ctx, client.ObjectKeyFromObject(p), p)
		return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady), err
	})
	if err != nil {
		return err
	}
	_, err = f.settle(ctx)
	return err
}

// patchParent changes the ParentAccount.
func (f *fleet) patchParent(ctx context.Context, patch string) error {
	return f.cluster.Patch(ctx, f.parent(), client.RawPatch(types.MergePatchType, []byte(patch)))
}

// child is the resource of an account.
func child(name string) *v1alpha1.ChildAccount {
	return &v1alpha1.ChildAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ChildAccountSpec{
			ParentRef:    v1alpha1.ParentReference{Name: parentName},
			Email:        name + "@acme.example",
			LanguageCode: ptr.To("en"),
			Location:     ptr.To("Europe/Berlin"),
		},
	}
}

func nameOf(i int) string { return fmt.Sprintf("acme-%05d", i) }

// patchAll changes all children in the same way, and returns the same as forAll.
func (f *fleet) patchAll(ctx context.Context, patch string) (patched time.Duration, ready []time.Duration, err error) {
	return forAll(ctx, f, func(c *v1alpha1.ChildAccount) error {
		return f.cluster.Patch(ctx, c, client.RawPatch(types.MergePatchType, []byte(patch)))
	})
}

// forAll does something to each child, and returns how long that took and when each was Ready, counted from the first.
func forAll(ctx context.Context, f *fleet, do func(*v1alpha1.ChildAccount) error) (done time.Duration, ready []time.Duration, err error) {
	start := time.Now()
	generations, err := changeEach(f, do)
	if done = time.Since(start); err != nil {
		return done, nil, err
	}
	times, err := f.tracker.await(ctx, generations)
	return done, since(start, times), err
}

// changeEach does something to each child and returns their generations after it.
func changeEach(f *fleet, do func(*v1alpha1.ChildAccount) error) (map[string]int64, error) {
	generations := make([]int64, f.n)
	err := parallel(f.n, hands, func(i int) error {
		c := child(nameOf(i))
		err := do(c)
		generations[i] = c.Generation
		return err
	})
	out := map[string]int64{}
	for i, generation := range generations {
		out[nameOf(i)] = generation
	}
	return out, err
}

// since are the times counted from start, the shortest first.
func since(start time.Time, times []time.Time) (out []time.Duration) {
	for _, at := range times {
		out = append(out, at.Sub(start))
	}
	slices.Sort(out)
	return out
}

// parallel does something n times, so many at once.
func parallel(n, workers int, do func(int) error) error {
	work := make(chan int)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range work {
				if errs[w] == nil {
					errs[w] = do(i)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	return errors.Join(errs...)
}

// kubernetesOf is the control plane's version.
func kubernetesOf(f *fleet) (string, error) {
	d, err := discovery.NewDiscoveryClientForConfig(f.cluster.Config)
	if err != nil {
		return "", err
	}
	v, err := d.ServerVersion()
	if err != nil {
		return "", err
	}
	return v.GitVersion, nil
}

// calls are the calls of both providers' APIs so far, by method. No method is in both.
func (f *fleet) calls(ctx context.Context) (map[string]int, error) {
	all := map[string]int{}
	for _, path := range []string{"counts", "2sms/counts"} {
		var counters struct{ Methods map[string]int }
		if err := f.simulator.Control(ctx, http.MethodGet, path, nil, &counters); err != nil {
			return nil, err
		}
		maps.Copy(all, counters.Methods)
	}
	return all, nil
}

// settle waits until nothing is asked of anybody any more, and returns all that was used until then.
func (f *fleet) settle(ctx context.Context) (s spending, err error) {
	for {
		if s, err = f.spent(ctx); err != nil {
			return s, err
		}
		if err := pause(ctx, quiet); err != nil {
			return s, err
		}
		later, err := f.spent(ctx)
		if err != nil {
			return s, err
		}
		if maps.Equal(s.Calls, later.Calls) && maps.Equal(s.Requests, later.Requests) {
			return later, nil
		}
	}
}

// awaitCalls waits until a method was called more often than that.
func (f *fleet) awaitCalls(ctx context.Context, method string, than int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no %s for %s", method, patience))
	defer cancel()
	return stack.Poll(ctx, 20*time.Millisecond, func() (bool, error) {
		calls, err := f.calls(ctx)
		return calls[method] > than, err
	})
}

// isWrite tells a request or a call that changes something.
func isWrite(kind string) bool {
	return !strings.HasPrefix(strings.ToLower(kind), "get") && !strings.HasPrefix(kind, "list ")
}
