package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cpaas.dev/child-account-operator/internal/voximplant"
	"cpaas.dev/child-account-operator/internal/voximplant/methods"
)

// credentialsVariable names the file with credentials where no flag does, as the vendor's clients have it.
const credentialsVariable = "VOXIMPLANT_CREDENTIALS" //nolint:gosec // the name of a variable

// apiOptions are the flags of the subcommand api.
type apiOptions struct {
	access accessOptions
	// params are the parameters as they were typed, name=value, name=@FILE or name=@-.
	params []string
	// asChild is the id or the name of the child account that the call runs as; "" is for the parent itself.
	asChild     string
	output      string
	list        bool
	yes         bool
	showSecrets bool
}

const apiLong = `Call a method of the provider's API for accounts.

The call runs as the account that the credentials are of, or with --as-child as one of its child accounts. Give the credentials
with --credentials or in $` + credentialsVariable + `, or name a ParentAccount in a cluster with --parent. What changes something or
costs money asks before the call; --yes answers for you. Secrets in the answer are masked unless you add --show-secrets.

Exit status: 0 done, 1 failed, 2 wrong command line, 3 refused by the provider, 4 no answer, 5 no answer to a call that may have
been carried out, 6 not confirmed.`

const apiExamples = `  # List the methods, and see what one takes
  child-account-operator api --list
  child-account-operator api SetChildAccountInfo --help

  # Read the child accounts
  child-account-operator api GetChildrenAccounts -p child_account_id=all --credentials credentials.json -o table

  # Read one of them as itself, with the credentials of a ParentAccount in the cluster
  child-account-operator api GetAccountInfo --parent telephony/acme --as-child acme-first

  # Change a password without having it in the shell's history
  child-account-operator api SetChildAccountInfo -p child_account_name=acme-first -p new_child_account_password=@-`

func newAPICommand() *cobra.Command {
	o := &apiOptions{}
	cmd := &cobra.Command{
		Use:     "api METHOD",
		Short:   "Call a method of the provider's API for accounts",
		Long:    apiLong,
		Example: apiExamples,
		Args:    func(_ *cobra.Command, args []string) error { return usage(unknownMethod(args)) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.list {
				return usage(errors.New("api: name a method, as in: api GetAccountInfo; api --list lists them"))
			}
			return o.printMethods(cmd)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	cmd.Flags().BoolVar(&o.list, "list", false, "list the methods; -o json and -o yaml: with their parameters")
	f := cmd.PersistentFlags()
	f.StringArrayVar(&o.access.credentials, "credentials", nil, "[PARENT=]FILE with the credentials.json of a service account; repeatable, --parent says which (default $"+credentialsVariable+")")
	f.StringVar(&o.access.endpoint, "endpoint", "", "address of the API, scheme and host (default "+voximplant.DefaultEndpoint+"); with --parent it allows the ParentAccount to have that address")
	f.StringVar(&o.access.parent, "parent", "", "NAMESPACE/NAME of a ParentAccount, whose credentials are read from the cluster")
	f.StringVar(&o.access.kubeconfig, "kubeconfig", "", "kubeconfig for --parent (default $KUBECONFIG, or ~/.kube/config)")
	f.StringVar(&o.access.context, "context", "", "context of the kubeconfig (default the current one)")
	f.StringArrayVarP(&o.params, "param", "p", nil, "parameter as name=value, name=@FILE, or name=@- for the standard input; repeatable")
	f.StringVar(&o.asChild, "as-child", "", "id or name of the child account that the call runs as, by the parent's key")
	f.BoolVar(&o.showSecrets, "show-secrets", false, "show API keys, private keys and salts of the answer instead of masking them")
	f.BoolVarP(&o.yes, "yes", "y", false, "make a call that changes something without asking first")
	f.StringVarP(&o.output, "output", "o", "", "json, yaml or table (default json; table for --list)")
	_ = cmd.RegisterFlagCompletionFunc("param", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeParameters(cmd.Name()), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputFormats, cobra.ShellCompDirectiveNoFileComp))
	for _, m := range methods.Table() {
		cmd.AddCommand(newMethodCommand(o, m))
	}
	return cmd
}

// newMethodCommand is the command that calls one method.
func newMethodCommand(o *apiOptions, m methods.Method) *cobra.Command {
	cmd := &cobra.Command{
		Use:   m.Name,
		Short: m.Does,
		Long:  describe(m),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("api %s: %.60q is no parameter: write -p name=value", m.Name, args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.call(cmd, m) },
	}
	for _, line := range m.Examples {
		cmd.Example += "  child-account-operator api " + m.Name + " " + line + "\n"
	}
	cmd.Example = strings.TrimSuffix(cmd.Example, "\n")
	return cmd
}

// completeParameters are a method's parameters as a shell completes them, with what they are for.
func completeParameters(method string) []string {
	var out []string
	m, _ := methods.Find(method)
	for _, p := range m.Parameters {
		value := ""
		if p.Secret {
			value = "@"
		}
		out = append(out, p.Name+"="+value+"\t"+p.Does)
	}
	return out
}

// unknownMethod says what is wrong with what stands in a method's place.
func unknownMethod(args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case methods.Like(args[0]) != "":
		return fmt.Errorf("api: there is no method %.60q: write %s", args[0], methods.Like(args[0]))
	}
	return fmt.Errorf("api: there is no method %.60q: api --list lists the methods", args[0])
}

