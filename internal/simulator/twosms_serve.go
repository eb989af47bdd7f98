package simulator

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serve answers one call: read, wait, run, log, answer.
func (t *TwoSMS) serve(w http.ResponseWriter, r *http.Request) {
	defer t.calls.enter()()
	c := newTwoSMSCall(w, r)
	call := t.calls.begin(Call{
		Time: t.sim.clock(), HTTPMethod: r.Method, Method: c.method, Params: c.params, SecretInURL: c.secretInURL,
	})
	// A client that hangs up meanwhile does not stop the service: its call runs all the same.
	pause(r.Context(), t.Settings().Latency)
	done := c.execute(t)
	ans := done.answer(t.Settings())
	t.calls.finish(call, func(logged *Call) {
		logged.Auth, logged.Changed, logged.Fault = done.auth, done.changed, done.plan.kind()
		logged.Outcome, logged.Code = ans.outcome, ans.code
		logged.Delivered = ans.ending == whole
	})
	if !pause(r.Context(), done.plan.delay) || !ans.write(w, r) {
		t.calls.undelivered(call)
	}
}

// twoSMSCall is a call as it came in.
type twoSMSCall struct {
	// method is one of the constants; what is none has its HTTP method and path.
	method      string
	master      string
	child       string
	params      Params // of the query and the body
	inQuery     []string
	secretInURL bool
	problem     string // what is wrong with the parameters
	header      http.Header
}

// newTwoSMSCall reads a request.
func newTwoSMSCall(w http.ResponseWriter, r *http.Request) *twoSMSCall {
	c := &twoSMSCall{params: Params{}, header: r.Header}
	c.route(r)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		c.problem = "the query can't be read"
	}
	for name, values := range query {
		c.inQuery = append(c.inQuery, name)
		c.secretInURL = c.secretInURL || isSecret(name)
		c.add(name, values)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch kind := mediaType(r); {
	case err != nil:
		c.problem = "the body can't be read"
	case len(body) == 0:
	case c.method == TwoSMSToken && kind == "application/x-www-form-urlencoded":
		c.form(string(body))
	case c.method != TwoSMSToken && (kind == "application/json" || kind == "text/json"):
		c.json(body)
	default:
		c.problem = "a body of type " + strconv.Quote(kind) + " is not supported"
	}
	return c
}

// route finds out which method the path is of.
func (c *twoSMSCall) route(r *http.Request) {
	path := r.PathValue("path")
	c.method = r.Method + " /" + path
	rest, below := strings.CutPrefix(path, "api/v1/admin/accounts/")
	parts := strings.Split(rest, "/")
	switch {
	case path == "Token" && r.Method == http.MethodPost:
		c.method = TwoSMSToken
	case !below:
	case r.Method == http.MethodGet && len(parts) == 2 && parts[1] == "accounts":
		c.method, c.master = TwoSMSList, parts[0]
	case r.Method == http.MethodPost && len(parts) == 1:
		c.method, c.master = TwoSMSCreate, parts[0]
	case r.Method == http.MethodPut && len(parts) == 3 && parts[1] == "children":
		c.method, c.master, c.child = TwoSMSUpdate, parts[0], parts[2]
	}
}

// add takes a parameter; one that is given twice is a problem.
func (c *twoSMSCall) add(name string, values []string) {
	if _, given := c.params[name]; given || len(values) != 1 {
		c.problem = name + " is there more than once"
		return
	}
	c.params[name] = values[0]
}

func (c *twoSMSCall) form(body string) {
	values, err := url.ParseQuery(body)
	if err != nil {
		c.problem = "the body can't be read"
	}
	for name, v := range values {
		c.add(name, v)
	}
}

// json reads an object of texts; a member that is null counts as left out.
func (c *twoSMSCall) json(body []byte) {
	var members map[string]*string
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		c.problem = "the body is no JSON object of texts"
		return
	}
	for name, value := range members {
		if value != nil {
			c.add(name, []string{*value})
		}
	}
}

// twoSMSResult is what came of a call, before faults have their say about the answer.
type twoSMSResult struct {
	plan faultPlan
	auth AuthKind
	// status is HTTP's; 0: 200.
	status int
	// code and reason are an error's; "" is success.
	code, reason string
	// detail is what an answer of success has, whole an answer that is no envelope.
	detail, whole any
	changed       bool
}

func refused(status int, code, reason string) twoSMSResult {
	return twoSMSResult{status: status, code: code, reason: reason}
}

// execute runs the method under the lock.
func (c *twoSMSCall) execute(t *TwoSMS) twoSMSResult {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	plan := t.faults.plan(c.method, 0, c.params)
	if plan.decide != nil && plan.decide.prevents() {
		return twoSMSResult{plan: plan}
	}
	done := c.run(t, plan)
	done.plan = plan
	if done.changed {
		t.sim.save()
	}
	return done
}

