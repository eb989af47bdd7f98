package secrets

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

const (
	keyOwner   = types.UID("0b5f2c1e-7a64-4f0c-9a55-2f6f3f1b8c11")
	otherOwner = types.UID("7c0a1f9e-1111-4f0c-9a55-2f6f3f1b8c11")
)

var keyNoon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func keyName(n int) string { return ServiceKeyName(keyOwner, n) }

func TestServiceKeyName(t *testing.T) {
	if got := keyName(12); got != "0b5f2c1e-7a64-4f0c-9a55-2f6f3f1b8c11-12" || len(ServiceKeyName(keyOwner, lastAttempt)) > 50 {
		t.Errorf("%s", got)
	}
	odd := ServiceKeyName("uid of another form", 3)
	if n, ok := attemptOf("uid of another form", odd); !ok || n != 3 || len(odd) > 50 {
		t.Errorf("%s is of attempt %d, %v", odd, n, ok)
	}
	for _, name := range []string{"", "workload", string(keyOwner), string(keyOwner) + "-", string(keyOwner) + "-1x", string(keyOwner) + "-1234567", ServiceKeyName(otherOwner, 1), " " + keyName(1)} {
		if n, ok := attemptOf(keyOwner, name); ok {
			t.Errorf("%q is of attempt %d", name, n)
		}
	}
}

// What becomes of each key of an account, by what is recorded and what the provider lists.
func TestSettle(t *testing.T) {
	later, before := keyNoon.Add(KeyOverlap), keyNoon.Add(-time.Second)
	current := &RecordedKey{ID: "c", Name: keyName(2), Created: before, Roles: "r", Digest: "d"}
	listedCurrent := ListedKey{"c", keyName(2)}
	theirs := ListedKey{"t", "somebody's"}
	for name, c := range map[string]struct {
		is     ServiceKeys
		listed []ListedKey
		all    bool
		want   string
	}{
		"nothing":                    {want: "attempt 0"},
		"somebody's":                 {listed: []ListedKey{theirs}, want: "attempt 0"},
		"the current one":            {is: ServiceKeys{Attempt: 2, Current: current}, listed: []ListedKey{theirs, listedCurrent}, want: "attempt 2, current c"},
		"the current one is missing": {is: ServiceKeys{Attempt: 2, Current: current}, listed: []ListedKey{theirs}, want: "attempt 2, lost"},
		"the current one was renamed": {
			is: ServiceKeys{Attempt: 2, Current: current}, listed: []ListedKey{{"c", "renamed"}}, want: "attempt 2, current c",
		},
		"the attempt made a key": {
			is: ServiceKeys{Attempt: 3, Pending: keyName(3), Current: current}, listed: []ListedKey{listedCurrent, {"p", keyName(3)}},
			want: "attempt 3, current c, delete p",
		},
		"the attempt made no key, or not yet": {
			is: ServiceKeys{Attempt: 3, Pending: keyName(3), Current: current}, listed: []ListedKey{listedCurrent},
			want: "attempt 3, current c, retired :3 later",
		},
		"it arrives later": {
			is: ServiceKeys{Attempt: 4, Retired: []RecordedKey{{Name: keyName(3), Until: later}}}, listed: []ListedKey{{"p", keyName(3)}},
			want: "attempt 4, delete p",
		},
		"it never arrives": {is: ServiceKeys{Attempt: 4, Retired: []RecordedKey{{Name: keyName(3), Until: keyNoon}}}, want: "attempt 4"},
		"within the overlap": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "o", Name: keyName(1), Until: later}}}, listed: []ListedKey{{"o", keyName(1)}, listedCurrent},
			want: "attempt 2, current c, retired o:1 later",
		},
		"after the overlap": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "o", Name: keyName(1), Until: keyNoon}}}, listed: []ListedKey{{"o", keyName(1)}, listedCurrent},
			want: "attempt 2, current c, delete o",
		},
		"after the overlap, gone": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "o", Name: keyName(1), Until: keyNoon}}}, listed: []ListedKey{listedCurrent},
			want: "attempt 2, current c",
		},
		"after the overlap, of a previous owner": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "o", Name: ServiceKeyName(otherOwner, 9), Until: keyNoon}}}, listed: []ListedKey{{"o", ServiceKeyName(otherOwner, 9)}, listedCurrent},
			want: "attempt 2, current c, delete o",
		},
		"after the overlap, renamed": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "o", Name: keyName(1), Until: keyNoon}}}, listed: []ListedKey{{"o", "renamed"}, listedCurrent},
			want: "attempt 2, current c, renamed o",
		},
		"a record that names somebody's key": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "t", Name: "somebody's", Until: keyNoon}}}, listed: []ListedKey{theirs, listedCurrent},
			want: "attempt 2, current c, renamed t",
		},
		"a record that takes the current key for an old one": {
			is: ServiceKeys{Attempt: 2, Current: current, Retired: []RecordedKey{{ID: "c", Name: keyName(2), Until: keyNoon}}}, listed: []ListedKey{listedCurrent},
			want: "attempt 2, current c",
		},
		"ours, and nobody has recorded them": {
			listed: []ListedKey{{"a", keyName(7)}, {"b", keyName(3)}, theirs, {"x", ServiceKeyName(otherOwner, 9)}},
			want:   "attempt 7, retired a:7 later, retired b:3 later",
		},
		"not declared any more": {
			is:     ServiceKeys{Attempt: 4, Pending: keyName(4), Current: current, Retired: []RecordedKey{{ID: "o", Name: keyName(1), Until: later}, {Name: keyName(3), Until: later}}},
			listed: []ListedKey{theirs, {"o", keyName(1)}, listedCurrent, {"s", keyName(9)}}, all: true,
			want: "attempt 9, delete o, delete c, delete s",
		},
		"not declared any more, the attempt made a key": {
			is: ServiceKeys{Attempt: 4, Pending: keyName(4), Current: current}, listed: []ListedKey{listedCurrent, {"p", keyName(4)}}, all: true,
			want: "attempt 4, delete p, delete c",
		},
	} {
		if got := told(c.is.Settle(keyOwner, c.listed, c.all, keyNoon)); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
}

