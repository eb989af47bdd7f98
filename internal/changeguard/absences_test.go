package changeguard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// absent are the resources from and before to.
func absent(from, to int) (all []Absent) {
	for i := to - 1; i >= from; i-- {
		name := fmt.Sprintf("acme-%02d", i)
		all = append(all, Absent{UID: types.UID(name), Key: types.NamespacedName{Namespace: fmt.Sprint("tenant-", i%3), Name: name}, AccountID: fmt.Sprint(100 + i)})
	}
	return all
}

// judged judges lists of fifty accounts, of which ten may change at once.
type judged struct {
	*Absences
	list int
	now  time.Time
}

func (j *judged) judge(all []Absent, approvals ...string) (verdict *Disbelief, changed bool) {
	j.list++
	return j.again(all, approvals...)
}

// again judges the same list again.
func (j *judged) again(all []Absent, approvals ...string) (verdict *Disbelief, changed bool) {
	return j.Judge(Listing{Parent: edit(0).Parent, List: j.list, Total: 50, Absent: all, Limits: Limits{Percent: 20, Minimum: 5, Window: 10 * time.Minute}, Approvals: approvals}, j.now)
}

func (j *judged) believed(all []Absent) (n int) {
	for _, one := range all {
		if j.Believed(edit(0).Parent, one.UID, one.AccountID) {
			n++
		}
	}
	return n
}

func judging() *judged { return &judged{Absences: NewAbsences(), now: noon} }

func (j *judged) expect(t *testing.T, all []Absent, verdict *Disbelief, held, believed int) {
	t.Helper()
	count := 0
	if verdict != nil {
		count = verdict.Count
	}
	if n := j.believed(all); count != held || n != believed {
		t.Errorf("%d held, %d believed, want %d and %d", count, n, held, believed)
	}
	for _, one := range all {
		if j.Held(edit(0).Parent, one.UID) && j.Believed(edit(0).Parent, one.UID, one.AccountID) {
			t.Errorf("%s is both", one.UID)
		}
	}
}

// Few missing accounts are believed, also where others are believed; what comes back is not, whatever comes of it then.
func TestAFewMissing(t *testing.T) {
	j := judging()
	few := absent(0, 10)
	v, changed := j.judge(few)
	if j.expect(t, few, v, 0, 10); !changed {
		t.Error("nothing has changed")
	}
	if v, changed = j.judge(few); v != nil || changed {
		t.Errorf("the same again: %+v, %t", v, changed)
	}
	v, _ = j.judge(few[:3])
	j.expect(t, few, v, 0, 3)
	if j.Believed(edit(0).Parent, few[0].UID, "another") {
		t.Error("another account of the resource is believed to be missing")
	}
	j.now = j.now.Add(11 * time.Minute)
	v, _ = j.judge(append(absent(20, 30), few[:3]...))
	j.expect(t, absent(20, 30), v, 0, 10)
	j.now = j.now.Add(11 * time.Minute)
	anew := absent(9, 10)
	anew[0].AccountID = "anew" // it was created anew, and is missing again
	v, changed = j.judge(append(absent(20, 30), anew...))
	if j.expect(t, anew, v, 0, 1); !changed {
		t.Error("another account that is missing changes nothing")
	}
}

// Ten now and some soon after are too many, wherever the resources are.
func TestMissingLittleByLittle(t *testing.T) {
	j := judging()
	v, _ := j.judge(absent(0, 6))
	j.expect(t, absent(0, 6), v, 0, 6)
	j.now = j.now.Add(5 * time.Minute)
	v, changed := j.judge(absent(0, 11))
	j.expect(t, absent(0, 11), v, 5, 6)
	if !changed {
		t.Error("nothing has changed")
	}
	j.now = j.now.Add(6 * time.Minute)
	v, _ = j.judge(absent(0, 11))
	j.expect(t, absent(0, 11), v, 5, 6) // there were too many a list ago
	v, _ = j.judge(absent(0, 11))
	j.expect(t, absent(0, 11), v, 0, 11)
}

