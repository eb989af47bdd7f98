package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/voximplant"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// call calls a method and prints its answer. Whatever can be known to be wrong is refused before any request.
func (o *apiOptions) call(cmd *cobra.Command, m methods.Method) error {
	if err := o.check(m); err != nil {
		return usage(err)
	}
	params, err := readParams(cmd, m, o.params)
	if err != nil {
		return err
	}
	if err := m.Check(params); err != nil {
		return usage(err)
	}
	if m.Writes() && !o.yes && !isTerminal(cmd.InOrStdin()) {
		return &exitError{exitNotConfirmed, fmt.Errorf("%s %s, and nobody can be asked, as the standard input is no terminal: add --yes to make the call", m.Name, consequence(m))}
	}
	who, err := o.access.open(cmd.Context())
	if err != nil {
		return err
	}
	fill(m, params, who)
	as, name, err := o.child(cmd.Context(), who)
	if err != nil {
		return o.explained(m, err)
	}
	if m.Writes() && !o.yes {
		if err := confirm(cmd, m, params, who, cmp.Or(name, as)); err != nil {
			return err
		}
	}
	raw, err := voximplant.Invoke(cmd.Context(), who.client, voximplant.Invocation{
		Method: m.Name, Parameters: params, As: as, Write: m.Writes(), Secrets: secretsOf(m, params),
	})
	if err != nil {
		return o.explained(m, err)
	}
	if err := o.print(cmd, m, raw); err != nil {
		if m.Writes() { // whoever reads of an error alone would repeat the call
			return fmt.Errorf("%s was carried out, but its answer can't be written: %w", m.Name, err)
		}
		return fmt.Errorf("the answer can't be written: %w", err)
	}
	return nil
}

// childPattern is an id, a name or nothing.
var childPattern = regexp.MustCompile(`^([1-9][0-9]{0,18}|[a-zA-Z][a-zA-Z0-9-]{0,63})?$`)

// check is what can be known to be wrong with the flags.
func (o *apiOptions) check(m methods.Method) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	switch {
	case o.asChild != "" && m.OfParent:
		return fmt.Errorf("%s is a method of the parent account: leave --as-child out", m.Name)
	case !childPattern.MatchString(o.asChild):
		return fmt.Errorf("--as-child %.40q: give the id or the name of a child account", o.asChild)
	case m.OnceSecret != "" && !o.showSecrets:
		return fmt.Errorf("%s returns %s, which no other call ever returns: add --show-secrets, and redirect the output to a file that nobody else can read", m.Name, m.OnceSecret)
	}
	return nil
}

// fill gives parameters that are left out what they have then.
func fill(m methods.Method, params map[string]string, who *access) {
	for _, p := range m.Parameters {
		if excluded(m, params, p.Name) {
			continue
		}
		switch {
		case p.Fill == methods.ParentID:
			params[p.Name] = who.accountID
		case p.Fill == methods.ParentAPIKey && who.apiKey != "":
			params[p.Name] = who.apiKey.Reveal()
		}
	}
}

// excluded says whether a parameter is given, or another one that excludes it.
func excluded(m methods.Method, params map[string]string, name string) bool {
	if _, given := params[name]; given {
		return true
	}
	for _, choice := range m.Choices {
		among, other := false, false
		for _, one := range choice.Of {
			_, given := params[one]
			among, other = among || one == name, other || given
		}
		if among && other {
			return true
		}
	}
	return false
}

// child is the id of the account that the call runs as, with the name that it was given by; "" for the parent itself. A name is looked
// up in the list of child accounts.
func (o *apiOptions) child(ctx context.Context, who *access) (id, name string, err error) {
	if o.asChild == "" || o.asChild == who.accountID {
		return "", "", nil
	}
	if strings.Trim(o.asChild, "0123456789") == "" {
		return o.asChild, "", nil
	}
	id, err = voximplant.ChildID(ctx, who.client, o.asChild)
	if err == nil && id == "" {
		return "", "", &exitError{exitRefused, fmt.Errorf("account %s has no child account named %.40q: api GetChildrenAccounts -p child_account_id=all lists them", who.accountID, o.asChild)}
	}
	return id, o.asChild, err
}

