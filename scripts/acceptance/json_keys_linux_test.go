package acceptance

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"

	"regshape/login/registry"
	"regshape/scripts/testregistry"
	"regshape/store"
	"regshape/store/keys"
)

// keySteps cover every place a key can be in, except the OS keyring.
func (j *jsonWalk) keySteps() []step {
	env := j.in("keys")
	const key = "keys/" + keyPath
	line := func() string { return j.must("", "regshape", "auth", "key", "generate").out }
	first, second := line(), line()
	secret := j.write("secret", first, 0o600)
	mounted := j.in("mounted", "REGSHAPE_KEY_FILE="+secret)
	identity := "--identity=" + j.path("in", "identity")
	look := func(env []string, more ...step) []step {
		return append([]step{
			{command: "auth key show", env: env},
			{command: "auth unlock", env: env},
			{command: "auth key rotate", flags: []string{"--abort"}, env: env},
		}, append(more, step{command: "auth lock", env: env})...)
	}
	steps := look(env, step{command: "auth key protect", flags: []string{"--recipient=" + j.recipient, identity, "--no-rotate"}, env: j.in("fresh")})
	steps = append(steps,
		step{command: "auth lock", env: j.in("fresh"), then: func(outcome) { j.plantPlugin("fresh") }},
		step{command: "auth trust", flags: []string{"--yes"}, env: j.in("fresh", "PATH="+j.path("own"))},
		step{command: "auth login", flags: []string{"k.example", "--skip-verify"}, env: append(env, j.password()...)},
		step{command: "auth key protect", flags: []string{"--recipient=" + j.recipient, identity}, env: env},
		step{command: "auth key rotate", env: env})
	steps = append(steps, look(env)...)
	steps = append(steps,
		step{command: "auth key show", env: env},
		step{command: "auth status", flags: []string{"k.example"}, env: env, fails: true},
		step{command: "auth forward", flags: []string{"--all", "--", "sh", "-c", lentOnce, "sh", "k.example"}, env: env},
		step{command: "auth get", flags: []string{"k.example"}, env: env, fails: true},
		step{command: "auth key rotate", env: env, fails: true},
		step{command: "auth unlock", flags: []string{identity}, env: env},
		step{command: "auth key unprotect", flags: []string{"--no-rotate"}, env: env, then: func(outcome) { j.write("lines", j.read(key), 0o600); j.write(key, "damaged", 0o600) }},
		step{command: "auth key show", env: env, then: func(outcome) { j.write(key, j.read("lines"), 0o600) }},
		step{command: "auth key protect", flags: []string{"--command=vault", "--no-rotate", "--", "argument"}, env: env},
		step{command: "auth trust", env: env},
		step{command: "auth trust", flags: []string{"--revoke"}, env: env},
		step{command: "auth trust", env: env, fails: true},
		step{command: "auth key show", env: env},
		step{command: "auth trust", flags: []string{"--yes"}, env: env})
	steps = append(steps, look(env)...)
	steps = append(steps,
		step{command: "auth login", flags: []string{"k.example", "--skip-verify"}, env: append(mounted, j.password()...)})
	steps = append(steps, look(mounted)...)
	return append(steps,
		step{command: "auth key rotate", env: mounted, fails: true, then: func(outcome) { j.write("secret", first+second, 0o600) }},
		step{command: "auth key rotate", env: mounted},
		step{command: "auth key show", env: mounted})
}

// plantPlugin turns the only slot of a home's store into a plugin slot.
func (j *jsonWalk) plantPlugin(home string) {
	j.t.Helper()
	slots, err := filepath.Glob(j.path(home, ".local/share/regshape/v1/slots/*/1.recipient.age"))
	if err != nil || len(slots) != 1 {
		j.t.Fatalf("%v, %v", slots, err)
	}
	j.write("own/age-plugin-trap", "#!/bin/sh\n", 0o700)
	if err := os.Rename(slots[0], filepath.Join(filepath.Dir(slots[0]), "1.plugin-trap.age")); err != nil {
		j.t.Fatal(err)
	}
}

