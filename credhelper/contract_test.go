package credhelper

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/scripts/testenv"
)

// TestMain lets the test binary stand for the helper: started by the helper's name, it is
// the helper, wired as the program wires it.
func TestMain(m *testing.M) {
	if program, is := Named(os.Args[0], Program); is {
		os.Exit(Run(context.Background(), Call{
			Program: program, Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
			Getenv: os.Getenv, Version: "test",
		}))
	}
	testenv.Main(m, testenv.InMemory()...)
}

// process is the helper as callers meet it: a program of its own, with a store of its own.
type process struct{ program, store string }

func newProcess(t *testing.T) process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := process{filepath.Join(t.TempDir(), Program), t.TempDir()}
	if runtime.GOOS == "windows" { // a link needs a privilege there
		p.program += ".exe"
		data, err := os.ReadFile(self)
		if err = errors.Join(err, os.WriteFile(p.program, data, 0o700)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	// No copy: a program that was just written is busy while another test starts a process.
	if err := os.Symlink(self, p.program); err != nil {
		t.Fatal(err)
	}
	return p
}

// answer is what a caller can see of one call.
type answer struct {
	code        int
	stdout, err string
}

func (p process) call(t *testing.T, action, input string) answer {
	t.Helper()
	// No caller has a time limit; a helper that waits would hang it.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := testenv.CommandContext(ctx, testenv.Environ(filepath.Dir(p.program), "REGSHAPE_STORE="+p.store), p.program, action)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(input), &out, &errOut
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("%s: %v", action, err)
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// What callers compare to the letter.
const notFound = "credentials not found in native keychain\n"

// exchange is one call and the answer that it must get; nothing may stand on stderr.
type exchange struct {
	action, sends string
	code          int
	gets          string // the whole of stdout
}

func stores(server, user, secret string) exchange {
	return exchange{"store", `{"ServerURL":"` + server + `","Username":"` + user + `","Secret":"` + secret + "\"}\n", 0, ""}
}

func finds(server, user, secret string) exchange {
	return exchange{"get", server, 0, `{"ServerURL":"` + server + `","Username":"` + user + `","Secret":"` + secret + "\"}\n"}
}

func misses(server string) exchange { return exchange{"get", server, 1, notFound} }

func erases(server string) exchange { return exchange{"erase", server, 0, ""} }

// lists is list as the library's callers ask for it.
func lists(want string) exchange { return exchange{"list", "unused", 0, want + "\n"} }

func TestContract(t *testing.T) {
	for _, c := range contracts {
		t.Run(c.caller, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t)
			for i, x := range c.exchanges {
				want := answer{x.code, x.gets, ""}
				if got := p.call(t, x.action, x.sends); got != want {
					t.Errorf("call %d, %s of %q:\n got %+v\nwant %+v\n(%s)", i+1, x.action, x.sends, got, want, c.source)
				}
			}
		})
	}
}

// The texts of the table are the library's own.
func TestContract_texts(t *testing.T) {
	if got := credentials.NewErrCredentialsNotFound().Error() + "\n"; got != notFound {
		t.Errorf("the library says %q", got)
	}
	for text, is := range map[string]func(string) bool{
		notFound:                    credentials.IsErrCredentialsNotFoundMessage,
		noServer:                    credentials.IsCredentialsMissingServerURLMessage,
		"no credentials username\n": credentials.IsCredentialsMissingUsernameMessage,
	} {
		if !is(text) {
			t.Errorf("the library does not know %q", text)
		}
	}
}

// docker-credential-helpers' own client package, which docker, buildx, oras and others
// are built with, gets on with the helper.
func TestContract_clientPackage(t *testing.T) {
	p := newProcess(t)
	env := map[string]string{"REGSHAPE_STORE": p.store, "REGSHAPE_PROFILE": "", "REGSHAPE_KEY_FILE": ""}
	program := client.NewShellProgramFuncWithEnv(p.program, &env)

	listed := func(want map[string]string) {
		t.Helper()
		// A nil map would have come of "null", which others cannot read.
		if got, err := client.List(program); err != nil || got == nil || !maps.Equal(got, want) {
			t.Errorf("list: %v, %v, want %v", got, err, want)
		}
	}
	missed := func(server string) {
		t.Helper()
		if _, err := client.Get(program, server); !credentials.IsErrCredentialsNotFound(err) {
			t.Errorf("get of %s: %v, want the error of a miss", server, err)
		}
	}

	listed(map[string]string{})
	missed("registry.example")
	if err := client.Erase(program, "registry.example"); err != nil {
		t.Errorf("erase of what is not there: %v", err)
	}
	for _, want := range []credentials.Credentials{
		{ServerURL: "registry.example", Username: "alice", Secret: "s1"},
		{ServerURL: "registry.example", Username: "<token>", Secret: `<&> "\/` + "\u2028\n"},
		{ServerURL: hubURL, Username: "bob", Secret: strings.Repeat("x", 60<<10)},
	} {
		if err := client.Store(program, &want); err != nil {
			t.Fatalf("store: %v", err)
		}
		if got, err := client.Get(program, want.ServerURL); err != nil || *got != want {
			t.Errorf("get of %s: %.200v, %v", want.ServerURL, got, err)
		}
	}
	listed(map[string]string{"registry.example": "<token>", hubURL: "bob"})
	missed("another.example")
	if err := client.Erase(program, "https://registry.example/v2/"); err != nil {
		t.Errorf("erase: %v", err)
	}
	missed("registry.example")
	listed(map[string]string{hubURL: "bob"})

	// The client knows two more texts, and hands every other one to its caller.
	for _, c := range []struct {
		input credentials.Credentials
		want  string
	}{
		{credentials.Credentials{Username: "u", Secret: "s"}, credentials.NewErrCredentialsMissingServerURL().Error()},
		{credentials.Credentials{ServerURL: "h.example", Secret: "s"}, credentials.NewErrCredentialsMissingUsername().Error()},
		{credentials.Credentials{ServerURL: "h.example", Username: "u", Secret: strings.Repeat("x", 64<<10)}, errTooLong.Error()},
	} {
		if err := client.Store(program, &c.input); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("store: %v, want %q in it", err, c.want)
		}
	}
	if _, err := client.Get(program, ""); err == nil || credentials.IsErrCredentialsNotFound(err) {
		t.Errorf("get of no address: %v", err)
	}
	listed(map[string]string{hubURL: "bob"})
}
