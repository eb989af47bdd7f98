package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// maxControlBody is how many bytes a control call may send.
const maxControlBody = 16 << 20

// controlPath is the path of the control API.
const controlPath = "/_simulator"

// controlCall is a call of the control API. Its path is below controlPath.
type controlCall struct {
	method, path, does string
	handle             func(*http.Request) (any, error)
}

// controlCalls are all, in the order of the index and of docs/simulator.md.
func controlCalls(s *Simulator) []controlCall {
	all := []controlCall{
		{"GET", "healthz", "says that the simulator runs", func(*http.Request) (any, error) { return map[string]any{"status": "ok"}, nil }},
		{"GET", "accounts", "lists all accounts, with ?parent=ID the children of that account", s.controlAccounts},
		{"POST", "accounts", "adds an account as if it had always been there: id, parentID, fields", s.controlPutAccount},
		{"GET", "accounts/{id}", "returns an account", s.controlAccount},
		{"PATCH", "accounts/{id}", "changes fields of an account, as somebody might in the control panel; null removes a field", s.controlPatchAccount},
		{"DELETE", "accounts/{id}", "removes an account, which no method of the API can", s.controlRemoveAccount},
		{"POST", "parents", "adds a parent account: name, email, and if you like id, apiKey, password, currency, inactive, childrenDisabled", s.controlAddParent},
		{"GET", "parents/{id}/credentials", "returns the credentials.json of a service account, with ?role=Owner (repeatable) the one with these roles", s.controlCredentials},
		{"DELETE", "keys/{id}", "revokes the key with this key_id", s.controlRevokeKey},
		{"POST", "callbacks", "sends a callback, and returns the HTTP status of the receiver's answer: accountID, type, and if you like url (default: the account's callback_url), salt (default: its callback_salt), callbackID", controlSendCallback(s)},
	}
	all = append(all, logControls("", s.calls)...)
	all = append(all, faultControls("", &s.mu, &s.faults)...)
	all = append(all,
		controlCall{"GET", "settings", "returns the settings", func(*http.Request) (any, error) { return s.Settings(), nil }},
		controlCall{"PUT", "settings", "replaces the settings: what is left out has its default", func(r *http.Request) (any, error) { return s.controlSettings(r, Settings{}) }},
		controlCall{"PATCH", "settings", "changes settings: what is left out stays", func(r *http.Request) (any, error) { return s.controlSettings(r, s.Settings()) }},
	)
	return append(all, twoSMSControls(s.TwoSMS)...)
}

// logControls are those of a log of calls, below a prefix.
func logControls(prefix string, log *callLog) []controlCall {
	return []controlCall{
		{"GET", prefix + "calls", "lists the newest calls of the API, the oldest first, without secrets", func(*http.Request) (any, error) { return log.newest(), nil }},
		{"DELETE", prefix + "calls", "forgets all calls and counts", func(*http.Request) (any, error) { log.reset(); return nil, nil }},
		{"GET", prefix + "counts", "counts the calls by method, and by method and outcome", func(*http.Request) (any, error) { return log.count(), nil }},
	}
}

// faultControls are those of an API's faults, below a prefix. The lock guards the list.
func faultControls(prefix string, lock *sync.Mutex, list *faultList) []controlCall {
	locked := func(do func(*http.Request) (any, error)) func(*http.Request) (any, error) {
		return func(r *http.Request) (any, error) {
			lock.Lock()
			defer lock.Unlock()
			return do(r)
		}
	}
	return []controlCall{
		{"GET", prefix + "faults", "lists the faults, with how many calls each has seen and how often it happened", locked(func(*http.Request) (any, error) {
			faults := make([]map[string]any, len(list.armed))
			for i, f := range list.armed {
				faults[i] = map[string]any{"id": f.ID, "fault": f.Fault, "seen": f.seen, "fired": f.fired}
			}
			return faults, nil
		})},
		{"POST", prefix + "faults", "adds a fault and returns its id", func(r *http.Request) (any, error) {
			var f Fault
			if err := readJSON(r, &f); err != nil {
				return nil, err
			}
			lock.Lock()
			defer lock.Unlock()
			id, err := list.add(f)
			return map[string]any{"id": id}, err
		}},
		{"DELETE", prefix + "faults", "removes all faults", locked(func(*http.Request) (any, error) { list.armed = nil; return nil, nil })},
		{"DELETE", prefix + "faults/{id}", "removes a fault", locked(func(r *http.Request) (any, error) {
			id, err := pathID(r)
			if err == nil && !list.remove(int(id)) {
				err = notFound("fault")
			}
			return nil, err
		})},
	}
}