// told is a settlement in words.
func told(s Settlement) string {
	text := fmt.Sprintf("attempt %d", s.Keys.Attempt)
	if s.Keys.Pending != "" {
		text += ", pending"
	}
	if s.Keys.Current != nil {
		text += ", current " + s.Keys.Current.ID
	}
	if s.Lost {
		text += ", lost"
	}
	for _, r := range s.Keys.Retired {
		text += fmt.Sprintf(", retired %s:%s", r.ID, strings.TrimPrefix(r.Name, string(keyOwner)+"-"))
		if r.Until.Equal(keyNoon.Add(KeyOverlap)) {
			text += " later"
		}
	}
	for _, d := range s.Delete {
		text += ", delete " + d.ID
	}
	for _, id := range s.Renamed {
		text += ", renamed " + id
	}
	return text
}

// Whatever is recorded and listed, a key that is not of the operator's making is never deleted, nor the current one while it is declared;
// no key is deleted twice; and the record stays small.
func TestSettleIsSafe(t *testing.T) {
	names := rapid.SampledFrom([]string{"", "somebody's", keyName(1), keyName(2), keyName(3), ServiceKeyName(otherOwner, 1)})
	ids := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(t *rapid.T) {
		recorded := rapid.Custom(func(t *rapid.T) RecordedKey {
			return RecordedKey{ID: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "id"), Name: names.Draw(t, "name"), Until: keyNoon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "until")) * time.Hour)}
		})
		k := ServiceKeys{Pending: names.Draw(t, "pending"), Retired: rapid.SliceOfN(recorded, 0, 4).Draw(t, "retired")}
		if rapid.Bool().Draw(t, "current?") {
			k.Current = &RecordedKey{ID: ids.Draw(t, "current"), Name: names.Draw(t, "current's name")}
		}
		var listed []ListedKey
		for _, id := range rapid.SliceOfNDistinct(ids, 0, 4, rapid.ID[string]).Draw(t, "listed") {
			listed = append(listed, ListedKey{id, names.Draw(t, "name of "+id)})
		}
		all := rapid.Bool().Draw(t, "all")
		before := k.clone()
		s := k.Settle(keyOwner, listed, all, keyNoon)
		deleted := map[string]bool{}
		for _, d := range s.Delete {
			if deleted[d.ID] || !serviceKeyName.MatchString(d.Name) {
				t.Fatalf("deletes %v", d)
			}
			deleted[d.ID] = true
			if !all && s.Keys.Current != nil && d.ID == s.Keys.Current.ID {
				t.Fatal("deletes the current key")
			}
		}
		if s.Keys.Pending != "" || all && !s.Keys.Empty() || len(s.Keys.Retired) > keptServiceKeys+4 {
			t.Fatalf("leaves %+v", s.Keys)
		}
		if !k.Same(before) {
			t.Fatalf("changed the record from %+v to %+v", before, k)
		}
	})
}

