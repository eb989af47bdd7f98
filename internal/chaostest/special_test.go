package chaostest

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/secrets"
	"cpaas.dev/child-account-operator/internal/simulator"
	"cpaas.dev/child-account-operator/internal/voximplant"
)

// special is what changes of a resource that declares more than others: of ten, one has a service-account key, one a plan that costs
// money, one a profile and a callback; one is a clone. nil is for all others.
func special(i int) func(*life, *resource) {
	switch i % 10 {
	case 1:
		return (*life).editKey
	case 2:
		return (*life).editPlan
	case 3:
		return (*life).editProfile
	case 4:
		return (*life).declareClone
	}
	return nil
}

// editKey declares a service-account key with other roles, or none.
func (l *life) editKey(r *resource) {
	roles := pick(l.dice, nil, []v1alpha1.KeyRole{"Developer"}, []v1alpha1.KeyRole{"Accountant"}, []v1alpha1.KeyRole{"Accountant", "Developer"})
	r.child.Spec.ConnectionSecret = nil
	if roles != nil {
		r.child.Spec.ConnectionSecret = &v1alpha1.ConnectionSecret{ServiceAccountKey: &v1alpha1.ServiceAccountKey{Roles: roles}}
	}
}

// editPlan declares a plan, and then the next dearer one: the provider sells no cheaper one.
func (l *life) editPlan(r *resource) {
	id := "11"
	if r.child.Spec.Plans != nil {
		id = "12"
	}
	r.child.Spec.Plans = []v1alpha1.DeclaredPlan{{Type: "MAU", TemplateID: id}}
}

// declarePlanAnew does as the message says where the operator does not know, after a restart, what was bought for a resource that is deleted: it takes
// the plan out of the spec, waits until nothing is recorded, and declares it again. It returns what is not done of that yet.
func (l *life) declarePlanAnew(r *resource, c *v1alpha1.ChildAccount) string {
	declared := r.child.Spec.Plans
	if declared == nil {
		return ""
	}
	unsure := slices.ContainsFunc(c.Status.PlanChanges, func(change v1alpha1.PlanChange) bool {
		return ptr.Deref(change.EarlierResource, false) && change.Accepted != nil && change.Type == string(declared[0].Type)
	})
	switch {
	case c.Spec.Plans == nil && c.Status.ObservedGeneration == c.Generation && len(c.Status.PlanChanges) == 0:
		c.Spec.Plans = declared
	case c.Spec.Plans == nil: // the operator has not seen that yet, or waits
	case !unsure:
		return ""
	default:
		c.Spec.Plans = nil
	}
	return fmt.Sprintf("the plan is declared anew: %v", l.k8s.Update(l.t.Context(), c))
}

// editProfile changes the profile and the callback.
func (l *life) editProfile(r *resource) {
	s, d := &r.child.Spec, l.dice
	s.Profile = &v1alpha1.Profile{
		FirstName: ptr.To(pick(d, "Ada", "Grace")), StoreInboundSMS: ptr.To(d.IntN(2) == 0), SendJSErrors: ptr.To(d.IntN(2) == 0),
		CustomData: ptr.To(fmt.Sprintf("crm %s-%d", r.name(), l.drawn)),
	}
	secret := r.name() + "-salt"
	r.salt = fmt.Sprintf("Chaos-salt-%d", l.drawn)
	r.todo <- l.input(secret, v1alpha1.DefaultSaltKey, []byte(r.salt))
	s.Callback = &v1alpha1.Callback{URL: ptr.To(fmt.Sprintf("https://callbacks.acme.example/%d", l.drawn)), SaltSecretRef: &v1alpha1.SecretKeyReference{Name: secret}}
}

// declareClone has the account be a clone: of one that is declared, edited and deleted like the others, or of one that nobody declares. It can't be
// declared otherwise later.
func (l *life) declareClone(r *resource) {
	if r.child.Spec.CloneFrom != nil {
		return
	}
	l.clones = append(l.clones, r.name())
	r.child.Spec.CloneFrom = &v1alpha1.CloneFrom{AccountName: "child-000"}
	if len(l.clones)%2 == 0 {
		r.child.Spec.CloneFrom.AccountName = undeclared
	}
}

// notCloned are creations of empty accounts for resources that declare a clone.
func notCloned(calls []simulator.Call, clones []string) (wrong []string) {
	for _, c := range calls {
		if c.Method == "AddAccount" && slices.Contains(clones, c.Params["account_name"]) {
			wrong = append(wrong, fmt.Sprintf("call %d creates %s, which is to be a clone", c.Seq, c.Params["account_name"]))
		}
	}
	return wrong
}

