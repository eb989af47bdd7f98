package secrets_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/testenv"
	"cpaas.dev/child-account-operator/internal/testenv/freeport"
)

// echo is how a service gives back what it was sent: text is all of it, parts the beginnings of the secrets.
type echo func(w http.ResponseWriter, text, parts string)

// refusing answers a code with a message that repeats everything.
func refusing(code int) echo {
	return func(w http.ResponseWriter, text, _ string) {
		reply(w, http.StatusOK, "application/json", refusalOf(code, "refused: "+text))
	}
}

func refusalOf(code int, message string) string {
	body, err := json.Marshal(map[string]any{"error": map[string]any{"code": code, "msg": message}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func reply(w http.ResponseWriter, status int, contentType, body string) {
	w.Header()["Content-Type"] = []string{contentType} // as it is, whatever is in it
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// echoes are all the ways in which a service may repeat what it was sent.
var echoes = map[string]echo{
	"invalid": refusing(101), "unauthorized": refusing(100), "forbidden": refusing(104), "unknown": refusing(9999), "throttled": refusing(340), "unwell": refusing(5),
	"expired": refusing(455), "taken": refusing(106), "email-taken": refusing(128), "blocked": refusing(127), "field": refusing(496),
	"short": refusing(112), "blank": refusing(463), "rules": refusing(464), "weak": refusing(523), "spaces": refusing(524), "had-before": refusing(535), "no-change": refusing(230),
	"in-base64": func(w http.ResponseWriter, text, _ string) {
		reply(w, http.StatusOK, "application/json", refusalOf(101, base64.StdEncoding.EncodeToString([]byte(text))))
	},
	"cut-short": func(w http.ResponseWriter, _, parts string) {
		reply(w, http.StatusOK, "application/json", refusalOf(101, parts))
	},
	"http-401":     func(w http.ResponseWriter, text, _ string) { reply(w, http.StatusUnauthorized, "text/html", text) },
	"http-401-api": func(w http.ResponseWriter, text, _ string) { reply(w, 401, "application/json", refusalOf(100, text)) },
	"http-429":     func(w http.ResponseWriter, text, _ string) { reply(w, 429, "application/json", refusalOf(340, text)) },
	"http-500":     func(w http.ResponseWriter, text, _ string) { reply(w, 500, "text/plain", text) },
	"http-500-api": func(w http.ResponseWriter, text, _ string) { reply(w, 500, "application/json", refusalOf(101, text)) },
	"content-type": func(w http.ResponseWriter, text, _ string) { reply(w, 500, "text/x; x="+text, "") },
	"no-json":      func(w http.ResponseWriter, text, _ string) { reply(w, 200, "application/json", `{"result": `+text) },
	"no-result": func(w http.ResponseWriter, text, _ string) {
		reply(w, 200, "application/json", fmt.Sprintf(`{"result": %q}`, text))
	},
	"redirect": func(w http.ResponseWriter, text, _ string) {
		w.Header().Set("Location", "http://127.0.0.1:1/?"+text)
		w.WriteHeader(http.StatusFound)
	},
	"redirect-nowhere": func(w http.ResponseWriter, text, _ string) {
		w.Header().Set("Location", "%zz"+text)
		w.WriteHeader(http.StatusFound)
	},
	"truncated": func(w http.ResponseWriter, text, _ string) {
		w.Header().Set("Content-Length", "99999")
		_, _ = io.WriteString(w, refusalOf(101, text))
		panic(http.ErrAbortHandler)
	},
	"hung-up": func(http.ResponseWriter, string, string) { panic(http.ErrAbortHandler) },
}

// What a parrot echoes: nothing, calls that carry a secret beside the token, or those and whole lists.
const (
	echoNothing int32 = iota
	echoSecrets
	echoLists
)

// everyList is the kind of all calls for lists.
const everyList = "GetChildrenAccounts, all"

// parrot is a provider that answers the first call of each kind about each account with an echo.
type parrot struct {
	*httptest.Server
	name  string
	echo  echo
	sim   http.Handler
	known *testenv.Canaries
	mode  atomic.Int32

	mu sync.Mutex
	// heads is what was seen of the calls beside their bodies and tokens.
	heads  strings.Builder
	echoed map[string]bool
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	form, _ := url.ParseQuery(string(body))
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	kind := p.note(r, form, token)
	if kind != "" && p.first(kind) {
		text, parts := fmt.Sprintf("%s %s", body, token), fmt.Sprintf("%.12s…", token)
		for name := range form {
			if secretParameters[name] != "" {
				text, parts = form.Get(name)+" "+text, fmt.Sprintf("%s, %.9s…", parts, form.Get(name))
			}
		}
		p.echo(w, text, parts)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	p.sim.ServeHTTP(w, r)
}

// secretParameters are those that carry a secret, by what it is.
var secretParameters = map[string]string{
	"account_password": "password", "new_child_account_password": "new password", "new_account_password": "clone's password", "parent_account_api_key": "parent's API key", "api_key": "parent's API key",
	"callback_salt": "salt",
}

// note remembers what a call carries and returns its kind, "" where it is not to be echoed.
func (p *parrot) note(r *http.Request, form url.Values, token string) (kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known.Add("token", token)
	for name, what := range secretParameters {
		if form.Has(name) {
			p.known.Add(what, form.Get(name))
			if p.mode.Load() >= echoSecrets {
				kind = fmt.Sprint(r.URL.Path, form["account_name"], form["child_account_id"], form["account_id"])
			}
		}
	}
	if p.mode.Load() >= echoSecrets && strings.HasSuffix(r.URL.Path, "/CreateKey") {
		kind = r.URL.Path // of its own it carries no secret but the token
	}
	if p.mode.Load() == echoLists && strings.HasSuffix(r.URL.Path, "GetChildrenAccounts") {
		kind = everyList
	}
	headers := r.Header.Clone()
	headers.Del("Authorization")
	fmt.Fprintln(&p.heads, r.RequestURI, headers)
	return kind
}

// first says whether there was no call of this kind yet; lists are echoed for as long as they are.
func (p *parrot) first(kind string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.echoed[kind]
	p.echoed[kind] = true
	return !again || kind == everyList
}

// count is how many calls of a method were echoed.
func (p *parrot) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for kind := range p.echoed {
		if strings.Contains(kind, method) {
			n++
		}
	}
	return n
}

// change sets what is echoed from now on, anew.
func (p *parrot) change(mode int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode.Store(mode)
	p.echoed = map[string]bool{}
}

// cage is a world full of parrots, each with a parent account, a ParentAccount and three children.
type cage struct {
	*testenv.World
	known      testenv.Canaries
	parrots    []*parrot
	children   []*v1alpha1.ChildAccount
	kubeconfig string
	// callbacks is where the last process receives callbacks.
	callbacks string
	output    *testenv.SyncBuffer
	seen      strings.Builder
}

func newCage(ctx context.Context) *cage {
	GinkgoHelper()
	c := &cage{World: testenv.NewWorld(ctx), output: &testenv.SyncBuffer{}, kubeconfig: kubeconfigFile()}
	c.known.Add("client key", string(testenv.Config.KeyData))
	for name, e := range echoes {
		p := &parrot{name: name, echo: e, sim: c.Sim.Handler(), known: &c.known}
		p.change(echoSecrets)
		p.Server = httptest.NewServer(p)
		DeferCleanup(p.Close)
		c.parrots = append(c.parrots, p)
		c.furnish(ctx, p)
	}
	return c
}

// furnish makes what a parrot has: one child with a generated password, one with a declared one, one to lose its Secret.
func (c *cage) furnish(ctx context.Context, p *parrot) {
	GinkgoHelper()
	parent := c.Sim.AddParent(simulator.Parent{Name: "parent-" + p.name, Email: p.name + "@acme.example"})
	credentials := c.Sim.Credentials(parent.ID)
	c.knowKey(credentials)
	c.secret(ctx, p.name, map[string]string{"credentials.json": string(credentials), "api-key": parent.APIKey, "callback-salt": c.parentSalt(p)})
	resource := c.ParentAccount()
	resource.Name = p.name
	resource.Spec.Voximplant = v1alpha1.VoximplantParent{
		CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: p.name}, APIKeySecretRef: &v1alpha1.SecretKeyReference{Name: p.name}, Endpoint: &p.URL,
	}
	resource.Spec.Account = &v1alpha1.OwnAccount{LanguageCode: ptr.To("de"), Callback: &v1alpha1.Callback{
		SaltSecretRef: &v1alpha1.SecretKeyReference{Name: p.name, Key: ptr.To(v1alpha1.DefaultParentCallbackSaltKey)},
	}}
	Expect(testenv.K8s.Create(ctx, resource)).To(Succeed())
	c.secret(ctx, p.name+"-declared", map[string]string{"password": c.declared(p, 1), v1alpha1.DefaultSaltKey: c.salt(p)})
	n := fmt.Sprintf("%02d", len(c.parrots))
	salted := func(child *v1alpha1.ChildAccount) {
		child.Spec.Callback = &v1alpha1.Callback{SaltSecretRef: &v1alpha1.SecretKeyReference{Name: p.name + "-declared"}}
	}
	for _, child := range []*v1alpha1.ChildAccount{c.Child("made-" + n), c.Child("told-"+n, testenv.WithPassword(p.name+"-declared"), salted), c.Child("lost-" + n)} {
		child.Spec.ParentRef.Name = p.name
		if child.Spec.PasswordSecretRef == nil {
			child.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{ServiceAccountKey: &v1alpha1.ServiceAccountKey{Roles: []v1alpha1.KeyRole{"Developer"}}}
		}
		Expect(testenv.K8s.Create(ctx, child)).To(Succeed())
		c.children = append(c.children, child)
	}
}

// declared is a password of a parrot's own, full of what gets escaped.
func (c *cage) declared(p *parrot, number int) string {
	password := fmt.Sprintf(`%dZ&"<+>/%%=ü-Aa%s-of-the-parrot`, number, p.name)
	c.known.Add("declared password", password)
	return password
}

// salt is the salt of the callbacks of a parrot's child, full of what gets escaped.
func (c *cage) salt(p *parrot) string {
	salt := fmt.Sprintf(`s4lt&"<+>/%%=ü-%s`, p.name)
	c.known.Add("declared salt", salt)
	return salt
}

// parentSalt is what the callbacks of a parrot's other children are signed with.
func (c *cage) parentSalt(p *parrot) string {
	salt := fmt.Sprintf(`s&"<4>%%=ül-Tt%s-of-it`, p.name)
	c.known.Add("callback salt", salt)
	return salt
}

// report sends callbacks of each parrot's first child, one that is signed and one that is not.
func (c *cage) report(ctx context.Context) {
	GinkgoHelper()
	for i, one := range c.parrots {
		about := simulator.Callback{
			AccountID: c.Account(c.children[3*i].AccountName()).ID, Type: "min_balance", Salt: c.parentSalt(one), URL: fmt.Sprintf("http://%s/callbacks/%s/%s", c.callbacks, c.NS, one.name),
		}
		Expect(simulator.SendCallback(ctx, c.Sim, about)).To(Equal(http.StatusOK), one.name)
		about.Salt += "?"
		Expect(simulator.SendCallback(ctx, c.Sim, about)).To(Equal(http.StatusForbidden), one.name)
	}
}

// knowKey makes the private key of a credentials.json known.
func (c *cage) knowKey(credentials []byte) string {
	GinkgoHelper()
	return c.knowKeyAs("private key", credentials)
}

// knowKeyAs is knowKey, of a kind.
func (c *cage) knowKeyAs(kind string, credentials []byte) string {
	GinkgoHelper()
	var file struct {
		Key string `json:"private_key"`
	}
	Expect(json.Unmarshal(credentials, &file)).To(Succeed())
	c.known.Add(kind, file.Key)
	return file.Key
}

func (c *cage) secret(ctx context.Context, name string, data map[string]string) {
	GinkgoHelper()
	Expect(testenv.K8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: name, Labels: map[string]string{v1alpha1.LabelInput: "true"}}, StringData: data,
	})).To(Succeed())
}

