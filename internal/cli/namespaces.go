package cli

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// checkNamespaces says what is wrong with --namespaces. An empty list is not all namespaces: a variable in somebody's
// manifest may just be unset. With the rights of those namespaces alone kube-system can't be read; that would be found out
// later, so the installation's id is wanted at once.
func checkNamespaces(o ManagerOptions) error {
	if o.Namespaces == nil {
		return nil
	}
	if len(o.Namespaces) == 0 {
		return errors.New("--namespaces names none: give at least one, or leave the flag out for all")
	}
	for _, name := range o.Namespaces {
		if wrong := validation.IsDNS1123Label(name); wrong != nil {
			return fmt.Errorf("--namespaces %q: not a namespace's name: %s", name, strings.Join(wrong, "; "))
		}
	}
	if o.InstallationID == "" {
		return errors.New("--namespaces needs --installation-id: a name of your own, always the same, that tells the claims of this installation from others'")
	}
	return nil
}
