package acceptance

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	"regshape/scripts/testregistry"
)

// backupOf is the outcome of a key backup with the age file itself as its output.
func backupOf(o outcome) outcome {
	var answer struct{ Backup string }
	if err := json.Unmarshal([]byte(o.out), &answer); err == nil && answer.Backup != "" {
		o.out = answer.Backup
	}
	return o
}

// serve starts a registry of the walk's own.
func (j *jsonWalk) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	j.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// answers replies to every request with a status and a text.
func answers(status int, kind, text string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		if _, _, given := r.BasicAuth(); !given && status == http.StatusForbidden {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	})
}

// writeCA writes the certificate that a server has by its own authority.
func (j *jsonWalk) writeCA(name string, server *httptest.Server) string {
	return j.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o600)
}

func (j *jsonWalk) password() []string {
	return []string{"REGSHAPE_USERNAME=alice", "REGSHAPE_PASSWORD=" + j.secret()}
}

// in returns the environment of a separate home.
func (j *jsonWalk) in(home string, more ...string) []string {
	j.t.Helper()
	if err := os.MkdirAll(j.path(home), 0o700); err != nil {
		j.t.Fatal(err)
	}
	return append([]string{"HOME=" + j.path(home)}, more...)
}

func (j *jsonWalk) loginSteps() []step {
	open := j.serve(testregistry.New(testregistry.Options{}))
	tls := httptest.NewTLSServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": j.secret()}}))
	j.t.Cleanup(tls.Close)
	at := tls.Listener.Addr().String()
	ca := j.writeCA("ca.pem", tls)
	tokens := j.write("tokens.json", `{"auths":{"token.example":{"identitytoken":"t"}}}`, 0o600)
	password := j.password()
	maker := j.write("maker", "#!/bin/sh\necho "+j.secret()+"\n", 0o700)
	made := j.in("renewing")
	return []step{
		{command: "auth login", flags: []string{j.basic, "-u", "alice", "--command", maker}, env: made},
		{command: "auth list", env: made},
		{command: "auth trust", env: made},
		{command: "auth get", flags: []string{j.basic}, env: made},
		{command: "auth status", env: made},
		{command: "auth refresh", env: made, then: func(outcome) { j.write("maker", "#!/bin/sh\nexit 1\n", 0o700) }},
		{command: "auth refresh", env: made, fails: true},
		{command: "auth login", flags: []string{j.basic, "--for=8h"}, env: append(j.in("limited"), password...)},
		{command: "auth status", flags: []string{"--within=9h"}, env: j.in("limited"), fails: true},
		{command: "auth login", flags: []string{open}, env: password},
		{command: "auth login", flags: []string{at, "--insecure"}, env: password},
		{command: "auth list"},
		{command: "auth status", flags: []string{at, "--insecure"}},
		{command: "auth login", flags: []string{at, "--ca-file", ca}, env: password},
		{command: "auth login", flags: []string{"limited.example", "--skip-verify", "--for=8h"}, env: password},
		{command: "auth login", flags: []string{"plain.example", "--skip-verify"}, env: password},
		{command: "auth list"},
		{command: "auth list", flags: []string{"--authfile", tokens}},
		{command: "auth status", flags: []string{at}},
		{command: "auth get", flags: []string{"limited.example", "--show-secret"}},
		{command: "auth logout", flags: []string{"plain.example"}},
		{command: "auth logout", flags: []string{"nobody.example"}},
		{command: "auth login", flags: []string{j.bearer, "--identity-token"}, env: password},
		{command: "auth export", flags: []string{j.bearer, "--format=dockerconfigjson"}},
		{command: "auth export", flags: []string{j.bearer, "--format=auth.json"}},
		{command: "auth export", flags: []string{at, "--format=dockerconfigjson"}},
		{command: "auth export", flags: []string{at, "--format=kubernetes"}},
		{command: "auth export", flags: []string{at, "--format=kubernetes", "--namespace=team"}},
		{command: "auth token", flags: []string{open}, fails: true},
		{command: "auth token", flags: []string{j.bearer}},
	}
}

