package credhelper

import (
	"maps"
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// docker-credential-helpers' own client package, which docker, buildx, oras and others
// are built with, gets on with the helper.
func TestContractOfClientPackage(t *testing.T) {
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
