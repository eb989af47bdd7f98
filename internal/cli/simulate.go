package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// simulateOptions are the flags of the simulator.
type simulateOptions struct {
	listen, caFile, certFile, keyFile, stateFile string
	parent, email, credentialsFile               string
	tls                                          bool
	latency                                      time.Duration
}

func newSimulateCommand() *cobra.Command {
	o := simulateOptions{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a simulator of the Voximplant Management API",
		Long: `Serve a simulator of the account methods of the Voximplant Management API, for trying things out and for tests.
It holds one parent account whose service account key is written to --credentials-file. What it holds can be looked at
and changed below /_simulator: accounts, calls, counts, faults, settings. GET /_simulator lists the calls, docs/simulator.md has
examples. Whoever reaches it may do so: it is no service for others.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return simulate(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8090", "where to serve, as host:port; port 0 takes a free one")
	f.BoolVar(&o.tls, "tls", false, "serve HTTPS, by HTTP/2 where the client speaks it")
	f.StringVar(&o.certFile, "tls-cert-file", "", "certificate, PEM (default: one of a new CA)")
	f.StringVar(&o.keyFile, "tls-key-file", "", "its key, PEM")
	f.StringVar(&o.caFile, "ca-file", "", "where to write the new CA's certificate")
	f.StringVar(&o.stateFile, "state-file", "", "where to keep the accounts (default: in memory)")
	f.StringVar(&o.parent, "parent", "acme-telephony", "the parent account's name")
	f.StringVar(&o.email, "parent-email", "owner@acme.example", "the parent account's e-mail")
	f.StringVar(&o.credentialsFile, "credentials-file", "credentials.json", "where to write the parent's service account key; it is a secret of the simulator alone")
	f.DurationVar(&o.latency, "latency", 0, "how long every answer takes at least")
	return cmd
}

func simulate(ctx context.Context, o simulateOptions, stdout, stderr io.Writer) error {
	sim, err := simulator.Open(simulator.Options{StateFile: o.stateFile, Logger: slog.New(slog.NewTextHandler(stderr, nil))})
	if err != nil {
		return err
	}
	sim.Update(func(s *simulator.Settings) { s.Latency = o.latency })
	parent, ok := sim.Account(o.parent)
	id := parent.ID
	if !ok {
		id = sim.AddParent(simulator.Parent{Name: o.parent, Email: o.email}).ID
	}
	if err := writePrivate(o.credentialsFile, sim.Credentials(id, simulator.RoleOwner)); err != nil {
		return err
	}
	server, err := sim.Serve(ctx, simulator.ServeOptions{Addr: o.listen, TLS: o.tls, CertFile: o.certFile, KeyFile: o.keyFile})
	if err != nil {
		return err
	}
	if o.caFile != "" && server.CA != nil {
		if err := os.WriteFile(o.caFile, server.CA, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "simulator: %s, parent account %s (id %d), its credentials in %s\n", server.URL, o.parent, id, o.credentialsFile)
	return server.Wait()
}

// writePrivate writes a file that its owner alone may read, even where it was there before with another mode.
func writePrivate(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Close()
}