// A key goes from the attempt to the Secret, and the former one is kept for the overlap.
func TestAttemptAndKey(t *testing.T) {
	var k ServiceKeys
	for n := 1; n <= 3; n++ {
		begun, name := k.Begun(keyOwner, "7")
		if name != keyName(n) || begun.Pending != name || begun.AccountID != "7" || k.Pending != "" {
			t.Fatalf("attempt %d: %s, %+v", n, name, begun)
		}
		k = begun.Made(fmt.Sprint("k", n), RolesMark([]string{"a", "b"}), "secret", keyNoon)
		if k.Pending != "" || k.Current.ID != fmt.Sprint("k", n) || len(k.Retired) != n-1 || !k.Current.Created.Equal(keyNoon) {
			t.Fatalf("made %+v", k)
		}
	}
	if !k.NextDeletion().Equal(keyNoon.Add(KeyOverlap)) || k.Retired[0].Digest != "" {
		t.Errorf("%+v", k.Retired)
	}
	if next, _ := (ServiceKeys{Attempt: lastAttempt}).Begun(keyOwner, "7"); next.Attempt != 1 {
		t.Errorf("attempt %d", next.Attempt)
	}
	if RolesMark([]string{"b", "a", "a"}) != RolesMark([]string{"a", "b"}) || RolesMark([]string{"a b"}) == RolesMark([]string{"a", "b"}) {
		t.Error("roles are not told apart by what they are")
	}
}

// What a Secret says of keys is read back as it was written; what somebody else has written there is no record.
func TestStoredKeys(t *testing.T) {
	k, _ := ServiceKeys{}.Begun(keyOwner, "7")
	k = k.Made("k1", "roles", `{"private": "canary"}`, keyNoon)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{KeyCredentials: []byte(`{"private": "canary"}`)}}
	if err := k.note(secret); err != nil {
		t.Fatal(err)
	}
	text := secret.Annotations[v1alpha1.AnnotationServiceKeys]
	if got := storedKeys(secret, "7"); !got.Recorded || !got.Intact || !got.Same(k) {
		t.Errorf("read back %+v of %s", got, text)
	}
	if strings.Contains(text, "canary") {
		t.Errorf("the record has the key: %s", text)
	}
	if got := storedKeys(secret, "8"); got.Recorded || got.Intact || got.Current != nil {
		t.Errorf("of another account: %+v", got)
	}
	secret.Data[KeyAccountID] = []byte("7")
	if dropStaleKey(secret, "7"); !storedKeys(secret, "7").Intact {
		t.Error("the account's own key was dropped")
	}
	anothers := secret.DeepCopy()
	if dropStaleKey(anothers, "8"); anothers.Data[KeyCredentials] != nil || anothers.Annotations[v1alpha1.AnnotationServiceKeys] != "" {
		t.Error("a key is beside the id of an account that does not have it")
	}
	secret.Data[KeyCredentials] = []byte("{}")
	if got := storedKeys(secret, "7"); !got.Recorded || got.Intact {
		t.Errorf("edited: %+v", got)
	}
	for _, bad := range []string{"", "{", `{"accountID": "7", "attempt": -1}`, `{"accountID": 7}`, `{"accountID": "7", "pending": "` + strings.Repeat("x", longestServiceKeys) + `"}`} {
		if _, ok := serviceKeysOf(bad, "7"); ok {
			t.Errorf("%.40s is a record", bad)
		}
	}
	if err := (ServiceKeys{Attempt: 3}).note(secret); err != nil || secret.Annotations[v1alpha1.AnnotationServiceKeys] != "" {
		t.Errorf("a record of nothing: %v, %v", secret.Annotations, err)
	}
}

