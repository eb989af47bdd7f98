package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// AddNotDeactivated adds an account to a ParentAccount's status.notDeactivated, and says whether it was not there yet: a try before may have stored it. An account stands there once, and
// beyond the bound the oldest entry of the namespace with the most goes, so that no tenant can push out what others have left.
func AddNotDeactivated(st *v1alpha1.ParentAccountStatus, a v1alpha1.NotDeactivatedAccount) bool {
	if st.NotDeactivated == nil {
		st.NotDeactivated = &v1alpha1.NotDeactivated{}
	}
	n := st.NotDeactivated
	most, of := "", map[string]int{}
	for i, other := range n.Accounts {
		switch {
		case other.Namespace == a.Namespace && other.Name == a.Name && ptr.Equal(other.AccountID, a.AccountID):
			return false
		case a.AccountID != nil && ptr.Equal(other.AccountID, a.AccountID):
			n.Accounts, n.Total = slices.Delete(n.Accounts, i, i+1), n.Total-1
			return AddNotDeactivated(st, a)
		}
		if of[other.Namespace]++; of[other.Namespace] > of[most] {
			most = other.Namespace
		}
	}
	n.Total++
	if len(n.Accounts) >= v1alpha1.MaxNotDeactivated {
		oldest := slices.IndexFunc(n.Accounts, func(o v1alpha1.NotDeactivatedAccount) bool { return o.Namespace == most })
		n.Accounts = slices.Delete(n.Accounts, oldest, oldest+1)
	}
	n.Accounts = append(n.Accounts, a)
	h := sha256.New()
	fmt.Fprintln(h, n.Total)
	for _, one := range n.Accounts {
		fmt.Fprintf(h, "%s/%s %s %d\n", one.Namespace, one.Name, ptr.Deref(one.AccountID, ""), one.Time.Unix())
	}
	n.Hash = hex.EncodeToString(h.Sum(nil)[:16])
	return true
}

// AcknowledgeNotDeactivated removes the accounts whose hash somebody has acknowledged.
func AcknowledgeNotDeactivated(p *v1alpha1.ParentAccount) {
	if n := p.Status.NotDeactivated; n != nil && p.Annotations[v1alpha1.AnnotationAcknowledgeNotDeactivated] == n.Hash {
		p.Status.NotDeactivated = nil
	}
}
