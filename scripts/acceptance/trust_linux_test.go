package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Trust shows at a terminal what would be started, and takes nothing but yes for an answer.
func TestTrustPrompts(t *testing.T) {
	home := t.TempDir()
	program, mark := filepath.Join(home, "vault"), filepath.Join(home, "started")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n>>'"+mark+"'\ncat \"$0-lines\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program+"-lines", []byte(runIn(t, home, "auth", "key", "generate")), 0o600); err != nil {
		t.Fatal(err)
	}
	runIn(t, home, "auth", "key", "protect", "--command", program, "--", "--item", "two\x1b[1A words")
	runIn(t, home, "auth", "trust", "--revoke")
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	prompt := "Let this store start " + program + ` --item $'two\033[1A\040words'? [y/N]: `
	for _, answer := range []string{"n", "", "yep", "\x03", "\x04", "Yes"} {
		term := startTerminal(t, home, "auth", "trust")
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
			code, want = 0, "This store may start what it names"
		}
		term.wantExit(code, "\x1b[1A")
		if want != "" {
			term.Await(want)
		}
		if _, err := os.Lstat(mark); err == nil {
			t.Errorf("after %q the program was started", answer)
		}
	}
	if got := runIn(t, home, "auth", "key", "backup", "--recipient", "age1s9je9ep7y40kdu03jzwmcvcjh5u0rrcct0x0exs43897asdnh50seuevhc"); !strings.Contains(got, "AGE ENCRYPTED FILE") {
		t.Errorf("trusted: %s", got)
	}
	if _, err := os.Lstat(mark); err != nil {
		t.Error("the trusted program was not started")
	}
}