// cloneAll has each parrot's first child cloned.
func (c *cage) cloneAll(ctx context.Context) {
	GinkgoHelper()
	for i, p := range c.parrots {
		child := c.Child(fmt.Sprintf("clone-%02d", i+1), func(child *v1alpha1.ChildAccount) {
			child.Spec.ParentRef.Name, child.Spec.CloneFrom = p.name, &v1alpha1.CloneFrom{AccountName: c.children[3*i].AccountName()}
		})
		Expect(testenv.K8s.Create(ctx, child)).To(Succeed())
		c.children = append(c.children, child)
	}
}

// run starts the manager.
func (c *cage) run(level ...string) *process {
	var args []string
	for _, p := range c.parrots {
		args = append(args, "--allowed-endpoints="+p.URL)
	}
	c.callbacks = freeport.Reserve(GinkgoT())
	return startManager(c.kubeconfig, c.output, append(append(args, "--callback-address="+c.callbacks), level...)...)
}

// echoAll has every parrot echo something else from now on.
func (c *cage) echoAll(mode int32) {
	for _, p := range c.parrots {
		p.change(mode)
	}
}

// settled is how long all that a cage has declared may take: more than a hundred resources, at a level of the log at which all is written, on a
// machine that may have much else to do.
const settled = 4 * time.Minute

