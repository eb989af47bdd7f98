package simulator

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	options := Options{StateFile: file, Key: SharedKey(), Clock: func() time.Time { return now }, Settings: Settings{ChildrenPerDay: 1}}
	first := newFixture(t)
	first.Simulator = New(options)
	first.parent = first.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	first.creds = first.newKey(first.parent.ID)
	first.server.Config.Handler = first.Handler()
	r := first.call("AddAccount", first.newAccount("acme-one").with(form{"min_balance_to_notify": "2.5", "record_storage_id": "7"}))
	wantCode(t, r, 0)
	gone := first.child("acme-gone")
	first.Remove(gone.ID)

	second := newFixture(t)
	second.Simulator = New(options)
	second.server.Config.Handler = second.Handler()
	second.creds, second.parent = first.creds, first.parent
	if !sameAccounts(first.Accounts(0), second.Accounts(0)) {
		t.Fatalf("reloaded %v, want %v", second.Accounts(0), first.Accounts(0))
	}
	if got := second.call("GetChildrenAccounts", nil); got.TotalCount != 1 || got.rows(t)[0]["account_id"] != float64(r.AccountID) {
		t.Errorf("%s", got.body)
	}
	wantCode(t, second.call("AddAccount", second.newAccount("acme-one")), 106)
	wantCode(t, second.call("AddAccount", second.newAccount("acme-two")), 397)
	if a := second.child("acme-three"); a.ID <= gone.ID {
		t.Errorf("id %d is given a second time", a.ID)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(file + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestBadStateFiles(t *testing.T) {
	for name, content := range map[string]string{
		"not JSON":      `{`,
		"unknown field": `{"accounts":[{"id":1,"fields":{"nick":"x"}}]}`,
		"wrong type":    `{"accounts":[{"id":1,"fields":{"active":"x"}}]}`,
		"no parent":     `{"accounts":[{"id":1,"parentID":2,"fields":{}}]}`,
		"bad key":       `{"keys":[{"id":"k","privateKey":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Options{StateFile: file}); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDefaultClockAndOwnKey(t *testing.T) {
	s := New(Options{})
	p := s.AddParent(Parent{Name: "acme", Email: "owner@acme.example"})
	s.UseKey(SharedKey())
	if document := string(s.Credentials(p.ID)); !strings.Contains(document, fmt.Sprint(p.ID)) {
		t.Error("not the parent's credentials")
	}
	if s.calls.max != 10_000 {
		t.Errorf("keeps %d calls", s.calls.max)
	}
}
