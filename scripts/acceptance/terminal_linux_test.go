package acceptance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testterminal"
)

// terminal is a program of this build on a terminal.
type terminal struct {
	*testterminal.Terminal
	t *testing.T
}

// terminal starts a program on a terminal, in the scene's home.
func (s *scene) terminal(program string, args ...string) *terminal {
	s.t.Helper()
	return &terminal{testterminal.Start(s.t, testenv.Environ(s.home, s.env...), program, args...), s.t}
}

// awaitSlowly is Await for what takes a key derivation: a second of work on an idle machine.
func (term *terminal) awaitSlowly(text string) {
	term.t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(term.Text(), text) {
			return
		}
		select {
		case <-term.Ended():
			term.Await(text)
			return
		default:
		}
	}
	term.t.Fatalf("the terminal never showed %q, only:\n%s", text, term.Text())
}

// answer types a secret at the nth prompt of this text.
func (term *terminal) answer(prompt string, nth int, secret string) {
	term.t.Helper()
	for begin := time.Now(); strings.Count(term.Text(), prompt) < nth; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			term.t.Fatalf("%q was not asked for the %d. time:\n%s", prompt, nth, term.Text())
		}
	}
	term.AwaitEcho(false)
	term.Input(secret)
}

// wantExit checks the exit code, and that the secrets were not echoed.
func (term *terminal) wantExit(code int, secrets ...string) {
	term.t.Helper()
	select {
	case <-term.Ended():
	case <-time.After(time.Minute):
	}
	if got := term.ExitCode(); got != code {
		term.t.Fatalf("exit code %d, want %d:\n%s", got, code, term.Text())
	}
	for _, s := range secrets {
		if strings.Contains(term.Text(), s) {
			term.t.Errorf("the terminal shows a secret:\n%s", term.Text())
		}
	}
}

// keyState is what these tests read of key show.
func (s *scene) keyState() (state struct {
	Source string
	Locked bool
},
) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.must("", "regshape", "auth", "key", "show", "--json").out), &state); err != nil {
		s.t.Fatal(err)
	}
	return state
}