// describe is what --help says of a method, above its examples and flags.
func describe(m methods.Method) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nEffect:  %s\nRuns as: %s\nRole:    %s\nAnswer:  %s\nSource:  %s\n", m.Does, effectOf(m), runsAs(m), rolesOf(m), m.Result, m.Source)
	if len(m.Parameters) == 0 {
		return b.String()
	}
	b.WriteString("\nParameters:\n")
	for _, p := range m.Parameters {
		fmt.Fprintf(&b, "  %s (%s)\n      %s%s\n", p.Name, strings.Join(traits(m, p), ", "), p.Does, valuesOf(p))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func effectOf(m methods.Method) string {
	if m.Writes() {
		return string(m.Effect) + "; asks before the call"
	}
	return string(m.Effect)
}

func runsAs(m methods.Method) string {
	if m.OfParent {
		return "the parent account"
	}
	return "the parent account, or with --as-child one of its child accounts"
}

// rolesOf says which role the service account needs.
func rolesOf(m methods.Method) string {
	switch {
	case len(m.Roles) == 0:
		return "none is named"
	case m.RolesSource == methods.Guessed:
		return strings.Join(m.Roles, ", ") + " (guess: which others may do so is not known here)"
	}
	return strings.Join(m.Roles, ", ")
}

// traits are what is said of a parameter beside its name.
func traits(m methods.Method, p methods.Parameter) []string {
	out := []string{string(p.Type)}
	if p.All {
		out[0] += ", or all"
	}
	if p.Required {
		out = append(out, "required")
	}
	if p.Secret {
		out = append(out, "secret: give @FILE or @-")
	}
	if p.Fill != "" {
		out = append(out, "default: the "+string(p.Fill))
	} else if p.Default != "" {
		out = append(out, "default: "+p.Default)
	}
	if p.Source != "" && p.Source != m.Source {
		out = append(out, string(p.Source))
	}
	return out
}

// valuesOf are the values that a parameter may have, as a sentence.
func valuesOf(p methods.Parameter) string {
	switch {
	case len(p.Values) == 0:
		return ""
	case p.Open:
		return " Among others: " + strings.Join(p.Values, ", ") + "."
	}
	return " One of: " + strings.Join(p.Values, ", ") + "."
}

// listedMethod is a method as api --list -o json has it: a stable schema, described in docs/api-command.md.
type listedMethod struct {
	Name       string            `json:"name"`
	Does       string            `json:"description"`
	Effect     string            `json:"effect"`
	AsChild    bool              `json:"asChild"`
	Roles      []string          `json:"roles"`
	RolesFrom  string            `json:"rolesSource,omitempty"`
	Source     string            `json:"source"`
	Result     string            `json:"result"`
	Parameters []listedParameter `json:"parameters"`
}

// listedParameter is a parameter of a listedMethod.
type listedParameter struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Secret   bool     `json:"secret"`
	Values   []string `json:"values,omitempty"`
	Default  string   `json:"default,omitempty"`
	Does     string   `json:"description"`
	Source   string   `json:"source"`
}

// printMethods prints the table of methods.
func (o *apiOptions) printMethods(cmd *cobra.Command) error {
	if err := checkOutput(o.output); err != nil {
		return usage(err)
	}
	if o.output != "" && o.output != formatTable {
		var list []listedMethod
		for _, m := range methods.Table() {
			list = append(list, listed(m))
		}
		return printValue(cmd.OutOrStdout(), o.output, list)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "METHOD\tEFFECT\tAS CHILD\tROLES\tWHAT IT DOES")
	for _, m := range methods.Table() {
		roles := strings.Join(m.Roles, ", ")
		switch {
		case roles == "":
			roles = "-"
		case m.RolesSource == methods.Guessed:
			roles += " (guess)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Effect, map[bool]string{true: "no", false: "yes"}[m.OfParent], roles, m.Does)
	}
	return w.Flush()
}

func listed(m methods.Method) listedMethod {
	out := listedMethod{
		Name: m.Name, Does: m.Does, Effect: string(m.Effect), AsChild: !m.OfParent, Roles: slices.Concat([]string{}, m.Roles), RolesFrom: string(m.RolesSource),
		Source: string(m.Source), Result: m.Result, Parameters: []listedParameter{},
	}
	for _, p := range m.Parameters {
		source := p.Source
		if source == "" {
			source = m.Source
		}
		unset := p.Default
		if p.Fill != "" {
			unset = "the " + string(p.Fill)
		}
		out.Parameters = append(out.Parameters, listedParameter{
			Name: p.Name, Type: string(p.Type), Required: p.Required, Secret: p.Secret, Values: p.Values, Default: unset, Does: p.Does, Source: string(source),
		})
	}
	return out
}

// environment is a variable of the process, for what has no flag.
func environment(name string) string { return os.Getenv(name) }
