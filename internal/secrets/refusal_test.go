package secrets_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
)

// The refusals of the Kubernetes API, by their words.
var (
	resource = corev1.Resource("secrets")
	overfull = apierrors.NewForbidden(resource, connection.Name, errors.New("exceeded quota: compute, requested: count/secrets=1, used: count/secrets=5, limited: count/secrets=5"))
	unknown  = apierrors.NewForbidden(resource, connection.Name, errors.New("status unknown for quota: compute, resources: count/secrets"))
	noRight  = apierrors.NewForbidden(resource, "", errors.New(`user "operator" cannot create resource "secrets" in API group "" in the namespace "telephony"`))
	noMatch  = apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Secret").GroupKind(), connection.Name, field.ErrorList{field.Forbidden(field.NewPath("metadata"), "no")})
	byHook   = apierrors.NewForbidden(resource, connection.Name, errors.New(`admission webhook "a.example" denied the request: no`))
	byPolicy = apierrors.NewForbidden(resource, connection.Name, errors.New(`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`))
	noDryRun = apierrors.NewBadRequest(`admission webhook "a.example" does not support dry run`)
	hookDown = apierrors.NewInternalError(errors.New(`failed calling webhook "a.example"`))
	nowhere  = apierrors.NewNotFound(corev1.Resource("namespaces"), namespace)
	tooMany  = apierrors.NewTooManyRequests("later", 1)
	noLonger = terminating()
)

// terminating is what the Kubernetes API says in a namespace that is being deleted.
func terminating() error {
	err := apierrors.NewForbidden(resource, connection.Name, errors.New("unable to create new content in namespace telephony because it is being terminated"))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause})
	return err
}

// refusingAPI refuses to create Secrets, to do so by a dry run, and keeps what was tried: "create" or "dry run".
func refusingAPI(create, dryRun error, there ...client.Object) (*cluster, *[]string) {
	tried := &[]string{}
	return newCluster(interceptor.Funcs{Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		options := (&client.CreateOptions{}).ApplyOptions(opts)
		what, refusal := "create", create
		if len(options.DryRun) > 0 {
			what, refusal = "dry run", dryRun
			if o.GetName() == connection.Name {
				what += " of the connection Secret"
			}
		}
		if *tried = append(*tried, what); refusal != nil {
			return refusal
		}
		return w.Create(ctx, o, opts...)
	}}, there...), tried
}

// attempt is the connection of a resource whose account is to be created.
func attempt(mayExist bool) secrets.Connection {
	c := connection
	c.UID, c.MayExist, c.Latest = "of-the-resource", mayExist, &secrets.Latest{}
	return c
}

// Whatever the Kubernetes API refuses, a connection Secret that is there serves: it is read, and renewed once the account was read.
func TestPrepareDespiteARefusal(t *testing.T) {
	for name, refusal := range map[string]error{
		"a quota": overfull, "a quota without a status": unknown, "a webhook": byHook, "a policy": byPolicy, "a validation": noMatch,
		"a bad request": apierrors.NewBadRequest("no"), "no right": noRight,
	} {
		for _, mayExist := range []bool{false, true} {
			api, tried := refusingAPI(refusal, nil, held(connection, map[string]string{"password": "prepared"}))
			c := attempt(mayExist)
			if _, err := api.store().Prepare(background, c, known()); !errors.Is(err, secrets.ErrReadFirst) {
				t.Errorf("%s, at first: %v", name, err)
			}
			if want := map[bool][]string{false: {"create", "dry run"}, true: {"dry run"}}[mayExist]; !slices.Equal(*tried, want) {
				t.Errorf("%s, at first: tried %v, want %v", name, *tried, want)
			}
			*tried = nil
			if password, err := api.store().Prepare(background, c, known()); err != nil || password != "prepared" {
				t.Errorf("%s: password %q, %v", name, password.Reveal(), err)
			}
			if !slices.Equal(*tried, []string{"dry run"}) {
				t.Errorf("%s: tried %v", name, *tried)
			}
			if !c.Latest.Intends(c) {
				t.Errorf("%s: the attempt is not recorded", name)
			}
		}
	}
}

// Where there is no Secret, the refusal is what there is to say; where somebody else's is there, that.
func TestPrepareAfterARefusal(t *testing.T) {
	for name, refusal := range map[string]error{"a quota": overfull, "a webhook": byHook, "a bad request": apierrors.NewBadRequest("no"), "an outage": hookDown, "no namespace": nowhere} {
		api, _ := refusingAPI(refusal, nil)
		if _, err := api.store().Prepare(background, attempt(false), known()); err == nil || !strings.Contains(err.Error(), refusal.Error()) {
			t.Errorf("%s: %v", name, err)
		}
		if api.reads > 1 {
			t.Errorf("%s: %d reads", name, api.reads)
		}
	}
	theirs := held(connection, nil)
	theirs.Labels = nil
	api, _ := refusingAPI(overfull, nil, theirs)
	err := api.store().PrepareDeclared(background, attempt(false), known())
	wantProblem(t, err, v1alpha1.ReasonSecretInvalid, connection.Name)
}

// What passes by itself is no reason to read.
func TestPrepareAfterAnOutage(t *testing.T) {
	for _, outage := range []error{hookDown, tooMany, nowhere, noLonger, errors.New("connection refused")} {
		api, tried := refusingAPI(outage, nil, held(connection, nil))
		err := api.store().PrepareDeclared(background, attempt(false), known())
		if !errors.Is(err, outage) || api.reads > 0 || len(*tried) != 1 {
			t.Errorf("%v: %v, %d reads, tried %v", outage, err, api.reads, *tried)
		}
	}
}

// In a namespace that is being deleted no account is created, though the connection Secret is there. What else refuses a dry run says nothing
// of the namespace.
func TestPrepareInANamespaceThatIsDeleted(t *testing.T) {
	for refusal, passes := range map[error]bool{
		noLonger: false, nowhere: false, noRight: false, hookDown: false, tooMany: false,
		overfull: true, unknown: true, noMatch: true, byHook: true, byPolicy: true, noDryRun: true,
		apierrors.NewAlreadyExists(resource, "child-account-operator-dry-run"): true,
	} {
		api, tried := refusingAPI(nil, refusal, held(connection, map[string]string{"password": "prepared"}))
		c := attempt(true)
		if _, err := api.store().Read(background, c); err != nil { // it was read before the account
			t.Fatal(err)
		}
		writes := api.writes
		_, err := api.store().Prepare(background, c, known())
		if (err == nil) != passes || !passes && !errors.Is(err, refusal) {
			t.Errorf("%v: %v", refusal, err)
		}
		if patched := api.writes - writes - len(*tried); (patched > 0) != passes || !slices.Equal(*tried, []string{"dry run"}) {
			t.Errorf("%v: %d patches, tried %v", refusal, patched, *tried)
		}
	}
}

// Whatever the HTTP status is that a webhook chose, its words tell that it refused.
func TestCodesOfRefusals(t *testing.T) {
	for code := range int32(600) {
		for text, want := range map[string]bool{
			"no": slices.Contains([]int32{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, code),
			`admission webhook "a.example" denied the request: no`:              true,
			`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`: true,
		} {
			refusal := &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: text}}
			api, _ := refusingAPI(refusal, nil, held(connection, nil))
			err := api.store().PrepareDeclared(background, attempt(false), known())
			if errors.Is(err, secrets.ErrReadFirst) != want {
				t.Errorf("%d, %s: %v", code, text, err)
			}
		}
	}
}