// awaitEchoes waits until each parrot has echoed so many calls of a method.
func (c *cage) awaitEchoes(method string, n int) {
	GinkgoHelper()
	for _, p := range c.parrots {
		Eventually(p.count).WithArguments(method).WithTimeout(settled).Should(BeNumerically(">=", n), "%s: %s", p.name, method)
	}
}

// ask has everything looked at and tried again at once.
func (c *cage) ask(ctx context.Context, value string) {
	GinkgoHelper()
	for i := range c.parrots {
		c.askOne(ctx, i, value, c.children[3*i:3*i+3]...)
	}
}

// askOne has the ParentAccount of one parrot and some of its children looked at and tried again at once.
func (c *cage) askOne(ctx context.Context, parrot int, value string, children ...*v1alpha1.ChildAccount) {
	GinkgoHelper()
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationReconcileRequestedAt, value))
	Expect(testenv.K8s.Patch(ctx, &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: c.parrots[parrot].name}}, patch)).To(Succeed())
	for _, child := range children {
		Expect(testenv.K8s.Patch(ctx, child, patch)).To(Succeed())
	}
}

// awaitReady waits until all children are as declared. One of the first echoes may come late: what was tried again as it was asked to, and
// is not as declared some looks later, is asked once more. To ask earlier, or what is as declared, would only keep a busy machine from
// getting there.
func (c *cage) awaitReady(ctx context.Context, asking string) {
	GinkgoHelper()
	c.echoAll(echoNothing)
	c.ask(ctx, asking)
	const patience = 50
	for i, child := range c.children {
		waited := 0
		Eventually(func(g Gomega) {
			var now v1alpha1.ChildAccount
			g.Expect(testenv.K8s.Get(ctx, client.ObjectKeyFromObject(child), &now)).To(Succeed())
			g.Expect(now.Status.LastHandledReconcileAt).To(Equal(now.Annotations[v1alpha1.AnnotationReconcileRequestedAt]), "%s has not done what it was asked", child.Name)
			state := testenv.Summarize(g, &now)
			ready, err := testenv.BeAvailable().Match(state)
			g.Expect(err).NotTo(HaveOccurred())
			if waited++; !ready && waited%patience == 0 {
				c.askOne(ctx, i/3, fmt.Sprint(asking, " again ", waited), child)
			}
			g.Expect(ready).To(BeTrue(), "%s: %v", child.Name, state)
		}).WithTimeout(settled).WithPolling(100 * time.Millisecond).Should(Succeed())
	}
}