// deviceLogin starts an issuer with a registry and returns a device login there.
func (j *jsonWalk) deviceLogin(opts testregistry.IssuerOptions, more ...string) (name string, login step) {
	j.t.Helper()
	opts.ClientID = "cli"
	_, at, server, err := testregistry.Devices(opts)
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(server.Close)
	j.t.Cleanup(at.Close)
	name = server.Listener.Addr().String()
	flags := append([]string{name, "--device", "--device-issuer", at.URL, "--device-client-id", "cli"}, more...)
	return name, step{command: "auth login", flags: flags}
}

// refreshSteps cover the reasons why a login is not renewed.
func (j *jsonWalk) refreshSteps() []step {
	once, first := j.deviceLogin(testregistry.IssuerOptions{NoRefresh: true})
	tls := httptest.NewTLSServer(nil)
	defer tls.Close()
	ca := j.writeCA("device-ca.pem", tls)
	trusting, second := j.deviceLogin(testregistry.IssuerOptions{}, "--ca-file", ca)
	second.then = func(outcome) {
		if err := os.Remove(ca); err != nil {
			j.t.Fatal(err)
		}
	}
	var gone atomic.Pointer[string]
	before := func(http.ResponseWriter, *http.Request) bool {
		if name := gone.Load(); name != nil { // while the issuer renews it
			if out, err := j.command(j.t.Context(), *name+"\n", "docker-credential-regshape", "erase").CombinedOutput(); err != nil {
				j.t.Errorf("%v: %s", err, out)
			}
		}
		return false
	}
	removed, third := j.deviceLogin(testregistry.IssuerOptions{Before: before})
	third.then = func(outcome) { gone.Store(&removed) }
	refresh := func(name string) step {
		return step{command: "auth refresh", flags: []string{name}, fails: true}
	}
	return []step{
		{command: "auth refresh"},
		refresh("nobody.example"),
		first, refresh(once),
		second, refresh(trusting),
		third, refresh(removed),
		{command: "auth refresh", flags: []string{"docker.io", "--store", j.hubStore()}},
	}
}

// hubStore is a store as a device login at Docker Hub leaves it, which needs Docker's own
// issuer.
func (j *jsonWalk) hubStore() string {
	j.t.Helper()
	dir := j.path("hub")
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		j.t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err == nil {
		err = s.Put(j.t.Context(), store.Credential{
			ServerURL: store.HubAddress, Username: "alice", Secret: j.secret(), Kind: store.KindDevice,
			Renew: &store.Renewal{Issuer: registry.HubIssuer, ClientID: "cli"},
		})
	}
	if err != nil {
		j.t.Fatal(err)
	}
	return dir
}

func (j *jsonWalk) otherSteps() []step {
	const registries = "/.config/containers/registries.conf"
	j.write("one/.docker/config.json", "{}", 0o600)
	j.write("two/.docker/config.json", `{"credsStore":"regshape"}`, 0o600)
	j.write("two"+registries, `credential-helpers = ["regshape"]`, 0o600)
	j.write("three/.docker/config.json", "{", 0o600)
	j.write("three"+registries, "{", 0o600)
	j.write("tools/podman", "#!/bin/sh\n", 0o700)
	gone := j.serve(http.NotFoundHandler())
	return []step{
		{command: "overview", env: j.in("zero", "PATH="+j.path("own"))},
		{command: "overview", env: j.in("one", "PATH="+j.path("own")+":"+j.path("tools"))},
		{command: "overview", env: j.in("two")},
		{command: "overview", env: j.in("three")},
		{command: "overview", env: []string{"REGSHAPE_PROFILE=/"}},
		{command: "completion", flags: []string{"bash"}},
		{command: "completion", flags: []string{"zsh"}},
		{command: "completion", flags: []string{"fish"}},
		{command: "auth login", flags: []string{gone}, env: j.password(), fails: true},
	}
}
