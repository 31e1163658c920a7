package acceptance

import (
	"os"
	"strings"
	"testing"
)

// Trust prints the program that would be run, and accepts only yes.
func TestTrustPrompts(t *testing.T) {
	t.Parallel()
	s := newHome(t)
	mark := s.path("started")
	program := s.write("vault", "#!/bin/sh\n>>'"+mark+"'\ncat \"$0-lines\"\n", 0o700)
	s.write("vault-lines", s.must("", "regshape", "auth", "key", "generate").out, 0o600)
	s.must("", "regshape", "auth", "key", "protect", "--command", program, "--", "--item", "two\x1b[1A words")
	s.must("", "regshape", "auth", "trust", "--revoke")
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	prompt := "Let this store start " + program + ` --item $'two\033[1A\040words'? [y/N]: `
	for _, answer := range []string{"n", "", "yep", "\x03", "\x04", "Yes"} {
		term := s.terminal("regshape", "auth", "trust")
		term.Await(prompt)
		key := answer
		if !strings.ContainsAny(answer, "\x03\x04") {
			key += "\n"
		}
		term.Input(key)
		code, want := 1, "not trusted  the key comes from: "
		switch answer {
		case "\x03":
			code, want = 130, ""
		case "Yes":
			code, want = 0, "This store may start these programs"
		}
		term.wantExit(code, "\x1b[1A")
		if want != "" {
			term.Await(want)
		}
		if _, err := os.Lstat(mark); (err == nil) != (answer == "Yes") { // then it shows the programs of the logins
			t.Errorf("after %q the program was started: %t", answer, err == nil)
		}
	}
	if got := s.must("", "regshape", "auth", "key", "backup", "--recipient", testRecipient).out; !strings.Contains(got, "AGE ENCRYPTED FILE") {
		t.Errorf("got %q, want an age file", got)
	}
}
