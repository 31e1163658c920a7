package acceptance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"regshape/scripts/testregistry"
)

// step is one command line of the walk. want lists every place where a secret is to be
// seen, as "secret > place"; everything else is a leak, and a place where nothing is seen
// is one that the trace does not watch.
type step struct {
	command string // of the grammar, "auth key show"; or the helper's name and action
	flags   []string
	stdin   string
	env     []string
	fails   bool
	want    []string
	then    func(o outcome)
}

// leakCommands walks through all commands in one home, each a success and a failure at
// least, under strace. Secrets that are made on the way (keys, tokens) are looked for in
// the whole walk, so also before they were known to the test.
func leakCommands(t *testing.T, tried *tally) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v: what the commands hand to the system is not looked at", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("the descriptors of a process that is not dumpable can be read by root alone")
	}
	w := newWalk(t, tried)
	t.Cleanup(func() { _ = w.run("", "regshape", "auth", "lock") }) // also when it was cut short
	steps := w.steps()
	checkCommands(t, steps)
	type walked struct {
		step step
		seen []sighting
	}
	var all []walked
	for i, st := range steps {
		log := filepath.Join(t.TempDir(), "trace")
		words := append(strings.Fields(st.command), st.flags...)
		if !strings.HasPrefix(st.command, "docker-credential-") {
			words = append([]string{"regshape"}, words...)
		}
		o := w.finish(func(ctx context.Context) *exec.Cmd {
			cmd := w.command(ctx, st.stdin, straced(log, words...)...)
			cmd.Env = append(append(cmd.Env, "CANARY_HOME="+w.home), st.env...)
			return cmd
		})
		if o.code != 0 != st.fails {
			t.Fatalf("step %d, %s %q: exit code %d:\n%s", i, st.command, st.flags, o.code, w.redact(o.text()))
		}
		w.silent(st.command, o.err) // also what a program writes there
		if st.then != nil {
			st.then(o)
		}
		w.learn()
		all = append(all, walked{st, ownCalls(t, log)})
	}
	w.known("password", "wrong password", "passphrase", "identity token", "root key", "root key, raw", "age identity", "store identity", "device login")
	for i, one := range all {
		got, want := w.found(one.seen, w.named, w.servers), slices.Clone(one.step.want)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("step %d, %s %q: secrets go to\n  %s\nwant\n  %s", i, one.step.command, one.step.flags,
				strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// walk is the scene of the walk: registries, a foreign helper, and files of secrets.
type walk struct {
	*scene
	named               []named
	servers             []string // of the registries and of all that they send to
	basic, bearer, dead string
	device, issuer, tls string
	wrong, passphrase   string
	recipient           string
	issuing             *testregistry.Issuer
	identity            *age.X25519Identity
}

func newWalk(t *testing.T, tried *tally) *walk {
	t.Helper()
	w := &walk{scene: newScene(t, tried), wrong: "wrong-" + rand.Text(), passphrase: "pass-" + rand.Text()}
	w.name("password", w.secret())
	w.name("wrong password", w.wrong)
	w.name("passphrase", w.passphrase)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w.identity, w.recipient = identity, identity.Recipient().String()
	w.name("age identity", identity.String())
	w.write("in/passphrase", w.passphrase+"\n", 0o600)
	w.write("in/wrong", w.wrong+"\n", 0o600)
	w.write("in/identity", identity.String()+"\n", 0o600)

	users := map[string]string{"alice": w.secret()}
	serve := func(server *httptest.Server) string {
		t.Cleanup(server.Close)
		at := server.Listener.Addr().String()
		w.servers = append(w.servers, at)
		return at
	}
	w.basic = serve(httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: users})))
	tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{Users: users})
	if err != nil {
		t.Fatal(err)
	}
	realm := "http://" + serve(httptest.NewServer(tokens))
	w.bearer = serve(httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Realm: realm, Tokens: tokens})))
	w.tls = serve(httptest.NewTLSServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: users})))
	issuing, at, registry, err := testregistry.Devices(testregistry.IssuerOptions{ClientID: "cli", Claims: map[string]any{"preferred_username": "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	var deviceRealm string
	w.issuing, w.issuer, w.device = issuing, "http://"+serve(at), serve(registry)
	if _, deviceRealm, _ = strings.Cut(challengeOf(t, registry), `realm="http://`); deviceRealm == "" {
		t.Fatal("the registry names no realm")
	}
	deviceRealm, _, _ = strings.Cut(deviceRealm, `"`)
	w.servers = append(w.servers, strings.TrimSuffix(deviceRealm, "/"))
	closed := httptest.NewServer(nil)
	w.dead = closed.Listener.Addr().String()
	closed.Close()

	// A foreign helper that keeps its input in a plaintext file.
	w.write("bin/docker-credential-canary", `#!/bin/sh
case $1 in
store) cat >"$CANARY_HOME/kept" ;;
get) cat >/dev/null; cat "$CANARY_HOME/kept" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
list) if [ -f "$CANARY_HOME/kept" ]; then echo '{"helper.example":"alice"}'; else echo '{}'; fi ;;
erase) cat >/dev/null; rm -f "$CANARY_HOME/kept" ;;
esac
`, 0o700)
	w.write("bin/vault", "#!/bin/sh\ncat \"$CANARY_HOME/lines\"\n", 0o700)
	w.write("bin/maker", "#!/bin/sh\ntest -z \"$REGSHAPE_PASSWORD$DOCKER_AUTH_CONFIG\" && cat \"$CANARY_HOME/made\" | tee /dev/stderr\n", 0o700)
	w.write("made", w.secret()+"\n", 0o600)
	w.env = append(w.env, "PATH="+w.path("bin")+":"+os.Getenv("PATH"))
	w.write(".docker/config.json", `{"auths":{"plain.example":{"auth":"`+base64Of("alice:"+w.secret())+`"}},"credHelpers":{"helper.example":"canary"}}`, 0o600)
	return w
}

// challengeOf returns the challenge of a registry.
func challengeOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	answer, err := server.Client().Get(server.URL + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.Header.Get("Www-Authenticate")
}

// name adds a known secret to the walk.
func (w *walk) name(what, value string) {
	if one := (named{what, value}); value != "" && !slices.Contains(w.named, one) {
		w.named = append(w.named, one)
		w.secrets = append(w.secrets, value)
	}
}

// known fails if the walk never saw one of these secrets.
func (w *walk) known(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if !slices.ContainsFunc(w.named, func(n named) bool { return n.name == name }) {
			w.t.Errorf("the walk has met no %s", name)
		}
	}
}

// learn picks up the secrets that a step created.
func (w *walk) learn() {
	w.t.Helper()
	for _, file := range []string{w.path(keyPath), w.path("lines")} {
		if text, err := os.ReadFile(file); err == nil {
			w.learnKeys(string(text))
		}
	}
	for _, s := range w.issuing.Secrets() {
		w.name("device login", s)
	}
	slots, err := filepath.Glob(w.path(".local/share/regshape/v1/slots/*/*.recipient.age"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, slot := range slots {
		file, err := os.Open(slot)
		if err != nil {
			w.t.Fatal(err)
		}
		var text []byte
		clear, err := age.Decrypt(file, w.identity)
		if err == nil {
			text, err = io.ReadAll(clear)
		}
		_ = file.Close()
		if err != nil {
			w.t.Fatalf("open a slot: %v", err)
		}
		w.name("store identity", strings.TrimSpace(string(text)))
	}
}

// learnKeys takes the root key out of key lines: its base32, and the bytes themselves,
// whose hexadecimal and base64 are looked for with them.
func (w *walk) learnKeys(text string) {
	w.t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 4 || words[0] != "REGSHAPE-KEY-1" {
			continue
		}
		raw, err := keyEncoding.DecodeString(words[2])
		if err != nil {
			w.t.Fatal("a key line is not base32")
		}
		w.name("root key", words[2])
		w.name("root key, raw", string(raw))
	}
}

// learnToken takes the identity token out of the answer of get --show-secret --json.
func (w *walk) learnToken(o outcome) {
	w.t.Helper()
	var answer struct {
		Secret        string
		IdentityToken bool `json:"identity_token"`
	}
	if err := json.Unmarshal([]byte(o.out), &answer); err != nil || !answer.IdentityToken || answer.Secret == "" {
		w.t.Fatalf("get gives no identity token: %v", err)
	}
	w.name("identity token", answer.Secret)
}
