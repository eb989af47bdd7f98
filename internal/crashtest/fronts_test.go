package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// lifeKey is where a request's context has the life of the process that opened the connection.
type lifeKey struct{}

func lifeOf(r *http.Request) int64 { return r.Context().Value(lifeKey{}).(int64) }

// front serves a handler to the operator, and knows which process each connection is from.
func front(lives *lives, handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections of the dead
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, lifeKey{}, lives.begun.Load())
	}
	server.Start()
	return server
}

// providerFront is the provider as the operator sees it: each call is a step.
func providerFront(t *tap, provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readBody(r)
		if strings.HasPrefix(r.URL.Path, simulator.TwoSMSPath) {
			t.serve(w, r, subCallOf(r, body), provider)
			return
		}
		params, _ := url.ParseQuery(string(body))
		t.serve(w, r, callOf(path.Base(r.URL.Path), params), provider)
	})
}

// callOf is a call in words: its method, and what makes it another call than others of the method.
func callOf(method string, params url.Values) step {
	s := step{what: method, method: method, params: params}
	switch {
	case method == "AddAccount":
		s.account, s.password = params.Get("account_name"), params.Get("account_password")
	case method == "CloneAccount":
		s.account, s.password = params.Get("new_account_name"), params.Get("new_account_password")
	case method == "GetChildrenAccounts":
		s.looks = true
		s.what += ": " + selection(params)
	case params.Has("account_password"):
		s.what += ": with the account's password"
	case method == "SetChildAccountInfo" || method == "SetAccountInfo":
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(params)), func(name string) bool { return name == "child_account_id" })
		s.what += ": " + strings.Join(names, ", ")
	}
	return s
}

func selection(params url.Values) string {
	switch {
	case params.Has("api_key"):
		return "with the parent's API key"
	case params.Has("child_account_name"):
		return "by name"
	case params.Get("child_account_id") == "all":
		return "all"
	}
	return "by id"
}

// apiServerFront is the API server as the operator sees it: each write is a step in the world of its namespace, but for events and dry
// runs. An operator for all namespaces sees those resources alone, of all that it watches, that lie in its world. So many operators share
// one API server.
func apiServerFront(config *rest.Config, g *group) (http.Handler, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if shown := g.shown.Load(); g.everywhere && shown != nil {
				r.Out.URL.Path = everywhere.ReplaceAllString(r.In.URL.Path, "${1}namespaces/"+*shown+"/${2}")
			}
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.URL.Query().Has("dryRun") || path.Base(r.URL.Path) == "events" || strings.Contains(r.URL.Path, "/events/") {
			proxy.ServeHTTP(w, r)
			return
		}
		t := g.tapOf(path.Base(inNamespace.FindString(r.URL.Path)))
		if t == nil {
			g.goAstray(r.Method + " " + r.URL.Path)
			http.Error(w, "a write that is in no world", http.StatusForbidden)
			return
		}
		t.serve(w, r, writeOf(r.Method, r.URL.Path, readBody(r)), proxy)
	}), nil
}

// everywhere are the paths by which something is listed and watched in all namespaces.
var everywhere = regexp.MustCompile(`^(/api/v1/|/apis/accounts\.cpaas\.dev/v1alpha1/)(secrets|childaccounts|subaccounts|parentaccounts)$`)

// inNamespace is where a path has its namespace.
var inNamespace = regexp.MustCompile(`/namespaces/[^/]+`)

// writeOf is a write in words: the kind, and what of it is written. No value is in them, nor any name of a resource.
func writeOf(method, url string, body []byte) step {
	parts := strings.Split(strings.Trim(url, "/"), "/")
	rest := parts[slices.Index(parts, "namespaces")+2:]
	kind := kinds[rest[0]]
	if len(rest) == 3 {
		kind += "/" + rest[2]
	}
	s := step{what: verbs[method] + " " + kind}
	var object map[string]any
	if method == http.MethodPatch && json.Unmarshal(body, &object) == nil {
		if parts := written(object); len(parts) > 0 {
			s.what += ": " + strings.Join(parts, ", ")
		}
	}
	return s
}

var (
	kinds = map[string]string{"secrets": "Secret", "childaccounts": "ChildAccount", "subaccounts": "SubAccount", "parentaccounts": "ParentAccount"}
	verbs = map[string]string{http.MethodPost: "create", http.MethodPatch: "patch", http.MethodPut: "put", http.MethodDelete: "delete"}
)

// written are the parts of an object, or of a patch, by their names.
func written(object map[string]any) []string {
	meta, _ := object["metadata"].(map[string]any)
	parts := map[string]bool{}
	for _, section := range []any{object["data"], meta["annotations"]} {
		values, _ := section.(map[string]any)
		for name := range values {
			parts[path.Base(name)] = true
		}
	}
	status, _ := object["status"].(map[string]any)
	for name, section := range map[string]map[string]any{"finalizers": meta, "deactivations": status, "creation": status} { // a status as such says enough
		if _, ok := section[name]; ok {
			parts[name] = true
		}
	}
	return slices.Sorted(maps.Keys(parts))
}

// readBody reads the body and puts it back.
func readBody(r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // of a process that was killed meanwhile
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}