// wrongSpecial says what of that is not as declared; "" if all is.
func (l *life) wrongSpecial(r *resource, c *v1alpha1.ChildAccount, a simulator.Account, secret *corev1.Secret) string {
	s, synced := &r.child.Spec, func(condition string) bool { return meta.IsStatusConditionTrue(c.Status.Conditions, condition) }
	switch {
	case s.Profile != nil && !synced(v1alpha1.ConditionProfileSynced), s.Plans != nil && !synced(v1alpha1.ConditionPlansSynced):
		return fmt.Sprintf("conditions: %v", c.Status.Conditions)
	case s.Callback != nil && a.Text("callback_salt") != r.salt:
		return fmt.Sprintf("the salt is %s, not %s", a.Text("callback_salt"), r.salt)
	case s.Plans != nil && fmt.Sprint(simulator.PlanOf(l.sim, a.ID, "MAU")) != s.Plans[0].TemplateID:
		return fmt.Sprintf("the plan is %d, not %s", simulator.PlanOf(l.sim, a.ID, "MAU"), s.Plans[0].TemplateID)
	}
	if wrong := l.wrongClone(c, a); wrong != "" {
		return wrong
	}
	return wrongKeys(r, c, simulator.ServiceKeys(l.sim, a.ID), secret)
}

// wrongClone says that the account of a resource that declares a clone is none; "" for all others.
func (l *life) wrongClone(c *v1alpha1.ChildAccount, a simulator.Account) string {
	from := c.Template()
	if parts := simulator.PartsOf(l.sim, a.ID); from == undeclared && len(parts.Users) != len(undeclaredParts.Users) {
		return fmt.Sprintf("the account is no clone of %s: it has %+v", from, parts)
	}
	return ""
}

// wrongKeys says which service-account key of the account nobody is to delete ever, or that the connection Secret does not hold the declared
// one.
func wrongKeys(r *resource, c *v1alpha1.ChildAccount, keys []simulator.ServiceKey, secret *corev1.Secret) string {
	var record secrets.ServiceKeys
	_ = json.Unmarshal([]byte(secret.Annotations[v1alpha1.AnnotationServiceKeys]), &record) // none is an empty one
	if id := leftOver(keys, record); id != "" {
		return fmt.Sprintf("service-account key %s is left over; recorded is %+v", id, record)
	}
	roles, _, declared := r.child.ServiceAccountKey()
	switch {
	case !declared && len(keys) == 0 && secret.Data[secrets.KeyCredentials] == nil:
		return ""
	case !declared:
		return fmt.Sprintf("no service-account key is declared, and the account has %v", keys)
	case !meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionServiceAccountKeyReady):
		return fmt.Sprintf("conditions: %v", c.Status.Conditions)
	}
	credentials, err := voximplant.ParseCredentials(secret.Data[secrets.KeyCredentials])
	if err != nil {
		return err.Error()
	}
	for _, key := range keys {
		if key.ID == credentials.KeyID {
			var has []string
			for _, role := range key.Roles {
				has = append(has, string(role))
			}
			if !slices.Equal(has, roles) {
				return fmt.Sprintf("the service-account key has the roles %v, not %v", has, roles)
			}
			return ""
		}
	}
	return "the account does not have the service-account key in the Secret"
}

// leftOver is a key at the provider that the record does not know of, so that nothing deletes it; "" where there is none.
func leftOver(keys []simulator.ServiceKey, record secrets.ServiceKeys) string {
	for _, key := range keys {
		current := record.Current != nil && record.Current.ID == key.ID
		if !current && !slices.ContainsFunc(record.Retired, func(r secrets.RecordedKey) bool { return r.ID == key.ID }) {
			return key.ID
		}
	}
	return ""
}

// rebought are requests for a plan that an account has bought before, or may have, as nobody has read its plans since.
func rebought(calls []simulator.Call) (wrong []string) {
	type bargain struct {
		account int64
		plan    string
	}
	bought, open := map[bargain]int{}, map[int64]int{} // the calls
	for _, c := range calls {
		b := bargain{c.Account, c.Params["plan_subscription_template_id"]}
		if c.Method == "GetAccountPlans" && c.Outcome == "ok" && c.Delivered {
			delete(open, c.Account)
		}
		if c.Method != "ChangeAccountPlan" || c.Account == 0 { // one of no account did not get that far
			continue
		}
		switch {
		case bought[b] != 0:
			wrong = append(wrong, fmt.Sprintf("call %d buys plan %s for account %d, which call %d has bought", c.Seq, b.plan, b.account, bought[b]))
		case open[b.account] != 0:
			wrong = append(wrong, fmt.Sprintf("call %d buys plan %s for account %d after call %d, without a read of its plans", c.Seq, b.plan, b.account, open[b.account]))
		}
		if !refused(c) {
			open[b.account] = c.Seq
		}
		if c.Changed {
			bought[b] = c.Seq
		}
	}
	return wrong
}