// Too many are not believed, until exactly these are approved; an approval outlasts those of them that are dealt with.
func TestTooManyMissing(t *testing.T) {
	j := judging()
	all := absent(0, 50)
	v, changed := j.judge(all)
	if j.expect(t, all, v, 50, 0); !changed {
		t.Error("nothing has changed")
	}
	if v.Total != 50 || v.Most != 10 || len(v.Hash) != 32 || !strings.HasPrefix(v.List, "tenant-0/acme-00 (100), tenant-0/acme-03 (103)") || !strings.HasSuffix(v.List, ", and 45 more") {
		t.Errorf("%+v", v)
	}
	hash := v.Hash
	if v, changed = j.judge(all, "0123"); changed || v.Hash != hash {
		t.Errorf("another hash: %t, %+v", changed, v)
	}
	if v, _ = j.judge(absent(1, 50), hash); v == nil || v.Hash == hash {
		t.Errorf("the hash of others approves: %+v", v)
	}
	j.judge(all)
	v, changed = j.again(all, "0123", hash)
	if j.expect(t, all, v, 0, 50); !changed {
		t.Error("nothing has changed")
	}
	v, changed = j.judge(absent(0, 30), hash) // the others have new accounts
	if j.expect(t, absent(0, 30), v, 0, 30); changed {
		t.Error("something has changed")
	}
	if v, _ = j.judge(absent(0, 30)); v != nil {
		t.Errorf("an approval that was taken away holds what was approved: %+v", v)
	}
	v, _ = j.judge(absent(20, 50)) // those that were back are missing again
	j.expect(t, absent(30, 50), v, 20, 0)
}

// After too many it takes two lists with few, as a list may come back little by little.
func TestAListThatComesBack(t *testing.T) {
	j := judging()
	j.judge(absent(0, 50))
	few := absent(0, 4)
	v, _ := j.judge(few)
	j.expect(t, few, v, 4, 0)
	v, _ = j.again(few)
	j.expect(t, few, v, 4, 0)
	v, _ = j.judge(few)
	j.expect(t, few, v, 0, 4)

	j = judging()
	j.judge(absent(0, 50))
	if v, changed := j.judge(nil); v != nil || !changed {
		t.Errorf("all are back: %+v, %t", v, changed)
	}
	j.judge(nil)
	if len(j.parents) != 0 {
		t.Error("something is remembered")
	}
}

// A new process believes nothing before it has judged, and what was reported before is believed without an approval.
func TestMissingAfterARestart(t *testing.T) {
	j := judging()
	all := absent(0, 50)
	j.expect(t, all, nil, 0, 0)
	for i := range 30 {
		all[i].Reported = true
	}
	v, _ := j.judge(all)
	j.expect(t, all, v, 20, 30)
	if hash := v.Hash; hash != must(j.judge(all[30:])).Hash {
		t.Error("the hash is not that of those that wait")
	}
	fresh := judging()
	if again, _ := fresh.judge(all[30:]); again.Hash != v.Hash {
		t.Error("another process has another hash")
	}
}

func must(v *Disbelief, _ bool) *Disbelief { return v }

func TestAbsencesAreForgotten(t *testing.T) {
	j := judging()
	j.judge(absent(0, 2))
	j.judge(absent(0, 50))
	for _, one := range absent(0, 50) {
		if !j.Remembers(one.UID) {
			t.Errorf("%s is not remembered", one.UID)
		}
		if j.Forget(one.UID); j.Remembers(one.UID) {
			t.Errorf("%s is remembered", one.UID)
		}
	}
	j.ForgetParent(edit(0).Parent.Key)
	if len(j.parents) != 0 || j.Verdict(edit(0).Parent) != nil {
		t.Error("the parent is remembered")
	}
}

// An account that was believed to be missing, came back and is missing once more counts once: else the limit would stop what it allows.
func TestAnAccountThatIsMissingAgainCountsOnce(t *testing.T) {
	t.Parallel()
	j := judging()
	few := absent(0, 8)
	if v, _ := j.judge(few); v != nil {
		t.Fatalf("%+v", v)
	}
	j.judge(nil)
	if v, _ := j.judge(few); v != nil {
		t.Errorf("once more: %+v", v)
	}
	if v, _ := j.judge(absent(0, 11)); v == nil || v.Counted != 8 || v.Count != 3 {
		t.Errorf("more: %+v", v)
	}
}
