package protocoltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// counterExamples show why each step is needed: what goes wrong without it, and does not go wrong with the whole protocol. In each the
// resource "one" declares the account acme-a from the start, and neither leader has read the list.
var counterExamples = []struct {
	step    string
	without steps
	moves   []move
	wrong   string // the violation
}{
	{"intent", steps{noIntent: true}, []move{
		sees(0), sees(1),
		reconciles(0, "one", "AddAccount", answerLost),
		reconciles(1, "one"), // its list is older
	}, secondAccount},
	{"read where the Secret was there", steps{noReadAfterIntent: true}, []move{
		sees(0), sees(1),
		reconciles(0, "one", "AddAccount", answerLost),
		reconciles(1, "one"), // its list is older
	}, secondAccount},
	{"read where there is an edit", steps{noReadWithStatus: true}, []move{
		sees(0), sees(1),
		reconciles(0, "one", "AddAccount", answerLost),
		renames("one", "-renamed"),               // so no Secret tells of the attempt
		reconciles(1, "one", "watches", happens), // its list is older
	}, secondAccount},
	{"read where there is an edit, by a leader that knows the resource from before it", steps{noReadWithStatus: true}, []move{
		reconciles(1, "one"), // which waits for a list
		sees(0), sees(1),
		reconciles(0, "one", "AddAccount", answerLost),
		renames("one", "-renamed"),
		reconciles(1, "one", "watches", happens),
	}, secondAccount},
	{"claim check", steps{noClaimCheck: true}, []move{
		declares("two", "acme-a"),
		sees(0),
		reconciles(0, "one"),
		reconciles(0, "two"),
	}, "one account for two resources"},
	{"optimistic lock of the intent", steps{noLock: true}, []move{
		sees(0), sees(1),
		reconciles(0, "one", "AddAccount", requestLost),
		// It reads the Secret and the account, which is not there; meanwhile the other leader does the same, and creates it.
		reconciles(0, "one", "watches", happens, "interrupted by", nobody, "interrupted by", otherLeader, "resource", "one", "AddAccount", answerLost),
	}, secondAccount},
	{"read of the resource before its creation, where it is gone", steps{noReadOfResource: true}, []move{
		sees(0),
		deletes("one"),
		reconciles(0, "one"), // its cache is older
	}, "an account for a resource that is gone"},
	{"read of the resource before its creation, where it has a status", steps{noReadOfResource: true}, []move{
		sees(0), sees(1),
		reconciles(0, "one"),
		tampers("one"),       // deletes the Secret, so that only the status tells of the account
		reconciles(1, "one"), // its cache and its list are older
	}, secondAccount},
}

const secondAccount = "a second account for one resource"

func TestEachStepIsNeeded(t *testing.T) {
	for _, c := range counterExamples {
		t.Run("without "+c.step, func(t *testing.T) {
			if wrong, story := playScript(t, c.without, c.moves); !strings.Contains(wrong, c.wrong) {
				t.Errorf("without the step: %q, want %q:\n%s", wrong, c.wrong, story)
			}
			if wrong, story := playScript(t, steps{}, c.moves); wrong != "" {
				t.Errorf("with the whole protocol: %s:\n%s", wrong, story)
			}
		})
	}
}

// Every step of the protocol has its counter-example.
func TestEachStepHasACounterExample(t *testing.T) {
	var left steps
	for _, c := range counterExamples {
		left = steps{
			left.noIntent || c.without.noIntent, left.noReadAfterIntent || c.without.noReadAfterIntent, left.noReadWithStatus || c.without.noReadWithStatus,
			left.noClaimCheck || c.without.noClaimCheck, left.noLock || c.without.noLock, left.noReadOfResource || c.without.noReadOfResource,
		}
	}
	if want := (steps{true, true, true, true, true, true}); left != want {
		t.Errorf("left out in the counter-examples: %+v", left)
	}
}

// move is one move of a game, and what is chosen in it, in that order, by what the machine calls the choice. What is not said is the
// first choice: nobody interrupts, calls are answered.
type move struct {
	does   func(*machine, *rapid.T)
	chosen map[string][]string
}

const happens = "happens"

// made is a move with pairs of a choice's label and what is chosen.
func made(does func(*machine, *rapid.T), pairs ...any) move {
	m := move{does, map[string][]string{}}
	for pair := range slices.Chunk(pairs, 2) {
		label := fmt.Sprint(pair[0])
		m.chosen[label] = append(m.chosen[label], fmt.Sprint(pair[1]))
	}
	return m
}

func sees(leader int) move { return made((*machine).sees, "leader", leader) }

func reconciles(leader int, resource string, more ...any) move {
	return made((*machine).reconciles, append([]any{"leader", leader, "resource", resource}, more...)...)
}

func declares(resource, account string) move {
	return made((*machine).declares, "resource", resource, "account", account)
}

func renames(resource, to string) move {
	return made((*machine).renames, "resource", resource, "name", to)
}

func deletes(resource string) move {
	return made((*machine).deletes, "resource", resource, "rarely", happens)
}

func tampers(resource string) move {
	return made((*machine).tampers, "resource", resource, "rarely", happens)
}

// script makes the choices of the present move, and is told how it goes.
type script struct {
	chosen map[string][]string
	story  strings.Builder
}

// violation is what a script's game ends with where something goes wrong.
type violation string

func (s *script) Logf(format string, args ...any)   { fmt.Fprintf(&s.story, format+"\n", args...) }
func (s *script) Fatalf(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }
func (s *script) Fatal(args ...any)                 { panic(violation(fmt.Sprint(args...))) }

// next is what is chosen next, "" where the script does not say.
func (s *script) next(label string) string {
	all := s.chosen[label]
	if len(all) == 0 {
		return ""
	}
	s.chosen[label] = all[1:]
	return all[0]
}

func (s *script) choose(label string, n int, name func(int) string) int {
	wanted := s.next(label)
	for i := range n {
		if wanted == "" || name(i) == wanted {
			return i
		}
	}
	panic(violation(fmt.Sprintf("the script chooses %q for %q, which is no choice", wanted, label)))
}

func (s *script) happens(label string, _ int) bool { return s.next(label) == happens }

// playScript plays a script, and returns what went wrong, "" where nothing did, and the story.
func playScript(t *testing.T, without steps, moves []move) (wrong, story string) {
	t.Helper()
	return told(func(s *script) {
		m := newMachine(s, s, without)
		for _, move := range moves {
			s.chosen = map[string][]string{}
			for label, all := range move.chosen {
				s.chosen[label] = slices.Clone(all)
			}
			move.does(m, nil)
			m.check(nil)
		}
	})
}

// told plays a game, and returns what went wrong in it, "" where nothing did, and the story.
func told(play func(*script)) (wrong, story string) {
	s := &script{}
	defer func() {
		story = s.story.String()
		switch v := recover().(type) {
		case nil:
		case violation:
			wrong = string(v)
		default:
			panic(v)
		}
	}()
	play(s)
	return "", ""
}