// look takes down all that can be seen of the operator at this moment.
func (c *cage) look(ctx context.Context, p *process) {
	GinkgoHelper()
	var parents v1alpha1.ParentAccountList
	var children v1alpha1.ChildAccountList
	var coreEvents corev1.EventList
	var events eventsv1.EventList
	var connections corev1.SecretList
	var subs v1alpha1.SubAccountList
	for _, list := range []client.ObjectList{&parents, &children, &subs, &coreEvents, &events} {
		Expect(testenv.K8s.List(ctx, list, client.InNamespace(c.NS))).To(Succeed())
		Expect(json.NewEncoder(&c.seen).Encode(list)).To(Succeed())
	}
	Expect(len(children.Items) + len(subs.Items)).To(BeNumerically(">", 0))
	Expect(events.Items).NotTo(BeEmpty())
	Expect(testenv.K8s.List(ctx, &connections, client.InNamespace(c.NS), client.MatchingLabels{v1alpha1.LabelConnection: "true"})).To(Succeed())
	for _, s := range connections.Items {
		c.lookAtConnection(&s)
	}
	Eventually(func(g Gomega) { c.seen.WriteString(p.scrape(g)) }).Should(Succeed())
}

// lookAtConnection takes down what of a connection Secret is no secret, and knows the rest.
func (c *cage) lookAtConnection(s *corev1.Secret) {
	GinkgoHelper()
	for key, kind := range map[string]string{"password": "generated password", "passwordNext": "next password", "apiKey": "child's API key"} {
		c.known.Add(kind, string(s.Data[key]))
		delete(s.Data, key)
	}
	if document, has := s.Data["credentials.json"]; has {
		c.knowKeyAs("service-account key", document)
		delete(s.Data, "credentials.json")
	}
	for key, value := range s.Data {
		fmt.Fprintln(&c.seen, key, string(value))
	}
	s.Data = nil
	Expect(json.NewEncoder(&c.seen).Encode(s)).To(Succeed())
}