// run is the method itself. The caller holds the lock.
func (c *twoSMSCall) run(t *TwoSMS, plan faultPlan) twoSMSResult {
	if c.method == TwoSMSToken {
		return c.token(t)
	}
	methods := map[string]func(*TwoSMS, faultPlan) twoSMSResult{TwoSMSList: c.list, TwoSMSCreate: c.create, TwoSMSUpdate: c.update}
	method := methods[c.method]
	if method == nil { // as ASP.NET does, which the service is made with
		return twoSMSResult{status: http.StatusNotFound, whole: map[string]any{"Message": "No HTTP resource was found that matches the request URI."}}
	}
	if !c.admitted(t) {
		return twoSMSResult{status: http.StatusUnauthorized, whole: map[string]any{"Message": "Authorization has been denied for this request."}}
	}
	done := refused(http.StatusBadRequest, "InvalidRequest", c.problem)
	if c.problem == "" {
		done = method(t, plan)
	}
	done.auth = AuthBearer
	return done
}

// admitted tells whether the call has a token of the master in its path.
func (c *twoSMSCall) admitted(t *TwoSMS) bool {
	scheme, raw, _ := strings.Cut(c.header.Get("Authorization"), " ")
	token, known := t.tokens[raw]
	return known && strings.EqualFold(scheme, "Bearer") && t.sim.clock().Before(token.expires) && token.master == strings.ToLower(c.master)
}

// token issues a token for client credentials in the form.
func (c *twoSMSCall) token(t *TwoSMS) twoSMSResult {
	invalid := func(code string) twoSMSResult {
		return twoSMSResult{status: http.StatusBadRequest, whole: map[string]any{"error": code}}
	}
	switch {
	case c.problem != "" || len(c.inQuery) > 0 || c.header.Get("Authorization") != "" || len(c.params) != 3:
		return invalid("invalid_request")
	case c.params["grant_type"] != "client_credentials":
		return invalid("unsupported_grant_type")
	}
	for _, m := range t.masters {
		if m.ClientID != c.params["client_id"] || m.ClientSecret != c.params["client_secret"] {
			continue
		}
		life := cmp.Or(t.settings.TokenLife, defaultTokenLife)
		text := newAPIKey() + newAPIKey()
		t.tokens[text] = accessToken{master: m.ID, expires: t.sim.clock().Add(life)}
		return twoSMSResult{whole: map[string]any{"access_token": text, "token_type": "bearer", "expires_in": int(life.Seconds()) - 1}}
	}
	return invalid("invalid_client")
}

// listFilters are the parameters of the list, by the member that each is compared with.
var listFilters = map[string]string{"Name": "Name", "MobilePhone": "ContactNumber", "EmailAddress": "EmailAddress"}

// list has the master first, then its sub-accounts by name.
func (c *twoSMSCall) list(t *TwoSMS, plan faultPlan) twoSMSResult {
	for name := range c.params {
		if listFilters[name] == "" {
			return refused(http.StatusBadRequest, "InvalidRequest", "unknown parameter "+name)
		}
	}
	master := t.masters[strings.ToLower(c.master)]
	accounts := []map[string]any{shownAccount(master.ID, "", time.Time{}, Params{"CompanyName": master.CompanyName, "Email": master.Email})}
	for _, a := range subAccountsOf(t, master.ID) {
		if !plan.emptyList {
			accounts = append(accounts, shownAccount(a.ID, a.MasterID, a.Created, a.Values))
		}
	}
	return twoSMSResult{detail: slices.DeleteFunc(accounts, func(a map[string]any) bool { return !t.settings.IgnoreFilters && !c.selects(a) })}
}

// selects tells whether an account has all that the query asks for.
func (c *twoSMSCall) selects(a map[string]any) bool {
	for name, value := range c.params {
		if text, _ := a[listFilters[name]].(string); value != "" && !strings.EqualFold(text, value) {
			return false
		}
	}
	return true
}

// shownAccount is an account as the list has it: other names than those of the bodies, neither username nor password. What is not there is null.
func shownAccount(id, parent string, created time.Time, values Params) map[string]any {
	text := func(name string) any {
		if v, ok := values[name]; ok {
			return v
		}
		return nil
	}
	return map[string]any{
		"ID": id, "AccountID": parent, "Name": text("CompanyName"), "FirstName": text("Firstname"), "LastName": text("Lastname"),
		"EmailAddress": text("Email"), "ContactNumber": text("MobilePhone"), "PhoneNumber": nil,
		"DateCreated": created.Format("2006-01-02T15:04:05"), "DateModified": nil, "AnyTimeBalance": 0, "OffPeakBalance": 0,
		"LanguageID": text("LanguageID"), "TimeZone": text("TimeZone"), "Website": text("WebSite"),
	}
}

// create makes a sub-account.
func (c *twoSMSCall) create(t *TwoSMS, plan faultPlan) twoSMSResult {
	if problem := c.check(false); problem != "" {
		return refused(http.StatusBadRequest, "InvalidRequest", problem)
	}
	if problem := c.taken(t, ""); problem != "" {
		return refused(http.StatusBadRequest, "AlreadyExists", problem)
	}
	a := &SubAccount{ID: newAPIKey(), MasterID: strings.ToLower(c.master), Values: Params{}}
	for name, value := range c.params {
		a.store(plan, name, value)
	}
	insertSubAccount(t, a)
	done := twoSMSResult{changed: true}
	if t.settings.DetailHasID {
		done.detail = map[string]any{"ID": a.ID}
	}
	return done
}

