// Package cli is the command line: the subcommands, their flags, and the wiring of the packages below.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// Main runs the command line and returns the exit status. SIGINT and SIGTERM end it in good order.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, args, os.Stdout, os.Stderr)
}

// Run is Main with everything from outside as a parameter.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "Error:", inOneLine(err))
		return exitStatus(err)
	}
	return 0
}

// inOneLine is an error's text without line breaks.
func inOneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

const rootExamples = `  # Run the operator in a cluster, or beside one that the kubeconfig leads to
  child-account-operator --leader-elect

  # Run a simulated provider to try things out
  child-account-operator simulate

  # Read the child accounts of a parent account from a terminal
  child-account-operator api GetChildrenAccounts -p child_account_id=all --credentials credentials.json -o table

  # Have bash complete commands, methods and parameters
  source <(child-account-operator completion bash)`

func newRoot() *cobra.Command {
	manager := newManagerCommand()
	root := &cobra.Command{
		Use:           "child-account-operator",
		Short:         "Keeps child accounts of a telephony provider in sync with their specs",
		Example:       rootExamples,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          manager.RunE, // without a subcommand it is the manager
	}
	root.Flags().AddFlagSet(manager.Flags())
	root.AddCommand(manager, newAPICommand(), newSimulateCommand(), newVersionCommand())
	return root
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	}
}