// expectNothingShown looks for every canary in all that was seen.
func (c *cage) expectNothingShown() {
	GinkgoHelper()
	for _, a := range c.Sim.Accounts(0) {
		c.known.Add("API key", a.Text("api_key"))
		c.known.Add("account's password", a.Text("account_password"))
		c.known.Add("account's salt", a.Text("callback_salt"))
	}
	for _, p := range c.parrots {
		Expect(c.known.In(p.heads.String())).To(BeEmpty(), "in the address or head of a call to %s", p.name)
	}
	Expect(c.known.In(c.seen.String())).To(BeEmpty(), "in a resource, an event or a metric")
	Expect(c.known.In(c.output.String())).To(BeEmpty(), "in what the operator writes")
	GinkgoWriter.Println("canaries:", c.known.Kinds, "looked for in", c.seen.Len(), "and", len(c.output.String()), "bytes")
}

var _ = Describe("Canaries", func() {
	It("none shows, whatever the provider repeats and whichever way it goes", testenv.TakesLong, func(ctx SpecContext) {
		c := newCage(ctx)
		p := c.run()
		By("creation")
		c.awaitEchoes("AddAccount", 3)
		c.look(ctx, p)
		c.awaitReady(ctx, "created")
		c.report(ctx)

		By("a new declared password, a rotation, a lost API key, a clone")
		c.look(ctx, p)
		c.echoAll(echoSecrets)
		c.cloneAll(ctx)
		for i, one := range c.parrots {
			testenv.ChangePassword(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: one.name + "-declared"}}, c.declared(one, 2))
			testenv.Rotate(ctx, c.children[3*i], "now")
			Expect(testenv.K8s.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: c.children[3*i+2].ConnectionSecretName()}})).To(Succeed())
		}
		c.awaitEchoes("CloneAccount", 1)
		c.awaitEchoes("SetChildAccountInfo", 2)
		c.awaitEchoes("GetChildrenAccounts", 1)
		c.look(ctx, p)
		p.end(syscall.SIGTERM)
		p = c.run()
		c.awaitReady(ctx, "changed")
		for i, one := range c.parrots {
			Expect(testenv.HasPassword(c.World, c.children[3*i+1].Name, c.declared(one, 2))()).To(BeTrue(), one.name)
			Expect(testenv.ConnectionOf(ctx, c.children[3*i])).To(HaveKey("credentials.json"), one.name)
		}

		By("lists")
		c.look(ctx, p)
		c.echoAll(echoLists)
		c.ask(ctx, "list")
		for _, one := range c.parrots {
			parent := &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: one.name}}
			Eventually(testenv.StateOf(ctx, parent)).Should(Satisfy(func(s testenv.State) bool { return s.Flags != "" }), one.name)
		}
		c.look(ctx, p)
		c.awaitReady(ctx, "listed")
		c.look(ctx, p)

		By("a crash, with the stacks of all goroutines")
		p.end(syscall.SIGQUIT)
		Expect(c.output.String()).To(ContainSubstring("goroutine "))
		for _, line := range []string{
			`"write":"create","why":"creation"`, `"write":"clone","why":"creation"`, `"write":"set password","why":"rotation"`, `"write":"set password","why":"edit"`, `"write":"create key","why":"creation"`,
			`"write":"set callback salt"`, `"write":"update the parent account"`,
			"account may have been written", "callback accepted", `"result":"WrongHash"`, "the parent account can't be used", "the parent account can be used again", "operator starts",
		} {
			Expect(c.output.String()).To(ContainSubstring(line), "nothing is looked for in such a line")
		}
		c.expectNothingShown()
		for _, kind := range []string{
			"password", "new password", "clone's password", "declared password", "salt", "declared salt", "account's salt", "generated password", "next password", "parent's API key", "child's API key", "private key",
			"service-account key", "token", "client key", "callback salt",
		} {
			Expect(c.known.Kinds).To(HaveKeyWithValue(kind, BeNumerically(">", 0)), "nothing is looked for: %s", kind)
		}
		for _, p := range c.parrots {
			Expect(p.heads.Len()).To(BeNumerically(">", 0), p.name)
		}
	})

	It("none shows where the Secrets themselves are broken, or may not be written", func(ctx SpecContext) {
		c := newCage(ctx)
		c.echoAll(echoNothing)
		broken := c.breakCredentials(ctx)
		c.breakPasswords(ctx)
		c.forbidConnections(ctx)
		p := c.run()
		for _, name := range broken {
			Eventually(testenv.StateOf(ctx, &v1alpha1.ParentAccount{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: name}})).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		}
		denied := c.Child("denied-connection")
		Eventually(testenv.StateOf(ctx, denied)).Should(testenv.BeStalledAs(v1alpha1.ReasonSecretInvalid))
		Expect(testenv.StateOf(ctx, denied)(Default).Message).To(And(ContainSubstring("can't be written"), ContainSubstring("[redacted]")))
		c.look(ctx, p)
		p.end(syscall.SIGQUIT)
		c.expectNothingShown()
	})

	It("none shows on the command line", func(ctx SpecContext) {
		c := &cage{World: testenv.NewWorld(ctx), output: &testenv.SyncBuffer{}}
		c.known.Add("client key", string(testenv.Config.KeyData))
		c.known.Add("password", "Zz9-in-an-address")
		credentials := c.Sim.Credentials(c.World.Parent.ID)
		key := c.knowKey(credentials)
		dir := GinkgoT().TempDir()
		file := func(name, content string) string {
			path := filepath.Join(dir, name)
			Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
			return path
		}
		good := kubeconfigFile()
		text, err := os.ReadFile(good)
		Expect(err).NotTo(HaveOccurred())
		simulate := []string{good, "simulate", "--listen=127.0.0.1:0", "--credentials-file=" + filepath.Join(dir, "credentials.json")}
		key64 := base64.StdEncoding.EncodeToString(testenv.Config.KeyData)
		c.known.Add("client key", key64)
		Expect(string(text)).To(ContainSubstring(key64))
		for what, line := range map[string][]string{
			"credentials as kubeconfig":    {file("a", string(credentials)), "manager"},
			"a key as kubeconfig":          {file("b", key), "manager"},
			"a damaged kubeconfig":         {file("c", strings.Replace(string(text), key64[:9], key64[:8]+"!", 1)), "manager"},
			"a kubeconfig of another type": {file("d", strings.Replace(string(text), "client-key-data: ", "client-key-data: - ", 1)), "manager"},
			"a key without a certificate":  {file("e", strings.Replace(string(text), "client-certificate-data", "other", 1)), "manager"},
			"a password in an address":     {good, "manager", "--allowed-endpoints=https://user:Zz9-in-an-address@api.example"},
			"state that is none":           append(slices.Clone(simulate), "--state-file="+file("f", key)),
			"state of another type":        append(slices.Clone(simulate), "--state-file="+file("g", fmt.Sprintf(`{"accounts":[{"id":1,"fields":{"account_password":{"x":%q}}}]}`, key))),
			"state with a damaged key":     append(slices.Clone(simulate), "--state-file="+file("h", fmt.Sprintf(`{"keys":[{"id":"k","pem":%q,"PEM":%q}]}`, key[:len(key)/2], key[:len(key)/2]))),
			"credentials as certificate":   append(slices.Clone(simulate), "--tls", "--tls-cert-file="+file("i", key), "--tls-key-file="+file("j", key)),
			"nowhere to write credentials": append(slices.Clone(simulate), "--credentials-file="+filepath.Join(dir, "missing", "x")),
		} {
			status, output := runOperator(line[0], line[1:]...)
			Expect(status).To(Equal(1), "%s: %s", what, output)
			Expect(output).To(HavePrefix("Error: "), what)
			Expect(c.known.In(output)).To(BeEmpty(), what)
		}
		for _, line := range [][]string{{"version"}, {"--help"}, {"manager", "--help"}, {"simulate", "--help"}} {
			status, output := runOperator(good, line...)
			Expect(status).To(BeZero(), output)
			Expect(c.known.In(output)).To(BeEmpty())
		}
		c.simulate(ctx, good)
		c.expectNothingShown()
	})
})