// secretsOf are the values that must not show in any error.
func secretsOf(m methods.Method, params map[string]string) []account.Secret {
	var secrets []account.Secret
	for _, p := range m.Parameters {
		if value, ok := params[p.Name]; ok && p.Secret {
			secrets = append(secrets, account.Secret(value))
		}
	}
	return secrets
}

// consequence says what a call does, after the method's name.
func consequence(m methods.Method) string {
	if m.Effect == methods.CostsMoney {
		return "changes something and may cost money"
	}
	return "changes something"
}

// confirm asks whoever sits at the terminal.
func confirm(cmd *cobra.Command, m methods.Method, params map[string]string, who *access, child string) error {
	as := "account " + who.accountID
	if child != "" {
		as = "child account " + child + " of " + as
	}
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "%s %s. It runs as %s, at %s, with\n", m.Name, consequence(m), escaped(as), who.endpoint)
	for _, name := range sortedKeys(params) {
		value := escaped(params[name])
		if p, _ := m.Parameter(name); p.Secret {
			value = account.Secret("").String()
		}
		fmt.Fprintf(w, "  %s=%s\n", name, value)
	}
	fmt.Fprint(w, "Make this call? [y/N] ")
	line, err := fromInput(cmd, func() ([]byte, error) { return bufio.NewReader(cmd.InOrStdin()).ReadBytes('\n') })
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return nil
	}
	if err != nil { // the question's line is not ended yet
		fmt.Fprintln(w)
	}
	return &exitError{exitNotConfirmed, fmt.Errorf("%s was not confirmed, so it was not called", m.Name)}
}

// print prints an answer. What is masked in it is said on the other stream.
func (o *apiOptions) print(cmd *cobra.Command, m methods.Method, raw []byte) error {
	answer, err := decodeAnswer(raw)
	if err != nil { // the client has read it already
		return fmt.Errorf("%s: the answer can't be read: %w", m.Name, err)
	}
	if !o.showSecrets && maskSecrets(answer) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Secrets in the answer are masked: add --show-secrets to see them.")
	}
	if o.output == formatTable {
		return printTable(cmd.OutOrStdout(), m, answer)
	}
	return printValue(cmd.OutOrStdout(), o.output, answer)
}

// explained is the error of a call with what to do next, and with its exit status.
func (o *apiOptions) explained(m methods.Method, err error) error {
	e, ok := errors.AsType[*account.Error](err)
	if !ok {
		return err
	}
	shown := *e
	shown.Field = "" // a field of the spec, which nobody has written here
	text, status := shown.Error(), exitRefused
	switch {
	case e.OutcomeUnknown:
		status = exitUnknown
		text += fmt.Sprintf(". It is not known whether the call was carried out: call %s, and repeat %s only if it was not", m.ReadBack, m.Name)
	case e.Class == account.Throttled:
		status = exitUnavailable
		text += ". Nothing was done: repeat the call later"
		if e.RetryAfter > 0 {
			text += fmt.Sprintf(", after %s", e.RetryAfter)
		}
	case e.Class == account.Unavailable, e.Class == account.Incomplete:
		status = exitUnavailable
		text += ". Nothing was done: repeat the call later"
	case e.Class == account.Unauthorized, e.Class == account.RoleMissing:
		text += ". " + o.rights(e, m)
	case e.Next != "":
		text += ". " + e.Next
	}
	return &exitError{status, errors.New(text)}
}

// rights says what a refusal for lack of rights may be about.
func (o *apiOptions) rights(e *account.Error, m methods.Method) string {
	switch {
	case e.Method != m.Name: // the list for --as-child NAME
		return "To find a child account by its name, the key needs the role Owner: give its id instead"
	case o.asChild != "":
		return fmt.Sprintf("Check that %.40s is a child account of the parent, and that the key's role allows to act as it (%s: %s)", o.asChild, m.Name, rolesOf(m))
	}
	next := fmt.Sprintf("Check the credentials, and that the key has the role that %s needs: %s", m.Name, rolesOf(m))
	if _, wants := m.Parameter("parent_account_api_key"); wants && e.Class == account.Unauthorized {
		next += ". The method may want the parent's API key: add -p parent_account_api_key=@FILE"
	}
	return next
}
