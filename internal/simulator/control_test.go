package simulator

import (
	"fmt"
	"sync"
	"testing"
)

func TestMisuse(t *testing.T) {
	f := newFixture(t)
	f.child("acme-one")
	for name, misuse := range map[string]func(){
		"name taken":   func() { f.AddStranger("acme-one", "new@acme.example") },
		"e-mail taken": func() { f.AddParent(Parent{Name: "new", Email: "ACME-one@acme.example"}) },
		"id taken":     func() { f.AddParent(Parent{ID: f.parent.ID, Name: "new", Email: "new@acme.example"}) },
		"no parent": func() {
			f.PutAccount(Account{ParentID: 1, Fields: Fields{"account_name": "new", "account_email": "new@acme.example"}})
		},
		"no field":            func() { f.PutAccount(Account{Fields: Fields{"name": "new"}}) },
		"no such fault":       func() { f.AddFault(Fault{}) },
		"no such account":     func() { f.Credentials(1) },
		"unusable state file": func() { New(Options{StateFile: t.TempDir()}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse()
		})
	}
}

func TestRemove(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	token := f.token(f.newKey(child.ID), nil)
	if !f.Remove(child.ID) || f.Remove(child.ID) {
		t.Fatal("it should be there once")
	}
	wantCode(t, f.callAs(token, "GetAccountInfo", nil), 100)
	wantCode(t, f.call("SetChildAccountInfo", form{"child_account_id": fmt.Sprint(child.ID), "active": "true"}), 194)
	if r := f.call("GetChildrenAccounts", nil); r.TotalCount != 0 {
		t.Errorf("%s", r.body)
	}
	f.child("acme-one")
	if !f.Remove(f.parent.ID) || len(f.Accounts(0)) != 0 {
		t.Error("a parent goes with its children")
	}
	if err := f.Freeze(child.ID); err == nil {
		t.Error("frozen although gone")
	}
}

func TestReturnedAccountsAreCopies(t *testing.T) {
	f := newFixture(t)
	child := f.child("acme-one")
	child.Fields["location"] = "Europe/Rome"
	got, _ := f.AccountByID(child.ID)
	got.Fields["location"] = "Europe/Rome"
	f.Accounts(0)[1].Fields["location"] = "Europe/Rome"
	if got, _ = f.AccountByID(child.ID); got.Text("location") != "Etc/GMT" {
		t.Error("somebody else's copy")
	}
}

// TestConcurrency lets everything happen at once, for the race detector; every account is added exactly once.
func TestConcurrency(t *testing.T) {
	f := newFixture(t)
	token := f.token(f.creds, nil)
	var all sync.WaitGroup
	added := make(chan int64, 100)
	for i := range 20 {
		all.Go(func() {
			for range 2 {
				if r := f.callAs(token, "AddAccount", f.newAccount(fmt.Sprintf("acme-%d", i%10))); r.Error.Code == 0 {
					added <- r.AccountID
				}
			}
			f.callAs(token, "GetChildrenAccounts", nil)
			f.callAs(token, "SetChildAccountInfo", form{"child_account_id": "all", "min_balance_to_notify": fmt.Sprint(i)})
			f.Update(func(s *Settings) { s.TwinLanguages = !s.TwinLanguages })
			f.RemoveFault(f.AddFault(Fault{Kind: FaultStore, Param: "location"}))
			_, _ = f.Calls(), f.Accounts(f.parent.ID)
		})
	}
	all.Wait()
	if len(added) != 10 || len(f.Accounts(f.parent.ID)) != 10 {
		t.Fatalf("%d added, %d there", len(added), len(f.Accounts(f.parent.ID)))
	}
}