// handleControl adds the control API: the Go methods of the Simulator as JSON over HTTP. The path itself answers with an index.
// It asks nobody who they are and masks all secrets, except in parents/{id}/credentials.
func (s *Simulator) handleControl(mux *http.ServeMux) {
	var index []map[string]string
	for _, c := range controlCalls(s) {
		mux.Handle(c.method+" "+controlPath+"/"+c.path, control(c.handle))
		index = append(index, map[string]string{"method": c.method, "path": controlPath + "/" + c.path, "does": c.does})
	}
	answer := control(func(*http.Request) (any, error) {
		return map[string]any{"about": "the control API of the simulator: docs/simulator.md has examples, the faults and the settings", "calls": index}, nil
	})
	mux.Handle("GET "+controlPath, answer)
	mux.Handle("GET "+controlPath+"/{$}", answer)
}

// notFound is the error of a control call for something that is not there.
type notFound string

func (what notFound) Error() string { return "no " + string(what) }

// control answers with the JSON of what the handler returns: 200, 204 for nothing, 404 for notFound, else 400.
func control(handle func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
		answer, err := handle(r)
		status := http.StatusOK
		if err != nil {
			status, answer = http.StatusBadRequest, map[string]any{"error": err.Error()}
			if missing := notFound(""); errors.As(err, &missing) {
				status = http.StatusNotFound
			}
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(answer) // fails only where the client is gone
	})
}

// readJSON reads the body into a value; names that it does not have are refused.
func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return decodeStrictly(body, into)
}

func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func pathID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, notFound("id " + r.PathValue("id"))
	}
	return id, nil
}

// controlAccounts lists all accounts, or with ?parent= the children of that id.
func (s *Simulator) controlAccounts(r *http.Request) (any, error) {
	parent := r.URL.Query().Get("parent")
	if parent == "" {
		return s.Accounts(0), nil
	}
	id, err := strconv.ParseInt(parent, 10, 64)
	if err != nil {
		return nil, err
	}
	return s.Accounts(id), nil
}

func (s *Simulator) controlAccount(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	a, ok := s.AccountByID(id)
	if !ok {
		return nil, notFound("account")
	}
	return a, nil
}

func (s *Simulator) controlPutAccount(r *http.Request) (any, error) {
	var a Account
	if err := readJSON(r, &a); err != nil {
		return nil, err
	}
	return s.put(a)
}

func (s *Simulator) controlPatchAccount(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := readJSON(r, &fields); err != nil {
		return nil, err
	}
	if err := s.setFields(id, fields); err != nil {
		return nil, err
	}
	return s.controlAccount(r)
}

func (s *Simulator) controlRemoveAccount(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err == nil && !s.Remove(id) {
		err = notFound("account")
	}
	return nil, err
}

func (s *Simulator) controlAddParent(r *http.Request) (any, error) {
	var p Parent
	if err := readJSON(r, &p); err != nil {
		return nil, err
	}
	p, err := s.addParent(p)
	p.APIKey, p.Password = Masked, Masked
	return p, err
}

// controlCredentials returns the credentials.json of the account, the same each time it is asked for the same ?role=s.
func (s *Simulator) controlCredentials(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	if _, ok := s.AccountByID(id); !ok {
		return nil, notFound("account")
	}
	var roles []Role
	for _, role := range r.URL.Query()["role"] {
		roles = append(roles, Role(role))
	}
	document, err := s.credentials(id, roles, true)
	return json.RawMessage(document), err
}

// controlRevokeKey makes the key with this key_id unknown.
func (s *Simulator) controlRevokeKey(r *http.Request) (any, error) {
	if !s.RevokeKey(r.PathValue("id")) {
		return nil, notFound("key")
	}
	return nil, nil
}

func (s *Simulator) controlSettings(r *http.Request, settings Settings) (any, error) {
	if err := readJSON(r, &settings); err != nil {
		return nil, err
	}
	s.Update(func(current *Settings) { *current = settings })
	return settings, nil
}
