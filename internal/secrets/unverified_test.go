package secrets

import (
	"strconv"
	"testing"
)

// What is marked stays so until that very mark is done, and a refused password is told from all others.
func TestUnverified(t *testing.T) {
	u := NewUnverified()
	if u.Of("a").Set() || u.Remembers("a") || u.Refused("a", "7", "mark") {
		t.Error("marked before anybody did")
	}
	first := u.Mark("a", true)
	second := u.Mark("a", false)
	if !second.HadPassword || u.Of("a") != second || u.Of("b").Set() || !u.Remembers("a") {
		t.Errorf("%+v after %+v", u.Of("a"), first)
	}
	u.Done("a", first)
	if !u.Of("a").Set() {
		t.Error("an edit after the read is lost")
	}
	u.Done("a", second)
	if u.Of("a").Set() || u.Remembers("a") {
		t.Error("verified, and yet to be verified")
	}
	u.Refuse("a", "7", "mark")
	if !u.Refused("a", "7", "mark") || u.Refused("a", "8", "mark") || u.Refused("a", "7", "other") || u.Refused("b", "7", "mark") {
		t.Error("another password or account is refused")
	}
	u.Recorded("a")
	if u.Refused("a", "7", "mark") {
		t.Error("remembered twice")
	}
	u.Edited("a", "1", true) // somebody's
	u.Edited("a", "2", false)
	u.Own("a", "2")
	u.Own("a", "2a")
	u.Edited("a", "2", true) // of which the watch tells later
	edited := u.Of("a")
	if !edited.Set() || !edited.HadPassword {
		t.Error("the operator's own write hides somebody's edit")
	}
	u.Edited("a", "3", false)
	if u.Done("a", edited); !u.Of("a").Set() || u.Of("a").HadPassword {
		t.Error("an edit after the read is lost")
	}
	u.Own("a", "3")
	if u.Of("a").Set() {
		t.Error("what the operator wrote is somebody's edit")
	}
	u.Refuse("a", "7", "mark")
	u.Edited("a", "4", true)
	u.Mark("a", true)
	u.Mark("b", true)
	u.Forget("a")
	if u.Remembers("a") || len(u.marks) != 1 || len(u.refused)+len(u.own)+len(u.edits) != 0 {
		t.Errorf("remembered: %v %v", u.marks, u.refused)
	}
}

// Whoever edits a Secret again and again, while nothing of it is verified, does not fill the memory.
func TestUnverifiedKeepsFewEdits(t *testing.T) {
	u := NewUnverified()
	u.Edited("a", "0", true)
	for i := range 1000 {
		u.Edited("a", strconv.Itoa(i+1), false)
	}
	if n := len(u.edits["a"]); n != keptEdits {
		t.Errorf("%d edits are kept", n)
	}
	last := u.Of("a")
	if !last.Set() || !last.HadPassword {
		t.Errorf("%+v", last)
	}
	if u.Done("a", last); u.Remembers("a") {
		t.Error("verified, and yet to be verified")
	}
}
