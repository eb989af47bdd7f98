package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

// guide says how to look around. Its commands start at the margin, so that they can be copied as they are.
const guide = `
All of it stays up until Ctrl-C. From a second terminal, in this directory:

export KUBECONFIG=$PWD/DIR/kubeconfig
kubectl get cpaas -A
kubectl -n NAMESPACE describe childaccount acme-sales

# one more account
kubectl apply -f - <<EOF
apiVersion: accounts.cpaas.dev/v1alpha1
kind: ChildAccount
metadata:
  name: acme-fleet
  namespace: NAMESPACE
spec:
  parentRef:
    name: acme
  email: fleet@acme.example
EOF
kubectl -n NAMESPACE wait --for=condition=Ready --timeout=60s childaccount/acme-fleet

# its connection Secret: id, name, e-mail, endpoint, API key, password
kubectl -n NAMESPACE get secret acme-fleet-connection -o go-template='{{range $k, $v := .data}}{{$k}}: {{$v | base64decode}}{{"\n"}}{{end}}'

# what the provider has, and what it was asked; the first lists what else there is, docs/simulator.md how to have it fail
curl URL/_simulator
curl URL/_simulator/accounts
curl URL/_simulator/calls

Logs: OPERATORLOG, SIMULATORLOG, CLUSTERLOG.
There is no controller manager here: a namespace that is deleted does not go away.

`

// stayUp says how to look around, and shows what changes until the demo is ended.
func (d *demo) stayUp(ctx context.Context) error {
	fmt.Fprint(d.out, strings.NewReplacer("DIR", d.stack.Dir, "NAMESPACE", namespace, "URL", d.simulator.URL,
		"OPERATORLOG", d.stack.Path(stack.OperatorLog), "SIMULATORLOG", d.stack.Path(stack.SimulatorLog), "CLUSTERLOG", d.stack.Path(stack.ClusterLog)).Replace(guide))
	d.table.settle()
	return stack.Poll(ctx, 500*time.Millisecond, func() (bool, error) {
		_, err := d.showChildren(ctx)
		return false, err
	})
}