// breakCredentials makes ParentAccounts whose credentials.json is broken in every way, and returns their names.
func (c *cage) breakCredentials(ctx context.Context) []string {
	GinkgoHelper()
	whole := string(c.Sim.Credentials(c.World.Parent.ID))
	key := c.knowKey([]byte(whole))
	block, _ := pem.Decode([]byte(key))
	damaged := slices.Clone(block.Bytes)
	damaged[len(damaged)/2] ^= 0xff
	file := func(id, keyID, private any) string {
		text, err := json.Marshal(map[string]any{"account_id": id, "key_id": keyID, "private_key": private})
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}
	armour := func(kind string, der []byte) string {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		c.known.Add("private key", text)
		return text
	}
	var names []string
	for name, content := range map[string]string{
		"cut-off": whole[:len(whole)-400], "the-key-alone": key, "in-quotes": fmt.Sprintf("%q", key), "a-list": "[" + whole + "]", "twice": whole + whole,
		"id-is-the-key": file(key, "k", key), "key-id-is-the-key": file(1, key, key), "key-id-is-an-object": file(1, map[string]string{"k": key}, key),
		"key-is-a-list": file(1, "k", []string{key}), "no-line-breaks": file(1, "k", strings.ReplaceAll(key, "\n", "")),
		"damaged": file(1, "k", armour("PRIVATE KEY", damaged)), "half": file(1, "k", armour("PRIVATE KEY", block.Bytes[:len(block.Bytes)/2])),
		"of-another-kind": file(1, "k", armour("EC PRIVATE KEY", block.Bytes)), "encrypted": file(1, "k", armour("ENCRYPTED PRIVATE KEY", block.Bytes)),
		"as-pkcs1": file(1, "k", armour("RSA PRIVATE KEY", block.Bytes)), "a-certificate": file(1, "k", armour("CERTIFICATE", block.Bytes)),
	} {
		c.secret(ctx, "broken-"+name, map[string]string{"credentials.json": content})
		p := c.ParentAccount()
		p.Name = "broken-" + name
		p.Spec.Voximplant = v1alpha1.VoximplantParent{CredentialsSecretRef: v1alpha1.SecretKeyReference{Name: p.Name}, Endpoint: &c.parrots[0].URL}
		Expect(testenv.K8s.Create(ctx, p)).To(Succeed())
		names = append(names, p.Name)
	}
	return names
}

