package engine_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"cpaas.dev/child-account-operator/internal/testenv"
)

func TestSpecs(t *testing.T) { testenv.RunSuite(t, "Engine") }

var _ = BeforeSuite(testenv.StartSuite, testenv.SuiteTimeout)

var _ = AfterSuite(testenv.ReportRightsUsed)

// Those of the other roles are looked at where the operator is deployed, in config.
var _ = ReportAfterSuite("The operator has used all of its rights", func(r Report) {
	testenv.ExpectRightsUsed(r, testenv.IsManagerRole)
})