// store takes a value, or what a fault stores instead of it.
func (a *SubAccount) store(plan faultPlan, name, value string) {
	if other, instead := plan.stores[name]; instead {
		value = other
	}
	if value != "" {
		a.Values[name] = value
	}
}

// update replaces what an update changes: a value that is left out is lost.
func (c *twoSMSCall) update(t *TwoSMS, plan faultPlan) twoSMSResult {
	a := t.accounts[strings.ToLower(c.child)]
	switch problem := c.check(true); {
	case a == nil || a.MasterID != strings.ToLower(c.master):
		return refused(http.StatusNotFound, "AccountNotFound", "There is no such account under the parent account.")
	case problem != "":
		return refused(http.StatusBadRequest, "InvalidRequest", problem)
	case c.taken(t, a.ID) != "":
		return refused(http.StatusBadRequest, "AlreadyExists", c.taken(t, a.ID))
	}
	for _, m := range bodyMembers {
		if _, kept := plan.stores[m.name]; m.changed && !(kept && plan.stores[m.name] == "") {
			delete(a.Values, m.name)
			a.store(plan, m.name, c.params[m.name])
		}
	}
	return twoSMSResult{changed: true}
}

// check is what is wrong with a body, "" where nothing is.
func (c *twoSMSCall) check(update bool) string {
	for _, name := range sortedKeys(c.params) {
		i := slices.IndexFunc(bodyMembers, func(m bodyMember) bool { return m.name == name })
		value := c.params[name]
		switch {
		case slices.Contains(c.inQuery, name):
			return name + " is in the query"
		case update && name == "ID":
			if !strings.EqualFold(value, c.child) {
				return "ID is not that of the address"
			}
		case i < 0 || update && !bodyMembers[i].changed:
			return "unknown member " + name
		case strings.TrimSpace(value) == "":
			return "The " + name + " field is required."
		case name == "MobilePhone" && !isPhone(value):
			return "The MobilePhone field is not a valid phone number."
		case name == "Email" && !strings.Contains(value, "@"):
			return "The Email field is not a valid e-mail address."
		}
	}
	for _, m := range bodyMembers {
		if _, given := c.params[m.name]; !update && m.required && !given {
			return "The " + m.name + " field is required."
		}
	}
	return ""
}

// taken is which value another account has, where the settings have it be unique. except is the account that may have it.
func (c *twoSMSCall) taken(t *TwoSMS, except string) string {
	unique := map[string]bool{"Email": t.settings.UniqueEmails, "Username": t.settings.UniqueUsernames}
	for _, name := range []string{"Email", "Username"} {
		for _, a := range t.accounts {
			if unique[name] && a.ID != except && strings.EqualFold(a.Values[name], c.params[name]) {
				return "Another account has the " + name + "."
			}
		}
	}
	return ""
}

// answer is the method's own answer, or what a fault makes of it.
func (d twoSMSResult) answer(settings TwoSMSSettings) answer {
	f := d.plan.decide
	if f == nil {
		return d.natural(settings)
	}
	switch f.Kind {
	case FaultReset, FaultDown, FaultHTTP, FaultRedirect:
		return f.transportAnswer()
	case FaultError:
		failed := refused(cmp.Or(f.Status, http.StatusBadRequest), strconv.Itoa(f.Code), f.Message)
		return failed.natural(settings)
	}
	return f.spoil(d.natural(settings))
}

func (d twoSMSResult) natural(settings TwoSMSSettings) answer {
	body := d.whole
	if body == nil {
		body = d.envelope(settings)
	}
	ans := jsonAnswer("ok", 0, body)
	if d.code != "" {
		ans.outcome = d.code
		if settings.ErrorsAsOK {
			return ans
		}
	}
	if d.status != 0 {
		ans.status = d.status
		if d.code == "" {
			ans.outcome = httpOutcome(d.status)
		}
	}
	return ans
}

// envelope is what all answers of the API are in.
func (d twoSMSResult) envelope(settings TwoSMSSettings) map[string]any {
	var failure any = map[string]any{"ErrorCode": d.code, "ErrorReason": d.reason}
	result := "Success"
	switch {
	case d.code != "":
		result = "Failure"
	case settings.NullError:
		failure = nil
	}
	return map[string]any{
		"Error":        failure,
		"ResponseData": map[string]any{"Identification": map[string]any{"UserId": ""}, "Result": result, "Detail": d.detail},
	}
}

// Credentials returns a document with the accountID, clientID and clientSecret of a master account; false where there is none.
func (t *TwoSMS) Credentials(masterID string) ([]byte, bool) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	m := t.masters[strings.ToLower(masterID)]
	if m == nil {
		return nil, false
	}
	document, err := json.Marshal(map[string]string{"accountID": m.ID, "clientID": m.ClientID, "clientSecret": m.ClientSecret})
	return document, err == nil
}