// breakPasswords makes children whose declared password can't be used.
func (c *cage) breakPasswords(ctx context.Context) {
	GinkgoHelper()
	for name, password := range map[string]string{"lines": "Aa1-first-line\nAa1-second-line", "long": strings.Repeat("Aa1-too-long-", 30), "control": "Aa1-control-\x07-character"} {
		c.known.Add("declared password", password)
		c.secret(ctx, "bad-"+name, map[string]string{"password": password})
		child := c.Child("badly-"+name, testenv.WithPassword("bad-"+name))
		child.Spec.ParentRef.Name = c.parrots[0].name
		Expect(testenv.K8s.Create(ctx, child)).To(Succeed())
	}
}

// forbidConnections makes a child whose connection Secret is refused by a policy that repeats what it refuses.
func (c *cage) forbidConnections(ctx context.Context) {
	GinkgoHelper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "no-secrets-" + c.NS},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}}}},
			Validations: []admissionv1.Validation{{
				Expression:        fmt.Sprintf("object.metadata.namespace != %q || !object.metadata.name.startsWith('denied-')", c.NS),
				MessageExpression: "'this may not be: ' + string(object.data.password) + ' in ' + object.metadata.name",
			}},
		},
	}
	Expect(testenv.K8s.Create(ctx, policy)).To(Succeed())
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}
	Expect(testenv.K8s.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(testenv.K8s.Delete(ctx, binding)).To(Succeed())
		Expect(testenv.K8s.Delete(ctx, policy)).To(Succeed())
	})
	Eventually(func() error {
		return testenv.K8s.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.NS, Name: "denied-probe"}, StringData: map[string]string{"password": "repeated"}}, client.DryRunAll)
	}).Should(And(Satisfy(apierrors.IsInvalid), MatchError(ContainSubstring(base64.StdEncoding.EncodeToString([]byte("repeated"))))))
	child := c.Child("denied-connection", func(child *v1alpha1.ChildAccount) { child.Spec.AccountName = ptr.To("never-made") })
	child.Spec.ParentRef.Name = c.parrots[0].name
	Expect(testenv.K8s.Create(ctx, child)).To(Succeed())
}