// statusSteps cover every outcome.
func (j *jsonWalk) statusSteps() []step {
	password := j.password()
	busy := j.serve(answers(http.StatusTooManyRequests, "application/json", "", "Retry-After", "3600"))
	denied := j.serve(answers(http.StatusForbidden, "application/json", `{"errors":[{"code":"DENIED","message":"not for you"}]}`))
	page := j.serve(answers(http.StatusOK, "text/html", "<html>"))
	odd := j.serve(answers(http.StatusTeapot, "application/json", ""))
	open := j.serve(testregistry.New(testregistry.Options{}))
	broken := j.in("broken")
	j.write("broken/.docker/config.json", "{", 0o600)
	return []step{
		{command: "auth status", flags: []string{j.basic}, env: password},
		{command: "auth status", flags: []string{j.basic, "-p", j.wrong}, env: password, fails: true},
		{command: "auth status", flags: []string{open}, env: password},
		{command: "auth status", flags: []string{busy, "--timeout=5s"}, env: password, fails: true},
		{command: "auth status", flags: []string{denied}, env: password, fails: true},
		{command: "auth status", flags: []string{page}, env: password, fails: true},
		{command: "auth status", flags: []string{odd}, env: password, fails: true},
		{command: "auth status", flags: []string{j.dead}, env: password, fails: true},
		{command: "auth status", flags: []string{j.tls}, env: password, fails: true},
		{command: "auth status", flags: []string{"ended.example"}, fails: true},
		{command: "auth status", flags: []string{"nobody.example"}, fails: true},
		{command: "auth status", flags: []string{"a.example"}, env: broken, fails: true},
		{command: "auth login", flags: []string{denied}, env: password, fails: true},
		{command: "docker-credential-regshape store", stdin: payload("no registry", "alice", j.secret()), env: j.in("odd")},
		{command: "auth status", env: j.in("odd"), then: func(outcome) { j.damage(j.one("odd/" + entries)) }},
		{command: "auth status", env: j.in("odd"), fails: true},
		{command: "auth list", env: j.in("odd"), fails: true},
	}
}

// sourceSteps cover every source of a credential.
func (j *jsonWalk) sourceSteps() []step {
	password := j.password()
	auths := `{"auths":{"a.example":{"auth":"` + base64Of("alice:"+j.secret()) + `"}}}`
	file := j.write("a.json", auths, 0o600)
	variable := "DOCKER_AUTH_CONFIG=" + auths
	j.write("sources/.docker/config.json", strings.TrimSuffix(auths, "}")+`,"credsStore":"canary"}`, 0o600)
	j.write("helpers/.docker/config.json", `{"credHelpers":{"helper.example":"canary"}}`, 0o600)
	j.write("podman/.config/containers/registries.conf", `credential-helpers = ["canary"]`, 0o600)
	j.write("kept", payload("a.example", "alice", j.secret()), 0o600)
	j.write("behind/.docker/config.json", auths, 0o600)
	j.write("behind/.config/containers/auth.json", "{", 0o600)
	get := func(flags []string, env ...string) step { return step{command: "auth get", flags: flags, env: env} }
	a := []string{"a.example"}
	mine := append(j.in("sources"), password...)
	return []step{
		get(a, j.in("none")...),
		get(a, append(j.in("none"), password...)...),
		get([]string{"a.example", "--authfile", file}),
		get([]string{"a.example", "--authfile", file}, password...),
		get(a, append(j.in("none"), variable)...),
		get(a, append(j.in("none", variable), password...)...),
		get(a, j.in("sources")...),
		get(a, mine...),
		get(a, j.in("podman")...),
		get(a, append(j.in("podman"), password...)...),
		get([]string{"plain.example"}),
		get([]string{"helper.example"}, j.in("helpers")...),
		get([]string{"helper.example"}, append(j.in("helpers"), password...)...),
		get(a, append(j.in("behind"), password...)...),
		{command: "auth login", flags: []string{"a.example", "--skip-verify"}, env: append(j.in("stored"), password...), then: func(outcome) { j.lend("a.example", "stored", "lent") }},
		get(a, j.in("lent")...),
		get(a, append(j.in("lent"), password...)...),
		get(a, j.in("stored")...),
		get(a, append(j.in("stored"), password...)...),
		{command: "auth login", flags: []string{"a.example", "--skip-verify", "--authfile", j.path("new.json")}, env: password},
		{command: "auth logout", flags: []string{"--all"}, env: j.in("stored"), then: func(outcome) {
			j.write("stored/.docker/config.json", auths, 0o600)
		}},
		{command: "auth logout", flags: []string{"--all"}, env: j.in("stored")},
	}
}