// Of several connection Secrets of a resource the one counts that knows of the last attempt.
func TestTakeLaterKeys(t *testing.T) {
	with := func(n int, credentials string) corev1.Secret {
		s := corev1.Secret{Data: map[string][]byte{}}
		if n == 0 {
			return s
		}
		k := ServiceKeys{Attempt: n - 1}
		k, _ = k.Begun(keyOwner, "7")
		k = k.Made(fmt.Sprint("k", n), "roles", account.Secret(credentials), keyNoon)
		if err := k.note(&s); err != nil {
			t.Fatal(err)
		}
		s.Data[KeyCredentials] = []byte(credentials)
		return s
	}
	for name, c := range map[string]struct{ own, other, want int }{
		"none": {0, 0, 0}, "the own one": {2, 0, 2}, "the other's": {0, 2, 2}, "the own one is newer": {3, 2, 3}, "the other's is newer": {1, 2, 2}, "the same": {2, 2, 2},
	} {
		own := with(c.own, fmt.Sprint("own ", c.own))
		took := takeLaterKeys(&own, []corev1.Secret{with(c.other, fmt.Sprint("other ", c.other))}, "7")
		got := storedKeys(&own, "7")
		if got.Attempt != c.want || c.want > 0 && !got.Intact || took != (c.other > c.own) {
			t.Errorf("%s: %+v, took %v", name, got, took)
		}
	}
}

func TestKnownServiceKeys(t *testing.T) {
	k := NewKnownServiceKeys()
	record := StoredKeys{Recorded: true, ServiceKeys: ServiceKeys{AccountID: "7", Attempt: 1}}
	k.Set("one", record)
	if got, ok := k.Get("one", "7"); !ok || !got.Same(record.ServiceKeys) {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := k.Get("one", "8"); ok {
		t.Error("another account's keys are known")
	}
	if k.Set("one", StoredKeys{}); k.Remembers("one") {
		t.Error("a Secret without keys is remembered")
	}
	var pauses []time.Duration
	now := keyNoon
	for range 9 {
		until := k.Refuse("one", "mark", now)
		if pauses = append(pauses, until.Sub(now)); k.Blocked("one", "mark") != until || !k.Blocked("one", "other").IsZero() || !k.Blocked("two", "mark").IsZero() {
			t.Errorf("blocked until %v", k.Blocked("one", "mark"))
		}
		now = until
	}
	if pauses[0] != 10*time.Minute || pauses[2] != 20*time.Minute || pauses[8] != 6*time.Hour {
		t.Errorf("pauses %v", pauses)
	}
	if until := k.Refuse("one", "other", now); until.Sub(now) != 10*time.Minute {
		t.Errorf("another attempt waits for %v", until.Sub(now))
	}
	if k.NotMade("one", "name"); !k.WasNotMade("one", "name") || k.WasNotMade("one", "") || k.WasNotMade("two", "name") {
		t.Error("which key was not made is not known")
	}
	if k.Accepted("one"); k.Remembers("one") {
		t.Error("remembers what was accepted")
	}
	k.NotMade("one", "name")
	if k.NotMade("one", ""); k.Remembers("one") {
		t.Error("remembers nothing")
	}
}