// simulate serves the simulator from the command line, and takes down what it says to whoever asks.
func (c *cage) simulate(ctx context.Context, kubeconfig string) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	credentials := filepath.Join(dir, "credentials.json")
	p := startProcess(kubeconfig, c.output, "simulate", "--listen=127.0.0.1:0", "--credentials-file="+credentials)
	var address string
	Eventually(func() string {
		_, rest, _ := strings.Cut(c.output.String(), "simulator: ")
		address, _, _ = strings.Cut(rest, ",")
		return address
	}).Should(HavePrefix("http://"))
	written, err := os.ReadFile(credentials)
	Expect(err).NotTo(HaveOccurred())
	c.knowKey(written)
	const password = "Zz9-of-a-caller"
	c.known.Add("password", password)
	for _, form := range []url.Values{
		{"account_name": {"acme-telephony"}, "account_password": {password}},
		{"account_id": {"1"}, "account_password": {password}, "account_password;": {password}},
		{"api_key": {password}, "new_child_account_password": {password}},
	} {
		for _, method := range []string{"AddAccount", "GetAccountInfo", "SetChildAccountInfo", "Nonsense"} {
			resp, err := http.PostForm(address+"/platform_api/"+method, form)
			Expect(err).NotTo(HaveOccurred())
			_, _ = io.Copy(&c.seen, resp.Body)
			Expect(resp.Body.Close()).To(Succeed())
		}
	}
	for _, path := range []string{"accounts", "calls", "counts", "faults", "settings"} {
		resp, err := http.Get(address + "/_simulator/" + path)
		Expect(err).NotTo(HaveOccurred())
		_, _ = io.Copy(&c.seen, resp.Body)
		Expect(resp.Body.Close()).To(Succeed())
	}
	p.end(syscall.SIGTERM)
}
