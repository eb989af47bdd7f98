// Command child-account-operator keeps child accounts of a telephony provider as they are declared.
package main

import (
	"os"

	"cpaas.dev/child-account-operator/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:]))
}
