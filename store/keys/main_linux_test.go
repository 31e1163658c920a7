package keys

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// children are what a test may run as a process of its own: under another user, with
// less memory, with other settings of the run-time. Each ends the process by itself, or
// with 0 when it returns.
var children = map[string]func(){
	"cache-session":        cacheSessionChild,
	"cache-session-forget": cacheSessionForgetChild,
	"cache-user":           cacheUserChild,
	"cache-quota":          cacheQuotaChild,
	"cache-blocked":        cacheBlockedChild,
}

const childVariable = "REGSHAPE_KEYS_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		child, ok := children[name]
		if !ok {
			panic("no child " + name)
		}
		child()
		os.Exit(0)
	}
	testenv.Waiting() // for daemons of other programs, and time limits
	testenv.Main(m, testenv.InMemory()...)
}

// childCommand prepares this test binary as the child of that name. words are a program
// that runs it, such as 'keyctl session -', or nothing.
func childCommand(t *testing.T, name string, words ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words = append(words, self)
	return testenv.Command(testenv.Environ(t.TempDir(), childVariable+"="+name), words[0], words[1:]...)
}

// runChild runs it and returns what it prints.
func runChild(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// childMust ends a child that has found something wrong.
func childMust(ok bool, format string, arguments ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, format+"\n", arguments...)
		os.Exit(1)
	}
}
