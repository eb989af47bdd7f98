package docsrun

import (
	"fmt"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// Why a command is not run.
const (
	mention     = "named in the midst of a sentence; where it is to be typed it stands in full"
	testsThat   = "a test, a check or a measurement of its own, or what leads to this very test"
	generator   = "make verify runs it"
	rebuilds    = "make test-image builds and looks at the image"
	registry    = "needs a registry"
	engine      = "needs a container engine"
	nodes       = "needs nodes, and an image on them"
	theProvider = "needs an account at the provider; its twin for the simulator is run"
	another     = "the program that reads it is not here"
	noCommand   = "not for a shell"
	warning     = "what one must not do"
	cliTest     = "internal/cli makes this call in a test of its own"
	renames     = "internal/engine/handover_test.go renames and moves resources"
	ownFlags    = "is run with the kustomization that follows"
)

// exception is a step that is not played; a command that ends with * stands for all that begin so.
type exception struct{ page, command, why string }

var notRun = []exception{
	{"CHANGELOG.md", "make *", mention},
	{"CHANGELOG.md", "child-account-operator api METHOD", mention},
	{"CHANGELOG.md", "kubectl get", mention},

	{"CONTRIBUTING.md", "make test", testsThat},
	{"CONTRIBUTING.md", "make test-all", testsThat},
	{"CONTRIBUTING.md", "make test-release", testsThat},
	{"CONTRIBUTING.md", "go test ./internal/engine", testsThat},
	{"CONTRIBUTING.md", "go test -skip TestSpecs ./internal/engine", testsThat},
	{"CONTRIBUTING.md", `make test PKG=./internal/engine TESTFLAGS='-ginkgo.focus "A restart"'`, testsThat},
	{"CONTRIBUTING.md", "make test-interop", testsThat},
	{"CONTRIBUTING.md", "make test-mutants", testsThat},
	{"CONTRIBUTING.md", "make fuzz", testsThat},
	{"CONTRIBUTING.md", "make verify", testsThat},
	{"CONTRIBUTING.md", "make lint", testsThat},
	{"CONTRIBUTING.md", "make vulncheck", testsThat},
	{"CONTRIBUTING.md", "make bench", testsThat},
	{"CONTRIBUTING.md", ".ci/run", testsThat},
	{"CONTRIBUTING.md", "TEST_ALL=1 *", testsThat},
	{"CONTRIBUTING.md", "UPDATE_DOCS=1 *", testsThat},
	{"CONTRIBUTING.md", "kubectl get", mention},
	{"CONTRIBUTING.md", "make generate manifests", generator},
	{"CONTRIBUTING.md", "make manifests", generator},
	{"CONTRIBUTING.md", "make upgrade-fixture", testsThat},
	{"CONTRIBUTING.md", "make release *", "that of docs/operations.md is run"},

	{"README.md", "kubectl apply", mention},
	{"README.md", "make run", "make run ONCE=1 is run, which ends by itself"},
	{"README.md", "make test", testsThat},
	{"README.md", "make build && bin/child-account-operator manager", theProvider},
	{"README.md", "make image", rebuilds},
	{"README.md", "make push *", registry},
	{"README.md", "make release", mention},
	{"README.md", "kubectl rollout *", nodes},
	{"README.md", "docker build", engine},
	{"README.md", "kubectl delete namespace", mention},
	{"README.md", "kubectl describe", mention},
	{"README.md", "kubectl get", mention},
	{"README.md", "kubectl wait", mention},

	{"docs/api.md", "make manifests", generator},
	{"docs/api-command.md", "child-account-operator *", cliTest},
	{"docs/callbacks.md", "kubectl label namespace *", nodes},
	{"docs/callbacks.md", "kubectl create secret *", "the receiver is tried in controllers/callbacks_test.go"},
	{"docs/callbacks.md", "kubectl label secret *", "the receiver is tried in controllers/callbacks_test.go"},
	{"docs/callbacks.md", "kubectl get events *", "the receiver is tried in controllers/callbacks_test.go"},
	{"docs/callbacks.md", "kubectl get parentaccounts -A", mention},
	{"docs/callbacks.md", "apiVersion: kustomize.config.k8s.io/*", "config/callbacks_test.go renders it"},
	{"docs/callbacks.md", "apiVersion: networking.k8s.io/*", "needs an ingress controller"},
	{"docs/callbacks.md", "spec:*", "is a part of a manifest"},
	{"docs/callbacks.md", "curl *", "internal/simulator sends a callback in a test of its own"},
	{"docs/chaos.md", "TEST_ALL=1 *", testsThat},
	{"docs/chaos.md", "CHAOS_LOGS=*", testsThat},
	{"docs/chaos.md", "make test", testsThat},
	{"docs/reliability.md", "make test-mutants", testsThat},
	{"docs/design.md", "kubectl wait *", mention},
	{"docs/design.md", "make image", mention},

	{"docs/gitops.md", "kubectl apply", mention},
	{"docs/gitops.md", "p, role:telephony, *", noCommand},
	{"docs/gitops.md", "apiVersion: argoproj.io/*", another},
	{"docs/gitops.md", "apiVersion: kustomize.toolkit.fluxcd.io/*", another},

	{"docs/guide.md", "kubectl delete namespace", mention},
	{"docs/guide.md", "kubectl get parentaccount", mention},
	{"docs/guide.md", "kubectl get parentaccount -o wide", mention},
	{"docs/guide.md", "make uninstall", mention},
	{"docs/guide.md", "kubectl annotate childaccount OLD *", renames},
	{"docs/guide.md", "kubectl annotate childaccount NEW *", renames},
	{"docs/guide.md", "kubectl delete childaccount OLD *", renames},
	{"docs/guide.md", "kubectl wait childaccount NEW *", renames},
	{"docs/conditions.md", "kubectl get", mention},
	{"docs/design.md", "kubectl get", mention},

	{"docs/operations.md", "child-account-operator manager", mention},
	{"docs/operations.md", "kubectl port-forward *", nodes},
	{"docs/operations.md", "make deploy CONFIG=…", ownFlags},
	{"docs/operations.md", "scrape_configs:*", another},
	{"docs/operations.md", "kubectl delete -k config/default", warning},
	{"docs/operations.md", "kubectl top *", nodes},
	{"docs/operations.md", "make release", mention},
	{"docs/parent-account.md", "kubectl get parentaccount -o wide", mention},
	{"docs/operations.md", "make push *", registry},
	{"docs/operations.md", "make clean", mention},
	{"docs/operations.md", "make uninstall UNINSTALL_TIMEOUT=5m", "is run without a limit of one's own"},
	{"docs/operations.md", "kubectl get childaccounts -A -o wide", "the CRDs are gone by then"},

	{"docs/performance.md", "make bench", testsThat},
	{"docs/performance.md", "kubectl wait *", mention},
	{"docs/security.md", "child-account-operator *", mention},
	{"docs/verification.md", "kubectl get", mention},

	{"docs/simulator.md", "make run", mention},
	{"docs/sub-account.md", "make run", mention},
	{"docs/simulator.md", "bin/child-account-operator simulate", mention},
	{"docs/simulator.md", "curl *", "internal/simulator makes these calls in a test of its own"},
}

// played is what a reader writes in the place of what stands there; $NAMES are of the environment.
type played struct{ page, written, instead string }

var instead = []played{
	// With the simulator, as the page says.
	{"README.md", "# endpoint: ", "endpoint: "},
	{"README.md", "127.0.0.1:8090", "$SIMULATOR"},
	{"docs/conditions.md", " NAME ", " acme-first -n telephony "},
	{"docs/sub-account.md", "clientID: as 2sms has issued it", "clientID: acme-sms"},
	{"docs/sub-account.md", "clientSecret: as 2sms has issued it", "clientSecret: of-the-simulator"},
	{"docs/sub-account.md", "https://api.2sms.example/v2", "$ENDPOINT/2sms"},
	{"docs/operations.md", "IMG=…", "IMG=registry.example/child-account-operator:v1"},
	{"docs/operations.md", "make release ", "make release PLATFORMS=linux/$(go env GOARCH) "}, // one of them shows it
	{"docs/guide.md", "https://voximplant.acme.example", "$PRIVATE_ENDPOINT"},
	{"docs/guide.md", "|\n      LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCiAgKHRoZSBhdXRob3JpdHkncyBj\n      ZXJ0aWZpY2F0ZSkKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=", "$CA_BUNDLE"},
}

// later are sections that show what comes of one that follows; they are played after it.
var later = []struct{ page, section, after string }{
	{"README.md", "child-account-operator", "A first account on your own cluster"},
}

// foreground are the commands that stay in the foreground, and where they listen. Where that is taken the flag says another
// address; name is what it is called in the environment.
var foreground = []struct{ command, log, address, flag, name string }{
	{"bin/child-account-operator simulate", stack.SimulatorLog, "127.0.0.1:8090", "--listen", "SIMULATOR"},
	{"bin/child-account-operator manager", stack.OperatorLog, ":8081", "--health-probe-bind-address", "PROBES"},
}

// aside is what belongs to the steps of a page whose text has the words.
type aside struct {
	page, words string
	// provider is what happens at the provider before: calls of the simulator's control API.
	provider []call
	// before is done before, by bash: what the reader has, or has done.
	before string
	// after is what the page promises: commands that succeed before long. Where it is "", what is declared gets Ready.
	after string
	// file is where a manifest goes that isn't applied.
	file string
}

// call is one of the simulator's control API; the answer goes into a file.
type call struct{ method, path, body, into string }

// parent is the parent account of the guide's reader.
const parent = `{"id": 900000, "name": "acme", "email": "acme@acme.example", "apiKey": "00000000-0000-4000-8000-00000000acme"}`

const (
	// firstAccount is what the pages take for done, of the README's first account; the kinds are installed.
	firstAccount = `
kubectl create namespace telephony --dry-run=client -o yaml | kubectl apply -f -
kubectl create secret generic voximplant -n telephony --from-file=credentials.json --from-literal=api-key=00000000-0000-4000-8000-00000000acme --dry-run=client -o yaml |
  kubectl apply -f -
kubectl label secret voximplant -n telephony accounts.cpaas.dev/input=true --overwrite
kubectl apply -f - <<END
apiVersion: accounts.cpaas.dev/v1alpha1
kind: ParentAccount
metadata: {name: acme, namespace: telephony}
spec:
  voximplant:
    credentialsSecretRef: {name: voximplant}
    ${API_KEY:-}
    endpoint: ${TO:-$ENDPOINT}
END
`
	// lostKeys declares the parent's own API key, by which those of accounts that lost their connection Secrets are found.
	lostKeys = "API_KEY='apiKeySecretRef: {name: voximplant, key: api-key}'\n"
	// startOver takes the reader's resources away; their accounts stay.
	startOver = "kubectl delete childaccounts,parentaccounts,secrets --all -n telephony\n"
)

// child is a ChildAccount that the reader has, and that is Ready.
func child(name string) string {
	return fmt.Sprintf(`
kubectl apply -f - <<END
apiVersion: accounts.cpaas.dev/v1alpha1
kind: ChildAccount
metadata: {name: %[1]s, namespace: telephony}
spec: {parentRef: {name: acme}, email: %[1]s@acme.example, adoptionPolicy: Always}
END
kubectl wait -n telephony childaccount/%[1]s --for=condition=Ready --timeout=1m
`, name)
}

var asides = []aside{
	{page: "README.md", words: "operator simulate", after: "test -s credentials.json"},
	{page: "README.md", words: "make install",
		after: "kubectl wait --for=condition=Established crd/childaccounts.accounts.cpaas.dev crd/parentaccounts.accounts.cpaas.dev"},
	{page: "README.md", words: "get secret acme-support-connection",
		after: "kubectl get secret acme-support-connection -n telephony -o jsonpath='{.data.password}' | base64 -d | grep -E '.{12}'"},
	{page: "README.md", words: "make deploy", after: `
		kubectl get deployment -n child-account-operator-system child-account-operator-controller-manager -o jsonpath='{..image}' |
		  grep -x registry.example/child-account-operator:v1`},
	{page: "README.md", words: "make uninstall", after: `
		kubectl get secret -n telephony acme-support-connection
		if kubectl get crd -o name | grep cpaas.dev; then exit 1; fi`},
	{page: "README.md", words: "make undeploy", after: `
		kubectl get namespace child-account-operator-system
		if kubectl get clusterroles,clusterrolebindings -o name | grep child-account-operator; then exit 1; fi`},

	{page: "docs/account-profile.md", words: "firstName: Ada", before: startOver + firstAccount, after: `
		kubectl wait -n telephony childaccount/acme-billing --for=condition=Ready --timeout=1m
		kubectl wait -n telephony childaccount/acme-billing --for=condition=ProfileSynced --timeout=1m`},

	{page: "docs/conditions.md", words: "kubectl annotate", before: startOver + firstAccount + child("acme-first"),
		after: "kubectl get childaccount acme-first -n telephony -o jsonpath='{.status.lastHandledReconcileAt}' | grep ."},

	{page: "docs/gitops.md", words: "kubectl patch configmap",
		before: "kubectl create namespace argocd && kubectl create configmap argocd-cm -n argocd --from-literal=url=https://argocd.example",
		after: `
			kubectl get configmap argocd-cm -n argocd -o jsonpath='{.data}' | grep accounts.cpaas.dev_ChildAccount
			kubectl get configmap argocd-cm -n argocd -o jsonpath='{.data.url}' | grep -x https://argocd.example`},
	{page: "docs/gitops.md", words: "sync-wave", before: startOver + firstAccount},

	// Adopt pre-existing accounts.
	{page: "docs/guide.md", words: "managementPolicy: Observe", before: startOver + firstAccount,
		provider: []call{{"POST", "accounts", `{"id": 900001, "parentID": 900000, "fields":
			{"account_name": "acme-sales", "account_email": "sales@acme.example", "location": "Europe/London", "active": true}}`, ""}},
		after: "kubectl wait -n telephony childaccount/acme-sales --for=jsonpath='{.status.drift[0].field}'=location --timeout=1s"},
	{page: "docs/guide.md", words: "adoptionPolicy: IfIdentical",
		provider: []call{{"PATCH", "accounts/900001", `{"location": "Europe/Berlin"}`, ""}},
		before: `
			kubectl annotate childaccount acme-sales -n telephony accounts.cpaas.dev/reconcile-requested-at=now
			kubectl wait -n telephony childaccount/acme-sales --for=jsonpath='{.status.observed.location}'=Europe/Berlin --timeout=30s`,
		after: `
			kubectl wait -n telephony childaccount/acme-sales --for=condition=Ready --timeout=1s
			kubectl get childaccount acme-sales -n telephony -o jsonpath='{.status.conditions[?(@.type=="ConnectionSecretReady")].reason}' | grep -x PartialAdopted`},
	// Delete a namespace.
	{page: "docs/guide.md", words: "kubectl delete childaccounts", after: "if kubectl get namespace telephony; then exit 1; fi"},
	{page: "docs/guide.md", words: "name: acme-hotline", before: lostKeys + firstAccount},
	// Suspend, or reconcile at once.
	{page: "docs/guide.md", words: "reconcile-requested-at", before: lostKeys + firstAccount + child("acme-sales"),
		after: "kubectl get childaccount acme-sales -n telephony -o jsonpath='{.status.lastHandledReconcileAt}' | grep ."},
	// Have a new password generated.
	{page: "docs/guide.md", words: "2026-11",
		after: "kubectl get secret acme-sales-connection -n telephony -o jsonpath='{.data.password}' | grep ."},
	// Name and label the connection Secret.
	{page: "docs/guide.md", words: "name: acme-shop",
		after: "kubectl get secrets -n telephony -l team=shop -o name | grep shop-telephony"},
	// Let other namespaces have accounts.
	{page: "docs/guide.md", words: "namespace: team", before: "kubectl create namespace team && kubectl label namespace team telephony=allowed"},
	// Rotate the credentials.
	{page: "docs/guide.md", words: "kubectl create secret generic voximplant",
		provider: []call{{"GET", "parents/900000/credentials?role=Owner&role=Owner", "", "credentials.json"}}},
	{page: "docs/guide.md", words: "reason=Reconnected",
		after: "kubectl get events -n telephony --field-selector reason=Reconnected | grep parentaccount/acme"},
	// Trust a private certificate authority.
	{page: "docs/guide.md", words: "kubectl patch parentaccount",
		before: "kubectl delete childaccounts --all -n team\n" + startOver + "TO=$PRIVATE_ENDPOINT\n" + firstAccount + `
			kubectl wait -n telephony parentaccount/acme --for=jsonpath='{.status.conditions[?(@.type=="APIAvailable")].reason}'=APIUnavailable`,
		after: "kubectl wait -n telephony parentaccount/acme --for=condition=Ready --timeout=1s"},

	{page: "docs/operations.md", words: "--installation-id=blue", file: "config/own/kustomization.yaml", after: `
		make deploy CONFIG=config/own IMG=registry.example/child-account-operator:v1
		kubectl get deployment -n child-account-operator-system child-account-operator-controller-manager -o jsonpath='{..args}' | grep -- --installation-id=blue`},
	{page: "docs/operations.md", words: "make release", after: "test -s dist/install.yaml -a -s dist/image.tar"},
	{page: "docs/operations.md", words: "kubectl apply --server-side -f dist/install.yaml", after: `
		kubectl get deployment -n child-account-operator-system child-account-operator-controller-manager -o jsonpath='{..image}' |
		  grep -x registry.example/child-account-operator:v1`},
	{page: "docs/operations.md", words: "value: 256Mi", file: "config/own/kustomization.yaml", after: `
		make deploy CONFIG=config/own IMG=registry.example/child-account-operator:v1
		kubectl get deployment -n child-account-operator-system child-account-operator-controller-manager -o jsonpath='{..requests.memory}' | grep -x 256Mi`},
	{page: "docs/operations.md", words: "kubectl label namespace monitoring",
		before: "kubectl create namespace monitoring && kubectl create serviceaccount prometheus -n monitoring",
		after:  "kubectl get clusterrole child-account-operator-metrics-reader"},
	{page: "docs/operations.md", words: "make deploy CONFIG=config/namespaced", after: "kubectl get rolebindings -n telephony -o name | grep child-account-operator"},
	{page: "docs/operations.md", words: "make deploy CONFIG=config/shards/rest",
		after: "kubectl get deployment -n child-account-operator-system child-account-operator-controller-manager -o jsonpath='{..args}' | grep -- '--parent-selector=shard!=b'"},
	{page: "docs/operations.md", words: "make deploy CONFIG=config/shards/b", after: `
		kubectl get deployment -n child-account-operator-b child-account-operator-controller-manager-b -o jsonpath='{..args}' | grep -- --parent-selector=shard=b
		kubectl auth can-i patch childaccounts -A --as=system:serviceaccount:child-account-operator-b:child-account-operator-controller-manager-b
		kubectl auth can-i patch childaccounts -A --as=system:serviceaccount:child-account-operator-system:child-account-operator-controller-manager`},
	{page: "docs/operations.md", words: "make undeploy CONFIG=config/shards/b", after: `
		if kubectl get clusterroles,clusterrolebindings -o name | grep child-account-operator.*-b$; then exit 1; fi
		kubectl auth can-i patch childaccounts -A --as=system:serviceaccount:child-account-operator-system:child-account-operator-controller-manager`},
	{page: "docs/operations.md", words: "make uninstall", after: "if kubectl get crd -o name | grep cpaas.dev; then exit 1; fi"},
	// The pages before have removed the CRDs.
	{page: "docs/sub-account.md", words: "clientID: as 2sms",
		provider: []call{{"POST", "2sms/masters", `{"id": "86e51d05-20a3-486c-adf1-a98ca194c74c", "companyName": "Acme Ltd", "email": "owner@acme.example",
			"clientID": "acme-sms", "clientSecret": "of-the-simulator"}`, ""}},
		before: `
			make install
			kubectl create namespace telephony --dry-run=client -o yaml | kubectl apply -f -`,
		after: "kubectl get secret twosms -n telephony"},
}
