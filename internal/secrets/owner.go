package secrets

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// belongs says whether the Secret is the connection Secret of this very resource and account.
func belongs(secret *corev1.Secret, c Connection) bool {
	resource := secret.Annotations[v1alpha1.AnnotationResource]
	return secret.Labels[v1alpha1.LabelConnection] == "true" &&
		(resource == c.Resource || resource != "" && resource == c.FormerResource) &&
		(secret.Annotations[v1alpha1.AnnotationAccount] == c.Account || renamed(secret, c)) && !ofAnotherAccount(secret, c)
}

// renamed says whether the Secret is of the resource's account under a former name.
func renamed(secret *corev1.Secret, c Connection) bool {
	parent, _, _ := strings.Cut(c.Account, "/")
	if !c.Renames || !strings.HasPrefix(secret.Annotations[v1alpha1.AnnotationAccount], parent+"/") {
		return false
	}
	i, ok := intentOf(secret)
	return c.Bound != "" && tellsOf(secret, c.Bound) || ok && c.UID != "" && i.uid == c.UID
}

// ofAnotherAccount says whether the Secret holds the credentials of another account than the resource's, whatever its label and
// annotations say of its owner: people can write those, by mistake, and what the Secret holds may be the only copy. An account
// that is recreated has another id, but the same name and parent.
func ofAnotherAccount(secret *corev1.Secret, c Connection) bool {
	if len(secret.Data[KeyAccountID]) == 0 && len(passwordsOf(secret)) == 0 || c.Bound != "" && tellsOf(secret, c.Bound) || renamed(secret, c) {
		return false
	}
	if i, ok := intentOf(secret); ok && i.account != c.Account {
		return true
	}
	_, name, _ := strings.Cut(c.Account, "/")
	has := string(secret.Data[KeyAccountName])
	return len(secret.Data[KeyAccountID]) > 0 && has != "" && has != name
}

// notTheirs says how to continue where the Secret is not known as the resource's: it may be all the same (restored without its
// annotations, say) and hold the only copy of a password, so nobody is told to remove it. Where it is another resource's or
// another account's, nobody is told to mark it as this one's, either.
func notTheirs(secret *corev1.Secret, c Connection) *Problem {
	p := &Problem{Reason: v1alpha1.ReasonSecretInvalid, Next: "Choose another spec.connectionSecret.name."}
	owner := secret.Annotations[v1alpha1.AnnotationResource]
	known := c.Bound != "" && tellsOf(secret, c.Bound)
	switch {
	case owner != "" && owner != c.Resource && owner != c.FormerResource && !known:
		p.Message = fmt.Sprintf("Secret %s is the connection Secret of %s, not of %s", c.Name, shortOwner(owner), c.Resource)
		return p
	case ofAnotherAccount(secret, c):
		p.Message = fmt.Sprintf("Secret %s holds the credentials of another account than %s: the operator neither uses nor overwrites them", c.Name, shownAccount(c))
		p.Next += fmt.Sprintf(" If somebody edited the Secret, restore its keys %s and %s.", KeyAccountID, KeyAccountName)
		return p
	}
	p.Message = fmt.Sprintf("Secret %s exists and is not known as the connection Secret of %s for account %s", c.Name, c.Resource, shownAccount(c))
	if secret.Labels[v1alpha1.LabelConnection] != "true" && len(secret.Data[KeyAccountID]) == 0 {
		return p
	}
	p.Next += fmt.Sprintf(" If the Secret is that connection Secret, restored for example, mark it as such: kubectl label secret -n %[1]s %[2]s --overwrite %[3]s=true && kubectl annotate secret -n %[1]s %[2]s --overwrite %[4]s=%[5]s %[6]s=%[7]s",
		c.Namespace, c.Name, v1alpha1.LabelConnection, v1alpha1.AnnotationResource, c.Resource, v1alpha1.AnnotationAccount, c.Account)
	return p
}

// shortOwner is the owner that an annotation names, which anybody may have written.
func shortOwner(owner string) string {
	const longest = 300 // "<kind>/<name>" is shorter
	if len(owner) > longest {
		return "another resource"
	}
	return owner
}

// shownAccount is the account of a connection, for people: its own id may not be known yet.
func shownAccount(c Connection) string {
	parent, name, _ := strings.Cut(c.Account, "/")
	return name + " of parent account " + parent
}