// lend forwards a login from one home to another until the test ends.
func (j *jsonWalk) lend(registry, from, to string) {
	j.t.Helper()
	forward := j.command(j.t.Context(), "", "regshape", "auth", "forward", "--allow", registry, "--", "env", j.in(to)[0])
	forward.Env = append(forward.Env, j.in(from)...)
	if err := forward.Start(); err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { _ = forward.Wait() }) // the end of the context has killed it
	for begun := time.Now(); time.Since(begun) < runLimit; time.Sleep(10 * time.Millisecond) {
		get := j.command(j.t.Context(), registry, "docker-credential-regshape", "get")
		get.Env = append(get.Env, j.in(to)...)
		if get.Run() == nil {
			return
		}
	}
	j.t.Fatal("nothing was lent")
}

func (j *jsonWalk) moveSteps() []step {
	env := j.in("move")
	from := j.write("move/.docker/config.json", `{"auths":{"b.example":{"auth":"`+base64Of("bob:first")+`"}}}`, 0o600)
	other := j.write("other.json", `{"auths":{"b.example":{"auth":"`+base64Of("bob:second")+`"},"c.example":{"auth":"!"}}}`, 0o600)
	bad := j.write("bad.json", "{", 0o600)
	return []step{
		{command: "auth import", flags: []string{"--dry-run"}, env: env},
		{command: "auth import", flags: []string{"--from", from}, env: env},
		{command: "auth import", env: env},
		{command: "auth import", flags: []string{"--from", other, "--from", bad}, env: env, fails: true},
		{command: "auth import", flags: []string{"--remove"}, env: env},
		{command: "auth logout", flags: []string{"--all"}, env: env},
	}
}

// setupSteps have a directory of programs with regshape's first name alone.
func (j *jsonWalk) setupSteps() []step {
	program, err := exec.LookPath("regshape")
	if err == nil {
		err = os.MkdirAll(j.path("own"), 0o700)
	}
	if err == nil {
		err = os.Symlink(program, j.path("own", "regshape"))
	}
	if err != nil {
		j.t.Fatal(err)
	}
	env := j.in("setup", "PATH="+j.path("own")+":/usr/bin:/bin")
	config := func(text string) func(outcome) {
		return func(outcome) { j.write("setup/.docker/config.json", text, 0o600) }
	}
	login := func(secret string) string {
		return `{"auths":{"b.example":{"auth":"` + base64Of("bob:"+secret) + `"}}}`
	}
	config(login("first"))(outcome{})
	node := []string{"--kubelet", "--bin-dir", j.path("plugins"), "--config", j.path("providers.yaml")}
	j.write("providers.yaml", "providers: []\n", 0o600)
	return []step{
		{command: "auth setup", flags: node, env: env, fails: os.Geteuid() != 0},
		{command: "auth setup", flags: []string{"--kubelet", "--undo"}, env: env},
		{command: "auth setup", flags: []string{"--docker", "--podman"}, env: env},
		{command: "auth setup", flags: []string{"--undo"}, env: env},
		{command: "auth setup", flags: []string{"--docker"}, env: env, then: config(`{"credsStore":"regshape","more":1}`)},
		{command: "auth setup", flags: []string{"--undo"}, env: env, then: config(login("second"))},
		{command: "auth setup", flags: []string{"--docker"}, env: env, fails: true, then: config(`{"credsStore":"none"}`)},
		{command: "auth setup", flags: []string{"--docker"}, env: env, fails: true},
		{command: "auth setup", flags: []string{"--docker", "--keep"}, env: env},
	}
}
