package attempts

import (
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/conditions"
	"cpaas.dev/child-account-operator/internal/secrets"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const uid, other = types.UID("one"), types.UID("two")

// failing is an outcome of an attempt with a fingerprint: NameTaken is tried again after ten minutes at first, Rejected never.
func failing(reason, fingerprint string) conditions.Outcome {
	return conditions.Outcome{Reason: reason, Message: "no", Fingerprint: fingerprint}
}

func record(s *Store, uid types.UID, out conditions.Outcome, at time.Time) time.Duration {
	return s.Record(uid, conditions.Children, out, nil, nil, at)
}

func (s *Store) inBackoff(uid types.UID, fingerprint string, at time.Time) bool {
	_, ok := s.InBackoff(uid, fingerprint, at)
	return ok
}

func TestBackoff(t *testing.T) {
	s := New()
	if s.inBackoff(uid, "attempt", noon) {
		t.Error("nothing was tried")
	}
	pause := record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), noon)
	if pause != 10*time.Minute {
		t.Fatalf("again after %v", pause)
	}
	for name, c := range map[string]struct {
		uid         types.UID
		fingerprint string
		at          time.Time
		want        bool
	}{
		"the same":         {uid, "attempt", noon, true},
		"shortly before":   {uid, "attempt", noon.Add(pause - 1), true},
		"when it ends":     {uid, "attempt", noon.Add(pause), false},
		"another attempt":  {uid, "another", noon, false},
		"another resource": {other, "attempt", noon, false},
	} {
		if got := s.inBackoff(c.uid, c.fingerprint, c.at); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	record(s, uid, failing(v1alpha1.ReasonRejected, "another"), noon)
	if s.inBackoff(uid, "attempt", noon) || !s.inBackoff(uid, "another", noon.AddDate(100, 0, 0)) {
		t.Error("a later attempt does not take the earlier one's place, or one that is never repeated is")
	}
	record(s, other, failing(v1alpha1.ReasonRejected, "attempt"), noon)
	record(s, uid, conditions.Outcome{Reason: v1alpha1.ReasonAvailable}, noon)
	if s.inBackoff(uid, "another", noon) || !s.inBackoff(other, "attempt", noon) {
		t.Error("dropped the wrong one")
	}
}

// What was not tried, or says nothing, changes nothing that is remembered.
func TestRecordOfNoAttempt(t *testing.T) {
	s := New()
	record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), noon)
	held, _ := s.InBackoff(uid, "attempt", noon)
	for _, out := range []conditions.Outcome{held.Remaining(noon.Add(time.Minute)), conditions.Undecided} {
		record(s, uid, out, noon.Add(time.Minute))
		if again, _ := s.InBackoff(uid, "attempt", noon); again != held {
			t.Errorf("%+v, then %+v", held, again)
		}
	}
}

// The pauses of one attempt double; another attempt begins anew.
func TestPausesDouble(t *testing.T) {
	s, now := New(), noon
	for _, want := range []time.Duration{10 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		if got := record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), now); got != want {
			t.Errorf("after %v: %v, want %v", now.Sub(noon), got, want)
		}
		now = now.Add(want)
	}
	if got := record(s, uid, failing(v1alpha1.ReasonNameTaken, "another"), now); got != 10*time.Minute {
		t.Errorf("another attempt: %v", got)
	}
}

// After a restart the conditions remember since when the same has failed, and nothing else.
func TestRecordAfterARestart(t *testing.T) {
	stalled := []metav1.Condition{
		{Type: v1alpha1.ConditionSynced, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNameTaken},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-3 * time.Hour))},
	}
	for reason, want := range map[string]time.Duration{v1alpha1.ReasonNameTaken: 3 * time.Hour, v1alpha1.ReasonEmailTaken: 10 * time.Minute} {
		if got := New().Record(uid, conditions.Children, failing(reason, "attempt"), stalled, stalled, noon); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
}

