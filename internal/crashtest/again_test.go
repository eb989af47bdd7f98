package crashtest

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"cpaas.dev/child-account-operator/internal/simulator"
)

// usualPairs is how many second crashes are tried for each first one of a scenario that has them.
const usualPairs = 1

// pairs say which: CRASH_PAIRS is how many for each, or all; CRASH_SEED draws the same ones again.
var pairs = sync.OnceValues(func() (seed uint64, most int) {
	seed, most = rand.Uint64(), usualPairs
	if s, err := strconv.ParseUint(os.Getenv("CRASH_SEED"), 10, 64); err == nil {
		seed = s
	}
	switch n, err := strconv.Atoi(os.Getenv("CRASH_PAIRS")); {
	case err == nil:
		most = n
	case os.Getenv("CRASH_PAIRS") == "all":
		most = -1
	}
	return seed, most
})

// chosen are the boundaries of a recovery at which the operator is killed again. Until it is connected it has done nothing
// that a second crash could spoil; what is said of the parent is a scenario of its own.
func (s scenario) chosen(first boundary, recovery []step) []boundary {
	if !s.again {
		return nil
	}
	var own []boundary
	connecting := map[string]bool{"GetAccountInfo": true, "GetChildrenAccounts: all": true, simulator.TwoSMSToken: true}
	for _, b := range s.boundariesOf(recovery) {
		if !connecting[b.what] {
			own = append(own, b)
		}
	}
	seed, most := pairs()
	if most < 0 || most > len(own) {
		return own
	}
	name := fnv.New64() // each has dice of its own: they are in no order
	_, _ = name.Write([]byte(s.name + first.String()))
	rand.New(rand.NewPCG(seed, name.Sum64())).Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	return own[:most]
}

func tellPairs(t *testing.T) {
	seed, most := pairs()
	t.Logf("CRASH_SEED=%d CRASH_PAIRS=%d", seed, most)
}
