package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxControlBody is how many bytes a control call may send.
const maxControlBody = 16 << 20

// handleControl adds the control API: the Go methods of the Simulator as JSON over HTTP.
// It asks nobody who they are and masks all secrets, except in parents/{id}/credentials.
func (s *Simulator) handleControl(mux *http.ServeMux) {
	routes := map[string]func(*http.Request) (any, error){
		"GET healthz":                  func(*http.Request) (any, error) { return map[string]any{"status": "ok"}, nil },
		"GET accounts":                 s.controlAccounts,
		"POST accounts":                s.controlPutAccount,
		"GET accounts/{id}":            s.controlAccount,
		"PATCH accounts/{id}":          s.controlPatchAccount,
		"DELETE accounts/{id}":         s.controlRemoveAccount,
		"POST parents":                 s.controlAddParent,
		"GET parents/{id}/credentials": s.controlCredentials,
		"DELETE keys/{id}":             s.controlRevokeKey,
		"GET calls":                    func(*http.Request) (any, error) { return s.Calls(), nil },
		"DELETE calls":                 func(*http.Request) (any, error) { s.ResetCalls(); return nil, nil },
		"GET counts":                   func(*http.Request) (any, error) { return s.Counters(), nil },
		"GET faults":                   s.controlFaults,
		"POST faults":                  s.controlAddFault,
		"DELETE faults":                func(*http.Request) (any, error) { s.ClearFaults(); return nil, nil },
		"DELETE faults/{id}":           s.controlRemoveFault,
		"GET settings":                 func(*http.Request) (any, error) { return s.Settings(), nil },
		"PUT settings":                 func(r *http.Request) (any, error) { return s.controlSettings(r, Settings{}) },
		"PATCH settings":               func(r *http.Request) (any, error) { return s.controlSettings(r, s.Settings()) },
	}
	for route, handle := range routes {
		verb, path, _ := strings.Cut(route, " ")
		mux.Handle(verb+" /_simulator/"+path, control(handle))
	}
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

func (s *Simulator) controlFaults(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]map[string]any, len(s.faults))
	for i, f := range s.faults {
		list[i] = map[string]any{"id": f.ID, "fault": f.Fault, "seen": f.seen, "fired": f.fired}
	}
	return list, nil
}

func (s *Simulator) controlAddFault(r *http.Request) (any, error) {
	var f Fault
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	id, err := s.addFault(f)
	return map[string]any{"id": id}, err
}

func (s *Simulator) controlRemoveFault(r *http.Request) (any, error) {
	id, err := pathID(r)
	if err == nil && !s.RemoveFault(int(id)) {
		err = notFound("fault")
	}
	return nil, err
}

func (s *Simulator) controlSettings(r *http.Request, settings Settings) (any, error) {
	if err := readJSON(r, &settings); err != nil {
		return nil, err
	}
	s.Update(func(current *Settings) { *current = settings })
	return settings, nil
}
