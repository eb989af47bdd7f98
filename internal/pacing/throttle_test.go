package pacing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/pacing"
)

var (
	throttled = &account.Error{Class: account.Throttled, Answered: true}
	refused   = &account.Error{Class: account.Invalid, Answered: true}
	// troubled is an answer, if one of a provider in trouble; silent is none.
	troubled = &account.Error{Class: account.Unavailable, Answered: true}
	silent   = &account.Error{Class: account.Unavailable, Message: "no answer"}
)

// throttling is a budget that counts how often it tells that rate-limiting begins or ends.
type throttling struct {
	*pacing.Budget
	t    *testing.T
	told int
}

func inThrottling(t *testing.T, do func(*throttling)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &throttling{Budget: pacing.NewBudget(plenty, 1), t: t}
		b.OnTurn(func() {
			b.told++
			b.Throttled() // as who is told asks
		})
		do(b)
	})
}

// after has time pass and then answers come; nil is a good one.
func (b *throttling) after(d time.Duration, answers ...*account.Error) {
	sleep(d)
	for _, a := range answers {
		b.Learn(a)
	}
}

func (b *throttling) expect(what string, left time.Duration, told int) {
	b.t.Helper()
	if is, for_ := b.Throttled(); is != (left > 0) || for_ != left || b.told != told {
		b.t.Errorf("%s: %v for %v, told %d times; want %v and %d", what, is, for_, b.told, left, told)
	}
}

// Rate-limiting begins with the first answer that says so, and ends once calls were answered otherwise for ten seconds.
func TestThrottled(t *testing.T) {
	inThrottling(t, func(b *throttling) {
		b.after(0, nil, refused)
		b.expect("answers of other kinds", 0, 0)
		b.after(time.Second, throttled)
		b.expect("the first", 10*time.Second, 1)
		b.after(time.Second, throttled)
		b.expect("another", 10*time.Second, 1)
		b.after(3*time.Second, nil)
		b.expect("an answer", 7*time.Second, 1)
		b.after(3*time.Second, throttled, nil)
		b.expect("some calls are answered all the same", 10*time.Second, 1)
		b.after(9*time.Second, refused)
		b.expect("nearly over", time.Second, 1)
		b.after(time.Second)
		b.expect("over without another call", 0, 1)
	})
}

// A call shows that it is over, and all are told.
func TestThrottledUntilACallIsAnswered(t *testing.T) {
	inThrottling(t, func(b *throttling) {
		b.after(0, throttled)
		b.after(time.Minute)
		b.expect("nobody has tried since", 10*time.Second, 1)
		b.after(0, nil)
		b.expect("answered", 0, 2)
		b.after(0, nil)
		b.expect("answered again", 0, 2)
	})
	inThrottling(t, func(b *throttling) {
		b.after(0, throttled)
		b.after(2*time.Minute - time.Second)
		b.expect("nobody tries any more", time.Second, 1)
		b.after(time.Second)
		b.expect("over all the same", 0, 1)
	})
}

// What is about one account says nothing of the others.
func TestThrottledOfOneAccount(t *testing.T) {
	inThrottling(t, func(b *throttling) {
		alone := *throttled
		alone.Alone = true
		b.after(0, &alone)
		b.expect("of one account", 0, 0)
		b.after(0, throttled)
		b.after(time.Minute, &alone)
		b.expect("which is no proof that others can be called", 10*time.Second, 1)
	})
}

// An outage takes the place of rate-limiting, which is not reported again with the outage's end.
func TestThrottledBeforeAnOutage(t *testing.T) {
	inThrottling(t, func(b *throttling) {
		b.after(0, throttled)
		b.after(time.Second, silent, silent)
		b.expect("two calls without an answer", 10*time.Second, 1)
		b.after(time.Second, silent)
		b.expect("an outage", 0, 1)
		b.after(time.Second, nil)
		b.expect("its end", 0, 1)
		b.after(time.Second, throttled)
		b.expect("rate-limited after it", 20*time.Second, 2)
	})
	inThrottling(t, func(b *throttling) { // in which the provider itself says that something is wrong
		b.after(0, throttled)
		b.after(5*time.Second, troubled)
		b.OtherTroubleOver()
		b.expect("no call was answered properly", 10*time.Second, 1)
		b.after(time.Second, nil)
		b.expect("one was", 4*time.Second, 1)
		b.OtherTroubleOver()
		b.expect("the other trouble is over", 0, 1)
		b.after(0, throttled)
		b.expect("rate-limited after it", 20*time.Second, 2)
	})
}

// Rate-limiting that comes and goes is one trouble soon: it is not told each time.
func TestThrottledNowAndThen(t *testing.T) {
	for every, most := range map[time.Duration]int{5 * time.Second: 1, 15 * time.Second: 3, 30 * time.Second: 5, 100 * time.Second: 9, 119 * time.Second: 9} {
		inThrottling(t, func(b *throttling) {
			for range int(time.Hour / every) {
				b.after(0, throttled, nil)
				b.after(every-time.Second, nil)
				b.after(time.Second)
			}
			if b.told < 1 || b.told > most {
				t.Errorf("every %v: told %d times in an hour, want %d at most", every, b.told, most)
			}
		})
	}
	inThrottling(t, func(b *throttling) { // long after it was over it is as the first time
		for range 5 {
			b.after(0, throttled, nil)
			b.after(time.Minute, nil)
		}
		b.after(10*time.Minute, throttled, nil)
		if _, left := b.Throttled(); left != 10*time.Second {
			t.Errorf("after ten quiet minutes it is over in %v", left)
		}
	})
}
