// Package testenv gives tests, and the programs beside them, an environment built from
// nothing. A test that only put its own HOME in front of what it had inherited would reach
// the store, the logins and the keyring of whoever runs it through every other variable
// that names a place: XDG_DATA_HOME, REGSHAPE_STORE, DOCKER_CONFIG and so on.
//
//	cmd := testenv.Command(testenv.Environ(t.TempDir(), "REGSHAPE_PROFILE=work"), "regshape", "auth", "list")
//
// A package whose tests run the product's code in their own process has a TestMain that
// calls [Main].
package testenv

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/adrg/xdg"
)

// kept are the variables that tests and their children go on from. None names a file of
// the user's.
var kept = []string{
	"PATH", "CI", "GORACE", // make race sets that: no pause at every exit
	"SYSTEMROOT", // without it, Windows opens no socket
}

// Environ is an environment whose every place is home or below it, though nothing is made
// there. What more holds, NAME=value, comes last and so wins.
func Environ(home string, more ...string) []string {
	env := taken(kept)
	env = append(env, "HOME="+home, "USERPROFILE="+home, "TMPDIR="+home, "TMP="+home,
		// Unlike the other XDG directories, its default is not in the home.
		"XDG_RUNTIME_DIR="+filepath.Join(home, "run"))
	if runtime.GOOS == "windows" { // it does not ask the environment for the defaults
		for name, dir := range map[string]string{
			"XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state", "XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache",
		} {
			env = append(env, name+"="+filepath.Join(home, filepath.FromSlash(dir)))
		}
	}
	return append(env, more...)
}

// Go is an environment for the go command: whose caches and modules are used is all that it
// takes from whoever runs the tests. Without a home, it keeps no telemetry.
func Go(more ...string) []string {
	env := append(taken(kept), "TMPDIR="+os.TempDir(), "TMP="+os.TempDir())
	return append(append(env, GoSettings()...), more...)
}

// GoSettings are the settings of the go command alone, wherever they came from.
func GoSettings() []string { return slices.Clone(goSettings()) }

var goSettings = sync.OnceValue(func() []string {
	names := []string{
		"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOTOOLCHAIN", "CC",
	}
	env := []string{"GOENV=off"} // else a file below the home is asked
	if os.Getenv("GOENV") == "off" && os.Getenv("GOCACHE") != "" && os.Getenv("GOMODCACHE") != "" {
		return append(env, taken(names)...) // this process has got them here
	}
	out, err := exec.Command("go", append([]string{"env", "-json"}, names...)...).Output()
	values := map[string]string{}
	if err != nil || json.Unmarshal(out, &values) != nil {
		return append(env, taken(names)...) // whoever needs go will say so
	}
	for _, name := range names {
		env = append(env, name+"="+values[name])
	}
	return env
})

func taken(names []string) (env []string) {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Command is [exec.Command] for those who must not forget the environment.
func Command(env []string, name string, args ...string) *exec.Cmd {
	return CommandContext(context.Background(), env, name, args...)
}

// CommandContext is [exec.CommandContext], likewise.
func CommandContext(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	if env == nil {
		panic("testenv: no environment for " + name) // nil would be the one of this process
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	return cmd
}

// Prepared is for a test binary that a test of it runs once more, with more than [Environ]
// says: [Main] then leaves the environment as it is.
const Prepared = "TESTENV_PREPARED=1"

// Inherited is the environment of such a process, for what it starts itself.
func Inherited() []string {
	if !prepared() {
		panic("testenv: this process was started by nobody who uses Prepared")
	}
	return os.Environ()
}

func prepared() bool {
	name, value, _ := strings.Cut(Prepared, "=")
	return os.Getenv(name) == value
}

// Waiting has twice as many parallel tests run at once as there are processors, in packages
// whose tests wait for processes most of the time. What go test -parallel says wins.
func Waiting() {
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
}

// StayInMemory is [InMemory] for those that do not call [Main].
func StayInMemory() {
	for _, kv := range InMemory() {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
}

// Main runs the tests of a package in an environment built from nothing, with a home that
// is removed at the end, and exits. More is added to it. Tests are a *testing.M, or what has one.
func Main(m interface{ Run() int }, more ...string) {
	if prepared() {
		os.Exit(m.Run())
	}
	home, err := os.MkdirTemp("", "testenv-")
	if err != nil {
		panic(err)
	}
	env := taken([]string{"REGSHAPE_WRITE", "TESTENV_WHOLE", "TESTENV_TURN", "GODEBUG", "GOMAXPROCS"}) // switches of the tests and the run-time
	env = append(append(env, Environ(home, Go()...)...), more...)                                      // t.TempDir stays where it was: some paths have to be short
	os.Clearenv()
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	xdg.Reload()
	code := m.Run()
	if err := os.RemoveAll(home); err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}
