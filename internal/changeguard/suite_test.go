package changeguard_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"cpaas.dev/child-account-operator/internal/testenv"
)

func TestChangeguard(t *testing.T) { testenv.RunSuite(t, "Changeguard") }

var _ = BeforeSuite(testenv.StartSuite, testenv.SuiteTimeout)
