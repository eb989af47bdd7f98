package engine_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/changeguard"
	"cpaas.dev/child-account-operator/internal/engine"
	"cpaas.dev/child-account-operator/internal/provider/fake"
)

// Line is a kind that exists only here: what an API type, accessors and a few lists make of the engine.
type Line struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`
	Spec              LineSpec   `json:"spec"`
	Status            LineStatus `json:"status,omitzero"`
}

// LineSpec has the fields of the provider in memory, and the policies.
type LineSpec struct {
	Login    *string     `json:"login,omitempty"`
	Contact  string      `json:"contact"`
	Enabled  *bool       `json:"enabled,omitempty"`
	Tongue   *string     `json:"tongue,omitempty"`
	Nickname *string     `json:"nickname,omitempty"`
	Limits   *LineLimits `json:"limits,omitempty"`
	Region   *string     `json:"region,omitempty"`
	Motto    *string     `json:"motto,omitempty"`
	Notes    *string     `json:"notes,omitempty"`
	Quiet    *bool       `json:"quiet,omitempty"`

	Salt       string         `json:"salt,omitempty"`
	Policy     account.Policy `json:"policy"`
	Deactivate bool           `json:"deactivate,omitempty"`
	Suspend    bool           `json:"suspend,omitempty"`
	Password   string         `json:"password,omitempty"`
	Key        *LineKey       `json:"key,omitempty"`
	Plan       string         `json:"plan,omitempty"`
	CloneFrom  string         `json:"cloneFrom,omitempty"`
}

// LineKey is a part of LineSpec: the service-account key.
type LineKey struct {
	Roles       []string      `json:"roles"`
	RotateAfter time.Duration `json:"rotateAfter,omitempty"`
}

// LineLimits is a part of LineSpec.
type LineLimits struct {
	Credit *string `json:"credit,omitempty"`
}

// LineStatus has what all kinds have, and what is seen of a line.
type LineStatus struct {
	v1alpha1.AccountStatus `json:",inline"`

	Seen  map[string]any          `json:"seen,omitempty"`
	Plans []v1alpha1.ObservedPlan `json:"plans,omitempty"`
}

// LineList is a list of them.
type LineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Line `json:"items"`
}

var group = schema.GroupVersion{Group: "test.cpaas.dev", Version: "v1"}

func addLines(s *runtime.Scheme) {
	s.AddKnownTypes(group, &Line{}, &LineList{})
	metav1.AddToGroupVersion(s, group)
}

// DeepCopyObject implements runtime.Object.
func (l *Line) DeepCopyObject() runtime.Object { return copied(l) }

// DeepCopyObject implements runtime.Object.
func (l *LineList) DeepCopyObject() runtime.Object {
	out := &LineList{TypeMeta: l.TypeMeta, Items: make([]Line, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		out.Items[i] = *copied(&l.Items[i])
	}
	return out
}

// copied is a deep copy. TestCopiesOfALineShareNothing says which field is forgotten here.
func copied(l *Line) *Line {
	out := *l
	l.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	s := &out.Spec
	for _, field := range []**string{&s.Login, &s.Tongue, &s.Nickname, &s.Region, &s.Motto, &s.Notes} {
		*field = copiedValue(*field)
	}
	s.Enabled, s.Quiet = copiedValue(s.Enabled), copiedValue(s.Quiet)
	if s.Limits = copiedValue(s.Limits); s.Limits != nil {
		s.Limits.Credit = copiedValue(s.Limits.Credit)
	}
	if s.Key = copiedValue(s.Key); s.Key != nil {
		s.Key.Roles = slices.Clone(s.Key.Roles)
	}
	l.Status.AccountStatus.DeepCopyInto(&out.Status.AccountStatus)
	out.Status.Seen = runtime.DeepCopyJSON(l.Status.Seen)
	out.Status.Plans = slices.Clone(l.Status.Plans)
	for i := range out.Status.Plans {
		l.Status.Plans[i].DeepCopyInto(&out.Status.Plans[i])
	}
	return &out
}

func copiedValue[T any](in *T) *T {
	if in == nil {
		return nil
	}
	out := *in
	return &out
}

func TestCopiesOfALineShareNothing(t *testing.T) {
	t.Parallel()
	l := &Line{}
	fill(reflect.ValueOf(l).Elem())
	c := copied(l)
	if !reflect.DeepEqual(l, c) {
		t.Errorf("%+v is copied as %+v", l, c)
	}
	expectUnshared(t, "Line", reflect.ValueOf(*l), reflect.ValueOf(*c))
}

// fill gives each field of a value a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Interface, reflect.String:
		v.Set(reflect.ValueOf("x").Convert(v.Type()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() {
				fill(field)
			}
		}
	}
}

// expectUnshared checks that two values have no memory in common, but for what is unexported, such as a time's zone.
func expectUnshared(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		expectUnshared(t, path, a.Elem(), b.Elem())
	case reflect.Slice:
		expectUnshared(t, path+"[0]", a.Index(0), b.Index(0))
	case reflect.Struct:
		for i := range a.NumField() {
			if field := a.Type().Field(i); field.IsExported() {
				expectUnshared(t, path+"."+field.Name, a.Field(i), b.Field(i))
			}
		}
	}
}

// managedLine is a Line as the engine knows it.
type managedLine struct{ *Line }

func (m managedLine) Object() client.Object           { return m.Line }
func (m managedLine) Status() *v1alpha1.AccountStatus { return &m.Line.Status.AccountStatus }
func (m managedLine) Copy() engine.Managed            { return managedLine{copied(m.Line)} }

func (m managedLine) Observed() any {
	if m.Line.Status.Seen == nil && m.Line.Status.Plans == nil {
		return nil
	}
	return observedLine{m.Line.Status.Seen, m.Line.Status.Plans}
}

// observedLine is what a line's status says of its account.
type observedLine struct {
	Seen  map[string]any          `json:"seen,omitempty"`
	Plans []v1alpha1.ObservedPlan `json:"plans,omitempty"`
}

func (m managedLine) SetObserved(observed any) {
	o, _ := observed.(observedLine)
	m.Line.Status.Seen, m.Line.Status.Plans = o.Seen, o.Plans
}

func (m managedLine) ReadObserved(object []byte) (any, error) {
	seen := observedLine{Plans: m.Line.Status.Plans}
	err := json.Unmarshal(object, &seen.Seen)
	return seen, err
}

func (m managedLine) ObservedPlans() []v1alpha1.ObservedPlan { return m.Line.Status.Plans }

func (m managedLine) SetObservedPlans(plans []v1alpha1.ObservedPlan) { m.Line.Status.Plans = plans }

func (m managedLine) Declaration() engine.Declaration {
	d := engine.Declaration{
		Kind: "Line", AccountName: m.Name, Parent: types.NamespacedName{Namespace: m.Namespace, Name: "acme"}, Fields: &m.Spec,
		Policy: m.Spec.Policy, Deactivate: m.Spec.Deactivate, Suspended: m.Spec.Suspend,
		ConnectionSecret: engine.SecretDeclaration{Name: m.Name + "-connection"}, CloneFrom: m.Spec.CloneFrom,
	}
	if k := m.Spec.Key; k != nil {
		d.ConnectionSecret.ServiceKey = &engine.ServiceKeyDeclaration{Roles: k.Roles, RotateAfter: k.RotateAfter}
	}
	if m.Spec.Password != "" {
		d.PasswordSecret = &engine.SecretKey{Name: m.Spec.Password, Key: "password"}
	}
	if m.Spec.Plan != "" {
		d.Plans = []account.Plan{{Type: fake.PlanType, ID: m.Spec.Plan}}
	}
	if m.Spec.Salt != "" {
		d.CallbackSaltSecret = &engine.SecretKey{Name: m.Spec.Salt, Key: "salt"}
	}
	return d
}

// lines is what the engine asks of the kind.
type lines struct {
	client.Reader

	namespaceUID types.UID
	// indexed has it known without a list that there is one resource for each account.
	indexed bool
}

func (*lines) CRD() string { return "lines.test.cpaas.dev" }

func (*lines) Complete() bool { return true }

func (l *lines) Named(ctx context.Context, accountName string) ([]engine.Managed, error) {
	if l.indexed {
		return nil, nil
	}
	all, err := l.all(ctx)
	var out []engine.Managed
	for i := range all {
		if all[i].Name == accountName {
			out = append(out, managedLine{&all[i]})
		}
	}
	return out, err
}

func (l *lines) Bound(ctx context.Context, parentAccountID, accountID string) ([]engine.Managed, error) {
	all, err := l.all(ctx)
	var out []engine.Managed
	for i := range all {
		if st := all[i].Status; st.Origin != "" && st.ParentAccountID == parentAccountID && st.AccountID == accountID {
			out = append(out, managedLine{&all[i]})
		}
	}
	return out, err
}

func (l *lines) Fleet(ctx context.Context, m engine.Managed) (changeguard.Fleet, error) {
	all, err := l.all(ctx)
	return changeguard.Fleet{Total: len(all), Namespace: changeguard.Namespace{Name: m.Object().GetNamespace(), UID: l.namespaceUID}}, err
}

func (l *lines) all(ctx context.Context) ([]Line, error) {
	var list LineList
	err := l.List(ctx, &list)
	return list.Items, err
}
