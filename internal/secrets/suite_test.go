package secrets_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"cpaas.dev/child-account-operator/internal/testenv"
)

func TestSpecs(t *testing.T) { testenv.RunSuite(t, "Secrets") }

var _ = BeforeSuite(testenv.StartSuite, testenv.SuiteTimeout)
