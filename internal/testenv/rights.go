package testenv

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// rightsUsed is what the operator has asked of the Kubernetes API and was let do, as "verb resource".
type rightsUsed struct {
	mu  sync.Mutex
	set map[string]bool
}

var used = &rightsUsed{set: map[string]bool{}}

// recording notes what goes through a transport.
func (u *rightsUsed) recording(next http.RoundTripper) http.RoundTripper {
	paths := &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	return RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if info, wrong := paths.NewRequestInfo(r); err == nil && wrong == nil && info.IsResourceRequest && response.StatusCode != http.StatusForbidden {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.set[info.Verb+" "+QualifiedResource(info.APIGroup, info.Resource+"/"+info.Subresource)] = true
		}
		return response, err
	})
}

// usedRights are the rights that the operators of this process have used so far.
func usedRights() []string {
	used.mu.Lock()
	defer used.mu.Unlock()
	return slices.Sorted(maps.Keys(used.set))
}

// rightsEntry is the report entry in which each process of the suite says what was used in it: "verb resource", one a line.
const rightsEntry = "rights used"

// ReportRightsUsed has a process of the suite say which rights were used in it, for ExpectRightsUsed.
func ReportRightsUsed() {
	AddReportEntry(rightsEntry, strings.Join(usedRights(), "\n"), ReportEntryVisibilityNever)
}

// rightsUsedIn are the rights that the operator used in all processes of the suite.
func rightsUsedIn(r Report) map[string]bool {
	all := map[string]bool{}
	processes := 0
	for _, spec := range r.SpecReports {
		for _, entry := range spec.ReportEntries {
			if entry.Name == rightsEntry {
				processes++
				for right := range strings.SplitSeq(entry.GetRawValue().(string), "\n") {
					all[right] = true
				}
			}
		}
	}
	Expect(processes).To(Equal(r.SuiteConfig.ParallelTotal), "every process says which rights it used")
	return all
}

// IsManagerRole says whether a role, by its name in config/rbac, is one for resources and what they refer to.
func IsManagerRole(role string) bool { return strings.HasPrefix(role, "manager-") }

// allButScale says whether all specs run, but perhaps for those of scale, which hack/test runs by themselves: they need no rights that no
// other spec needs.
func allButScale(r Report) bool {
	leftOut := 0
	if r.SuiteConfig.LabelFilter == "!scale" {
		for _, spec := range r.SpecReports {
			if slices.Contains(spec.Labels(), "scale") {
				leftOut++
			}
		}
	}
	return r.PreRunStats.SpecsThatWillRun+leftOut == r.PreRunStats.TotalSpecs
}

// ExpectRightsUsed expects that the operator has used all rights that config/default gives it by some roles, where all specs of
// the suite have passed. A right that no spec has needed is one too many, or one that no spec tries.
func ExpectRightsUsed(r Report, by func(role string) bool) {
	if !r.SuiteSucceeded || !allButScale(r) {
		return
	}
	used, unused, looked := rightsUsedIn(r), []string{}, 0
	for _, role := range rolesIn(Rendered("config/default")) {
		name := strings.TrimPrefix(role.Name, "child-account-operator-")
		if !by(name) {
			continue
		}
		for _, rule := range role.Rules {
			for _, what := range attributesOf(rule, role.Namespace) {
				looked++
				resource := QualifiedResource(what.Group, what.Resource+"/"+what.Subresource)
				right := what.Verb + " " + resource
				streamed := what.Verb == "list" && used["watch "+resource] // a list before a watch is for older API servers
				if !used[right] && !streamed {
					unused = append(unused, name+": "+right)
				}
			}
		}
	}
	Expect(unused).To(BeEmpty(), "what was used: %v", slices.Sorted(maps.Keys(used)))
	Expect(looked).To(BeNumerically(">", 0), "no role was looked at")
}
