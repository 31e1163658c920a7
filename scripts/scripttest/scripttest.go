// Package scripttest has what the txtar scripts may use beyond the commands of testscript:
// registries and issuers of their own, exit codes, and a search for secrets.
package scripttest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/advice"
	"regshape/scripts/testenv"
)

// Tests are those of a package of scripts, for [testscript.Main]: their directories are where
// a sync costs nothing, if there is such a place, and some wait while others work.
type Tests struct{ testscript.TestingM }

// Run runs them.
func (m Tests) Run() int {
	testenv.Waiting()
	testenv.StayInMemory()
	return m.TestingM.Run()
}

// Params are those of the scripts of one directory. Each script has a home of its own. The
// user is alice, and her password is made anew for every script, so that it can be looked for.
func Params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			secret := "canary-" + rand.Text()
			for _, kv := range testenv.Environ(home) { // Windows does not ask HOME
				if name, value, _ := strings.Cut(kv, "="); runtime.GOOS == "windows" && name != "PATH" {
					e.Setenv(name, value)
				}
			}
			e.Setenv("HOME", home)
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run")) // else podman's file in /run is looked at
			e.Setenv("SECRET", secret)
			e.Setenv("NO_PROXY", "127.0.0.1,localhost")
			e.Setenv("GORACE", os.Getenv("GORACE")) // make race: no pause at every exit
			e.Values["issuer"] = &stage{}
			if err := os.WriteFile(filepath.Join(e.WorkDir, "password"), []byte(secret+"\n"), 0o600); err != nil {
				return err
			}
			return os.Mkdir(home, 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      cmdCode,
			"registry":  cmdRegistry,
			"issuer":    cmdIssuer,
			"nosecret":  cmdNoSecret,
			"storefile": cmdStoreFile,
			"jsonline":  cmdJSONLine,
			"chmod":     cmdChmod,
			"echo":      cmdEcho,
			"sleep":     cmdSleep,
		},
	}
}

// code N PROGRAM ARGS… runs a program that must exit with N. Where that is a failure of
// regshape's, under any name, each error line must say what to do.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
	helper := strings.HasPrefix(args[1], "docker-credential-regshape")
	if got == 0 || !helper && args[1] != "regshape" {
		return
	}
	if missing := advice.Missing(helper, ts.ReadFile("stdout"), ts.ReadFile("stderr")); len(missing) > 0 {
		ts.Fatalf("no advice: %q", missing)
	}
}

// nosecret fails if the secret, raw or as base64 of it or of user:secret, is in any file
// below the directories, or in the last command's output.
func cmdNoSecret(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: nosecret [DIRECTORY…]")
	}
	secret := ts.Getenv("SECRET")
	forms := []string{secret}
	for _, plain := range []string{secret, "alice:" + secret} {
		forms = append(forms, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(plain)), "="))
	}
	look := func(where string, data []byte) {
		for _, form := range forms {
			if bytes.Contains(data, []byte(form)) {
				ts.Fatalf("%s holds the secret", where)
			}
		}
	}
	look("stdout", []byte(ts.ReadFile("stdout")))
	look("stderr", []byte(ts.ReadFile("stderr")))
	files := 0
	for _, dir := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			look(path, data)
			files++
			return err
		}))
	}
	if len(args) > 0 && files == 0 {
		ts.Fatalf("no files below %v", args)
	}
}

// storefile VARIABLE [N] sets a variable to the path of the store's only (or nth oldest)
// sealed file in the home.
func cmdStoreFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: storefile VARIABLE N")
	}
	files, err := filepath.Glob(filepath.Join(ts.Getenv("HOME"), ".local/share/regshape/v1/g-*/[0-9a-v]*"))
	ts.Check(err)
	slices.SortFunc(files, func(a, b string) int {
		ia, erra := os.Stat(a)
		ib, errb := os.Stat(b)
		ts.Check(erra)
		ts.Check(errb)
		return ia.ModTime().Compare(ib.ModTime())
	})
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n > len(files) {
		ts.Fatalf("the store has %d files", len(files))
	}
	ts.Setenv(args[0], files[n-1])
}

// jsonline FILE SERVER USER SECRET writes a store payload to a file.
func cmdJSONLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: jsonline FILE SERVER USER SECRET")
	}
	line := `{"ServerURL":` + strconv.Quote(args[1]) + `,"Username":` + strconv.Quote(args[2]) + `,"Secret":` + strconv.Quote(args[3]) + "}\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(line), 0o600))
}

// chmod MODE FILE changes an octal mode.
func cmdChmod(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: chmod MODE FILE")
	}
	mode, err := strconv.ParseUint(args[0], 8, 9)
	ts.Check(err)
	ts.Check(os.Chmod(ts.MkAbs(args[1]), fs.FileMode(mode)))
}

// echo WORD… prints them, also where there is no program for that.
func cmdEcho(ts *testscript.TestScript, _ bool, args []string) {
	_, err := fmt.Fprintln(ts.Stdout(), strings.Join(args, " "))
	ts.Check(err)
}

// sleep SECONDS waits, likewise.
func cmdSleep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sleep SECONDS")
	}
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	time.Sleep(time.Duration(seconds) * time.Second)
}
