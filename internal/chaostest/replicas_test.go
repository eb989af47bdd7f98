package chaostest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"cpaas.dev/child-account-operator/internal/cli"
)

// replicaEnv has the endpoint that a replica may talk to.
const replicaEnv = "CHAOS_REPLICA_ENDPOINT"

// runReplica is the operator's manager. It is not bin/child-account-operator itself, because outside of a pod that can't
// be told where the lease is.
func runReplica() {
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	err := cli.RunManager(ctrl.SetupSignalHandler(), ctrl.GetConfigOrDie(), cli.ManagerOptions{
		MetricsAddress: "0", ProbeAddress: "0", LeaderElect: true, LeaderElectionNamespace: namespace,
		AllowedEndpoints: []string{os.Getenv(replicaEnv)}, InstallationID: installation,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// replica is one process of the operator.
type replica struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// elected is what a replica's log has once it leads: the lease names its holder by a random id that nothing else tells.
var elected = regexp.MustCompile(`uccessfully acquired lease`)

func (p *replica) words() []byte {
	words, _ := os.ReadFile(p.log) // there may be none yet
	return words
}

func (p *replica) leads() bool { return elected.Match(p.words()) }

func (p *replica) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill kills the process, unless it has ended by itself, and returns once it is dead.
func (p *replica) kill() (killed bool) {
	err := p.cmd.Process.Kill()
	<-p.ended
	return err == nil
}

// replicas are always two, of which one leads.
type replicas struct {
	*world
	dice *rand.Rand
	dir  string
	// killed are the leaders that did not end by themselves.
	killed atomic.Int32

	mu      sync.Mutex
	running [2]*replica
	all     []*replica
}

func startReplicas(w *world, r *rand.Rand) *replicas {
	all := &replicas{world: w, dice: r, dir: w.t.TempDir()}
	w.t.Cleanup(all.end)
	all.keepTwo()
	over := make(chan struct{})
	w.t.Cleanup(func() { close(over) })
	go func() { // as a Deployment would
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Second):
				all.keepTwo()
			}
		}
	}()
	return all
}

// keepTwo starts what has ended: a replica that was killed, or one that could not hold its lease.
func (all *replicas) keepTwo() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for i, p := range all.running {
		if p == nil || p.over() {
			all.running[i] = all.start()
		}
	}
}

func (all *replicas) start() *replica {
	p := &replica{log: filepath.Join(all.dir, fmt.Sprintf("replica-%03d.log", len(all.all)+1)), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		all.t.Error(err)
		return nil
	}
	defer log.Close() // the process has its own
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+all.kubeconfig, replicaEnv+"="+all.endpoint)
	if err := p.cmd.Start(); err != nil {
		all.t.Error(err)
		return nil
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	all.all = append(all.all, p)
	return p
}

func (all *replicas) leader() *replica {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range all.running {
		if p != nil && !p.over() && p.leads() {
			return p
		}
	}
	return nil
}

// dieNowAndThen kills the leader some seconds after it became one. Mostly its lease is emptied then, as it is by a leader
// that goes in good order, so that more leaders come and go; now and then it has to run out.
func (all *replicas) dieNowAndThen(ctx context.Context) {
	for {
		lead, patient := between(all.dice, 2*time.Second, 9*time.Second), all.dice.IntN(5) == 0
		leader := all.awaitLeader(ctx)
		if leader == nil || !pass(ctx, lead) {
			return
		}
		if leader.kill() {
			all.killed.Add(1)
		}
		if !patient {
			all.emptyLease(ctx)
		}
	}
}

// blindness is how long nobody leads at most: a dead leader's lease ends after 15 seconds, the API server may be away, and the
// machine slow.
const blindness = 2 * time.Minute

// awaitLeader waits for a replica that leads; nil when the time is over. Where none is known for one for long, something is
// wrong: with the replicas, or with how this test knows a leader, and then none would ever be killed.
func (all *replicas) awaitLeader(ctx context.Context) *replica {
	for since := time.Now(); ; {
		if leader := all.leader(); leader != nil {
			return leader
		}
		if time.Since(since) > blindness {
			all.t.Errorf("no replica was seen to lead for %s", blindness)
			return nil
		}
		if !pass(ctx, 100*time.Millisecond) {
			return nil
		}
	}
}

// emptyLease lets the next leader come at once. Its last holder is dead.
func (all *replicas) emptyLease(ctx context.Context) {
	until(ctx, func(ctx context.Context) error {
		lease := &coordinationv1.Lease{}
		if err := all.k8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "child-account-operator.cpaas.dev"}, lease); err != nil {
			return err
		}
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To(""), ptr.To[int32](1)
		return all.k8s.Update(ctx, lease)
	})
}

// end kills all that run, and shows what they said if something went wrong.
func (all *replicas) end() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range all.running {
		p.kill()
		if all.t.Failed() {
			lines := strings.Split(string(p.words()), "\n")
			all.t.Logf("the end of %s:\n%s", p.log, strings.Join(lines[max(0, len(lines)-10):], "\n"))
		}
	}
	if keep := os.Getenv("CHAOS_LOGS"); keep != "" { // an empty directory
		calls, err := json.Marshal(all.sim.Calls()) // without the secrets
		err = errors.Join(err, os.CopyFS(keep, os.DirFS(all.dir)), os.WriteFile(filepath.Join(keep, "calls.json"), calls, 0o600))
		NewWithT(all.t).Expect(err).NotTo(HaveOccurred())
	}
}

// expectHealthy says that no replica found fault with itself.
func (all *replicas) expectHealthy() {
	for _, p := range all.all {
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "Observed a panic"} {
			NewWithT(all.t).Expect(string(p.words())).NotTo(ContainSubstring(bad), p.log)
		}
	}
}
