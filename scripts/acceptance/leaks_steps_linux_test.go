package acceptance

import (
	"encoding/base32"
	"encoding/base64"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// keyEncoding is that of the root key in a key line.
var keyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// lentOnce is another machine, where one client asks for one login.
const lentOnce = `exec 3<&0
HOME=$HOME/far; registry=$1; shift
"$@" <&3 &
for _ in $(seq 200); do
	echo $registry | docker-credential-regshape get 2>&1 | grep -q -e alice -e locked && kill -INT $PPID && exit
	sleep 0.1
done
kill $PPID # that is no success`

// steps is the walk. A step without want must not show any secret.
func (w *walk) steps() []step {
	const helper = "docker-credential-regshape "
	newKey := []string{"root key > key file"}
	sent := []string{"password > registry"}
	password := []string{"REGSHAPE_USERNAME=alice", "REGSHAPE_PASSWORD=" + w.secret()}
	hidden := append([]string{"DOCKER_AUTH_CONFIG=" + w.secret()}, password...) // from programs
	stdin := []string{"-u", "alice", "--password-stdin"}
	with := func(first string, more ...string) []string { return append([]string{first}, more...) }
	mine := "--passphrase-file=" + w.path("in", "passphrase")
	identity := "--identity=" + w.path("in", "identity")
	authfile := "--authfile=" + w.path("plain", "auth.json")
	backup := w.path("in", "backup.age")
	loud := []string{"--debug-calls", "--time-methods", "--time-scenarios", "--log-file=" + w.path("log")}
	saveBackup := func(o outcome) {
		w.write("in/backup.age", o.out, 0o600)
		w.silent("backup", o.text())
	}
	own, err := exec.LookPath("regshape")
	if err != nil {
		w.t.Fatal(err)
	}
	programs := filepath.Dir(own) // no docker, no podman: nothing to find fault with
	w.write("empty/nothing", "", 0o600)
	return []step{
		{command: helper + "store", stdin: payload("h.example", "alice", w.secret()), want: newKey},
		{command: helper + "store", stdin: payload("h.example", "alice", w.secret())[1:], fails: true},
		{command: helper + "get", stdin: "h.example\n", env: password, want: []string{"password > stdout"}},
		{command: helper + "get", stdin: "other.example\n", fails: true},
		{command: helper + "list", stdin: "unused"},
		{command: helper + "list", env: []string{"REGSHAPE_PROFILE=/" + w.secret()}, fails: true},
		{command: helper + "version"},
		{command: helper + "version", flags: []string{"x"}, fails: true},
		{command: helper + "erase", stdin: "h.example\n"},
		{command: helper + "erase", stdin: "\n", fails: true},

		// A program's secret that has ended at once, so each lookup makes another one.
		{command: "auth login", flags: append([]string{w.basic, "-u", "alice", "--command=maker", "--every=1ms"}, loud...), env: password, want: sent},
		{command: helper + "get", stdin: w.basic, env: hidden, want: []string{"password > stdout"}},
		{command: "auth refresh", flags: with(w.basic, loud...), env: hidden, then: func(outcome) {
			w.write("made", w.secret()+"\n"+w.secret()+"\n", 0o600)
		}},
		{command: helper + "get", stdin: w.basic, env: hidden, fails: true},
		{command: "auth refresh", flags: with(w.basic, loud...), env: hidden, fails: true},
		{command: "auth logout", flags: with(w.basic, loud...)},

		{command: "auth login", flags: append(with(w.basic, stdin...), loud...), stdin: w.secret(), want: sent},
		{command: "auth login", flags: append(with(w.basic, stdin...), loud...), stdin: w.wrong, fails: true, want: []string{"wrong password > registry"}},
		{command: "auth login", flags: with(w.bearer, loud...), env: password, want: sent},
		{command: "auth login", flags: []string{w.bearer, "-u", "alice", "-p", w.wrong}, fails: true, want: []string{"wrong password > registry"}},
		{command: "auth login", flags: with(w.dead, loud...), env: password, fails: true},
		{command: "auth login", flags: with(w.tls, loud...), env: password, fails: true},
		{command: "auth login", flags: with("skipped.example", "--skip-verify"), env: password},
		{command: "auth login", flags: with(w.basic, authfile), env: password, want: []string{"password > registry", "password > authfile"}},
		{command: "auth login", flags: with("helper.example", "--skip-verify"), env: password, want: []string{"password > helper"}},
		{command: "auth login", flags: append(with(w.bearer, "--identity-token"), loud...), env: password, want: sent},
		{command: "auth get", flags: with(w.bearer, "--show-secret", "--json"), then: w.learnToken, want: []string{"identity token > stdout"}},
		{
			command: "auth login", want: []string{"device login > registry"},
			flags: append(with(w.device, "--device", "--device-issuer", w.issuer, "--device-client-id", "cli"), loud...),
		},
		{command: "auth login", flags: with(w.device, "--device", "--device-client-id", "else"), fails: true},

		{command: "auth list", env: password},
		{command: "auth list", flags: []string{authfile}},
		{command: "auth list", flags: []string{"--profile=/" + w.secret()}, fails: true},
		{command: "auth status", flags: append([]string{"--json"}, loud...), fails: true, want: []string{
			"password > registry", "identity token > registry", "device login > registry",
		}},
		{command: "auth status", flags: with(w.basic, loud...), want: sent},
		{command: "auth get", flags: []string{"helper.example"}},
		{command: "auth get", flags: []string{w.basic, "--show-secret"}, want: []string{"password > stdout"}},
		{command: "auth get", flags: []string{w.basic}, env: password},
		{command: "auth get", flags: []string{"ubuntu:22.04"}, fails: true},
		{command: "auth token", flags: with(w.bearer, loud...), want: []string{"identity token > registry"}},
		{command: "auth token", flags: with(w.dead, loud...), env: password, fails: true},
		{command: "auth export", flags: []string{w.basic, "--format=kubernetes"}, want: []string{"password > stdout"}},
		{command: "auth export", flags: []string{w.basic, "--format=auth.json"}, want: []string{"password > stdout"}},
		{command: "auth export", flags: []string{w.dead, "--format=dockerconfigjson"}, env: password, fails: true},
		{command: "auth forward", flags: []string{"--allow", w.basic, "--", "sh", "-c", lentOnce, "sh", w.basic}, env: hidden, want: []string{"password > helper", "password > stdout", "password > who asks a forward"}},
		{command: "auth forward", flags: []string{"--all", "--", "false"}, env: password, fails: true},
		{command: "auth refresh", flags: with(w.device, loud...), want: []string{"device login > registry"}},
		{command: "auth refresh", flags: with(w.basic, loud...), env: password, fails: true},
		{command: "auth import", flags: []string{"--from=helper:canary", "--json"}},
		{command: "auth import", flags: []string{"--from=" + w.path("plain", "auth.json"), "--replace"}},
		{command: "auth import", flags: []string{"--from=" + w.path(".docker", "config.json"), "--remove"}, env: password},
		{command: "auth import", flags: []string{"--remove"}, env: password, fails: true}, // credHelpers names the helper
		{command: "auth import", flags: []string{"--from=helper:none"}, env: password, fails: true},
		{command: "auth setup", flags: []string{"--docker", "--host=setup.example"}, env: password},
		{command: "auth setup", flags: []string{"--undo"}, env: password},
		{command: "auth setup", flags: []string{"--host=", "--docker", "--podman", "--profile=/"}, env: password, fails: true},
		{command: "auth doctor", flags: loud, env: password, fails: true, want: []string{}},
		{command: "overview", env: password},
		{command: "overview", flags: []string{"--nonsense=" + w.secret()}, fails: true},
		{command: "version", env: password},
		{command: "version", flags: []string{"--nonsense"}, env: password, fails: true},
		{command: "auth version"},
		{command: "auth version", flags: []string{"--nonsense"}, env: password, fails: true},
		{command: "completion", flags: []string{"bash"}, env: password},
		{command: "completion", flags: []string{"tcsh"}, env: password, fails: true},
		{command: "auth completion", flags: []string{"zsh"}},
		{command: "auth completion", flags: []string{"tcsh"}, env: password, fails: true},

		{command: "auth key show", env: password},
		{command: "auth key show", flags: []string{"--nonsense"}, env: password, fails: true},
		{command: "auth key backup", flags: []string{"--recipient=" + w.recipient}, env: password, then: saveBackup},
		{command: "auth key backup", flags: []string{mine}, then: func(o outcome) { w.silent("backup", o.text()) }},
		{command: "auth key backup", flags: []string{"--recipient=" + w.wrong}, fails: true},
		{command: "auth key rotate", env: password, want: newKey},
		{command: "auth key rotate", flags: []string{"--resume", "--abort"}, env: password, fails: true},
		{command: "auth key restore", flags: []string{backup, identity}, env: password, fails: true}, // the key before this one
		{command: "auth key backup", flags: []string{"--recipient=" + w.recipient}, then: func(o outcome) {
			saveBackup(o)
			w.learn()
			if err := os.Remove(w.path(keyPath)); err != nil {
				w.t.Fatal(err)
			}
		}},
		{command: helper + "get", stdin: w.basic, fails: true},
		{command: "auth key restore", flags: []string{backup, identity}, want: newKey},

		{command: "auth key protect", flags: []string{"--recipient=" + w.recipient, identity, "--no-rotate"}, env: password, want: []string{
			"root key > kernel keyring", "store identity > kernel keyring",
		}},
		{command: "auth key protect", flags: []string{mine, "--no-rotate"}, env: password},
		{command: "auth key protect", flags: []string{"--recipient=" + w.wrong}, fails: true},
		{command: helper + "get", stdin: w.basic, want: []string{"password > stdout"}},
		{command: "auth lock", env: password},
		{command: "auth lock", flags: []string{"--nonsense"}, env: password, fails: true},
		{command: helper + "get", stdin: w.basic, fails: true},
		{command: "auth login", flags: with(w.basic, stdin...), stdin: w.secret(), fails: true},
		{command: "auth unlock", flags: []string{"--passphrase-file=" + w.path("in", "wrong")}, env: password, fails: true},
		{command: "auth unlock", flags: []string{mine}, env: password, want: []string{"root key > kernel keyring", "store identity > kernel keyring"}},
		{command: "auth key unprotect", flags: []string{"--slot=9"}, env: password, fails: true},
		{command: "auth key unprotect", flags: []string{"--no-rotate"}, env: password, want: newKey, then: func(outcome) {
			w.write("lines", w.read(keyPath), 0o600)
		}},
		{command: "auth key protect", flags: []string{"--command=vault", "--no-rotate"}, env: password},
		{command: helper + "get", stdin: w.basic, env: password, want: []string{"password > stdout"}},
		{command: "auth trust", flags: []string{"--revoke"}, env: password},
		{command: "auth trust", env: password, fails: true},
		{command: helper + "get", stdin: w.basic, env: password, fails: true},
		{command: "auth trust", flags: []string{"--yes"}, env: password},
		{command: "auth key unprotect", flags: []string{"--no-rotate"}, want: newKey},
		{command: "auth key generate", env: password, want: []string{"root key > stdout"}, then: func(o outcome) { w.learnKeys(o.out) }},
		{command: "auth key generate", flags: []string{"--nonsense"}, env: password, fails: true},
		{command: "auth logout", flags: with(w.device, loud...), want: []string{"device login > registry"}},
		{command: "auth logout", flags: []string{w.dead, "--all"}, env: password, fails: true},
		{command: "auth logout", flags: []string{"--all"}, env: password},
		{command: "auth doctor", env: append([]string{"HOME=" + w.path("empty"), "PATH=" + programs}, password...)},
		{command: "auth key reset", flags: []string{}, env: password, fails: true},
		{command: "auth key reset", flags: []string{"--forget-all-logins"}, env: password},
	}
}

// checkCommands wants a success and a failure of every command of the grammar, including
// hidden ones, and of every action of the helper.
func checkCommands(t *testing.T, steps []step) {
	t.Helper()
	wanted := grammarCommands(t)
	for _, action := range []string{"store", "get", "list", "erase", "version"} {
		wanted = append(wanted, "docker-credential-regshape "+action)
	}
	for _, command := range wanted {
		for _, fails := range []bool{false, true} {
			if !slices.ContainsFunc(steps, func(s step) bool { return s.command == command && s.fails == fails }) {
				t.Errorf("%s: no step that fails is %v; add one to the walk", command, fails)
			}
		}
	}
	for _, s := range steps {
		if !slices.Contains(wanted, s.command) {
			t.Errorf("%s is no command", s.command)
		}
	}
}

// grammarCommands reads the commands from the grammar's source, including hidden ones.
func grammarCommands(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "login/grammar.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	var walk func(fields *ast.FieldList, above string)
	walk = func(fields *ast.FieldList, above string) {
		for _, f := range fields.List {
			if f.Tag == nil || len(f.Names) == 0 {
				continue
			}
			tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
			if _, isCommand := tag.Lookup("cmd"); !isCommand {
				continue
			}
			name := strings.TrimSpace(above + " " + strings.ToLower(f.Names[0].Name))
			if inner, nested := f.Type.(*ast.StructType); nested {
				walk(inner.Fields, name)
				continue
			}
			commands = append(commands, name)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == "grammar" {
			walk(spec.Type.(*ast.StructType).Fields, "")
		}
		return true
	})
	if len(commands) < 20 {
		t.Fatalf("the grammar has %d commands only: %q", len(commands), commands)
	}
	shown := regexp.MustCompile(`(?m)^  (auth [a-z ]+?)  +[A-Z]`)
	for _, m := range shown.FindAllStringSubmatch(newHome(t).must("", "regshape", "auth", "--help").out, -1) {
		if !slices.Contains(commands, m[1]) {
			t.Errorf("--help shows %q, which was not found in the grammar's source", m[1])
		}
	}
	return commands
}