// Once the provider answers again, what it did not answer or rate-limited is retried, no sooner than the provider has asked for, and the pauses
// begin anew. Other refusals, and other resources, wait as before.
func TestProviderRecovered(t *testing.T) {
	const failing, pause = 20 * time.Minute, time.Minute
	recovered := noon.Add(failing + 5*time.Second)
	for name, c := range map[string]struct {
		reason string
		asked  time.Duration
		want   time.Time
	}{
		"an outage":                              {v1alpha1.ReasonAPIUnavailable, 0, recovered},
		"an outage, and the breaker tries later": {v1alpha1.ReasonAPIUnavailable, 10 * time.Second, recovered},
		"rate-limited":                           {v1alpha1.ReasonRateLimited, 0, recovered},
		"asked to wait":                          {v1alpha1.ReasonRateLimited, 30 * time.Second, noon.Add(failing + 30*time.Second)},
		"asked to wait long":                     {v1alpha1.ReasonRateLimited, time.Hour, noon.Add(failing + time.Hour)},
		"asked to wait, until now":               {v1alpha1.ReasonRateLimited, 5 * time.Second, recovered},
		"refused":                                {v1alpha1.ReasonNameTaken, 0, noon.Add(2 * failing)},
	} {
		s := New()
		out := conditions.Outcome{Reason: c.reason, After: c.asked, Fingerprint: "attempt"}
		for _, uid := range []types.UID{uid, other} {
			record(s, uid, out, noon)
			record(s, uid, out, noon.Add(failing))
		}
		before, _ := s.Last(other)
		s.ProviderRecovered(uid, recovered)
		s.ProviderRecovered("nothing failed", recovered)
		f, _ := s.Last(uid)
		if after, _ := s.Last(other); !f.Until.Equal(c.want) || after != before {
			t.Errorf("%s: again at %v, want %v; another resource %+v, before %+v", name, f.Until, c.want, after, before)
		}
		if again := record(s, uid, out, recovered.Add(time.Second)); c.reason != v1alpha1.ReasonNameTaken && again != max(conditions.SoonAtLeast, c.asked) {
			t.Errorf("%s: it fails again, and is retried after %v", name, again)
		}
	}
	if s := New(); record(s, uid, conditions.Outcome{Reason: v1alpha1.ReasonAPIUnavailable, Fingerprint: "attempt"}, noon) > pause || len(s.failed) != 1 {
		t.Error("an outage is retried within a minute")
	}
}

func TestRemaining(t *testing.T) {
	failed := conditions.Outcome{Reason: v1alpha1.ReasonNameTaken, Message: "is taken", After: time.Hour, Fingerprint: "attempt"}
	out := Failed{Fingerprint: "attempt", Until: noon.Add(10 * time.Minute), Outcome: failed}.Remaining(noon.Add(4 * time.Minute))
	if !out.InBackoff || out.After != 6*time.Minute || out.Reason != failed.Reason || out.Message != failed.Message {
		t.Errorf("%+v", out)
	}
	out = Failed{Fingerprint: "attempt", Outcome: failed}.Remaining(noon)
	if !out.InBackoff || out.After != 0 {
		t.Errorf("without an end: %+v", out)
	}
}

func TestUncreated(t *testing.T) {
	prepared := secrets.Version{Key: types.NamespacedName{Name: "acme-account"}, UID: "secret", ResourceVersion: "7"}
	for name, c := range map[string]struct {
		notes                        []func(*Store)
		uncreated, attempted, unused bool
	}{
		"nothing": {},
		"new":     {notes: []func(*Store){noteNew}, uncreated: true},
		"new, prepared, seen again": {
			notes:     []func(*Store){noteNew, func(s *Store) { s.NotePrepared(uid, prepared) }, noteNew},
			uncreated: true, attempted: true, unused: true,
		},
		"not seen from the start": {notes: []func(*Store){func(s *Store) { s.NotePrepared(uid, prepared) }, noteNew}, attempted: true},
		"created":                 {notes: []func(*Store){noteNew, func(s *Store) { s.NoteCreated(uid) }, noteNew}, attempted: true},
		"bound":                   {notes: []func(*Store){noteNew, func(s *Store) { s.NoteCreated(uid) }, func(s *Store) { s.NoteBound(uid) }}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			for _, note := range c.notes {
				note(s)
			}
			record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), noon) // says nothing of it
			secret, unused := s.Unused(uid)
			if s.Uncreated(uid) != c.uncreated || s.Attempted(uid) != c.attempted || unused != c.unused || unused && secret != prepared {
				t.Errorf("uncreated %v, attempted %v, unused %v %v", s.Uncreated(uid), s.Attempted(uid), secret, unused)
			}
			if s.Uncreated(other) || s.Attempted(other) {
				t.Error("another resource is concerned")
			}
		})
	}
}

func noteNew(s *Store) { s.NoteNew(uid) }

func TestForget(t *testing.T) {
	s := New()
	for _, uid := range []types.UID{uid, other} {
		s.NoteNew(uid)
		record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), noon)
	}
	s.Forget(uid)
	if s.inBackoff(uid, "attempt", noon) || s.Uncreated(uid) || len(s.failed)+len(s.creations) != 2 || !s.inBackoff(other, "attempt", noon) {
		t.Errorf("remembered: %v %v", s.failed, s.creations)
	}
}

func TestAtOnce(t *testing.T) {
	s := New()
	var all sync.WaitGroup
	for _, uid := range []types.UID{"a", "b", "c"} {
		for range 4 {
			all.Go(func() {
				record(s, uid, failing(v1alpha1.ReasonNameTaken, "attempt"), noon)
				s.InBackoff(uid, "attempt", noon)
				s.NoteNew(uid)
				s.Uncreated(uid)
				s.Forget(uid)
			})
		}
	}
	all.Wait()
}
