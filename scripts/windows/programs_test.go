//go:build wine && linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
)

// drive is C: of the prefix that main.go has made, env the environment of programs there.
var (
	drive string
	env   []string
)

// programs is where both names are on that drive, and first on its PATH.
const programs = `C:\Program Files\regshape`

func TestMain(m *testing.M) {
	prefix := os.Getenv("WINEPREFIX")
	if prefix == "" {
		fmt.Fprintln(os.Stderr, "windows: 'go run ./scripts/windows' runs these tests, in a prefix of its own")
		os.Exit(1)
	}
	drive = filepath.Join(prefix, "drive_c")
	env = testenv.Go("WINEPATH="+programs, "NO_PROXY=*")
	for _, name := range []string{"HOME", "WINEPREFIX", "WINEARCH", "WINEDEBUG", "WINEDLLOVERRIDES"} {
		env = append(env, name+"="+os.Getenv(name))
	}
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "windows:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// build puts both names on the drive, and a program that holds a file.
func build() error {
	dir := onLinux(programs)
	for program, pkg := range map[string]string{"regshape.exe": "regshape", "hold.exe": "regshape/scripts/windows/hold"} {
		cmd := testenv.Command(testenv.Go("GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"), "go", "build", "-o", filepath.Join(dir, program), pkg)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return os.Link(filepath.Join(dir, "regshape.exe"), filepath.Join(dir, "docker-credential-regshape.exe"))
}

// onLinux is where a path on the drive really is.
func onLinux(path string) string {
	return filepath.Join(drive, strings.ReplaceAll(strings.TrimPrefix(path, `C:\`), `\`, "/"))
}

// profile is the directory of the user whom wine makes.
func profile(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(onLinux(`C:\users\*\AppData`))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v: want one profile", found, err)
	}
	return filepath.Dir(found[0])
}

// session is a store of a test's own, named by REGSHAPE_STORE. Its key is in Credential Manager.
type session struct {
	t    *testing.T
	dir  string // on the drive
	more []string
}

func newSession(t *testing.T, more ...string) *session {
	t.Helper()
	dir := `C:\` + t.Name()
	if err := os.Mkdir(onLinux(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return &session{t, dir, append(more, `REGSHAPE_STORE=`+dir+`\store`, `DOCKER_CONFIG=`+dir+`\docker`)}
}

// file is a file of the session's directory, as Linux names it.
func (s *session) file(name string) string { return onLinux(s.dir + `\` + name) }

// outcome is how a program ended.
type outcome struct {
	code        int
	out, stderr string
}

func (o outcome) text() string { return fmt.Sprintf("exit %d\n%s%s", o.code, o.out, o.stderr) }

// command starts a program of [programs] with these words.
func (s *session) command(ctx context.Context, input, words string, more ...string) *exec.Cmd {
	args := slices.Concat(wine, strings.Fields(words), more)
	args[len(wine)] = programs + `\` + args[len(wine)] + ".exe"
	cmd := testenv.CommandContext(ctx, append(env[:len(env):len(env)], s.more...), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	return cmd
}

func (s *session) run(input, words string, more ...string) (o outcome) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var out, stderr bytes.Buffer
	cmd := s.command(ctx, input, words, more...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) || ctx.Err() != nil {
		s.t.Fatalf("%s: %v", words, cmp.Or(ctx.Err(), err))
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// says runs a program that must exit with this code, and print each of these texts.
func (s *session) says(code int, texts []string, input, words string, more ...string) outcome {
	s.t.Helper()
	o := s.run(input, words, more...)
	for _, text := range texts {
		if !strings.Contains(o.text(), text) {
			s.t.Errorf("%s: no %q in\n%s", words, text, o.text())
		}
	}
	if o.code != code {
		s.t.Errorf("%s: want exit %d:\n%s", words, code, o.text())
	}
	return o
}

const (
	helper = "docker-credential-regshape "
	miss   = "credentials not found in native keychain\n"
)

func payload(server, user, secret string) string {
	return fmt.Sprintf("{\"ServerURL\":%q,\"Username\":%q,\"Secret\":%q}\n", server, user, secret)
}

func (s *session) stores(server, user, secret string) {
	s.t.Helper()
	if o := s.run(payload(server, user, secret), helper+"store"); o != (outcome{}) {
		s.t.Errorf("store of %s: %s", server, o.text())
	}
}

// gives wants exactly this answer of get.
func (s *session) gives(server, user, secret string) {
	s.t.Helper()
	if o := s.run(server, helper+"get"); o != (outcome{0, payload(server, user, secret), ""}) {
		s.t.Errorf("get of %s: exit %d, %d bytes, %s; want %s's secret of %d bytes", server, o.code, len(o.out), o.stderr, user, len(secret))
	}
}

// The helper's contract, with what Windows' code pages and pipes could spoil.
func TestHelper(t *testing.T) {
	s := newSession(t)
	s.says(0, []string{"docker-credential-regshape (regshape) dev\n"}, "", helper+"version")
	if o := s.run("ghcr.io", helper+"get"); o.code != 1 || o.out != miss {
		t.Errorf("get of what is not there: %s", o.text())
	}
	if o := s.run("", helper+"list"); o != (outcome{0, "{}\n", ""}) {
		t.Errorf("list of an empty store: %s", o.text())
	}
	long := strings.Repeat("0123456789abcdef", 60<<10/16)
	for server, secret := range map[string]string{"a.example": "pässword ✓ \t 'q' $x %PATH%", "b.example:5000": long, "https://c.example/v2/": "s"} {
		s.stores(server, "álice", secret)
		s.gives(server, "álice", secret)
	}
	if o := s.run("HTTPS://A.example:443", helper+"get"); !strings.Contains(o.out, `"ServerURL":"HTTPS://A.example:443"`) {
		t.Errorf("the ServerURL asked for is not given back: %s", o.text())
	}
	if o := s.run("", helper+"list"); o.out != `{"a.example":"álice","b.example:5000":"álice","https://c.example/v2/":"álice"}`+"\n" {
		t.Errorf("list: %s", o.text())
	}
	s.says(0, nil, "a.example", helper+"erase")
	s.says(1, []string{miss}, "a.example", helper+"get")
}

// Each change of the place of the key and back keeps every login.
func TestCredentialManager(t *testing.T) {
	s := newSession(t)
	s.stores("a.example", "alice", "s3cret")
	s.says(0, []string{"OS keyring"}, "", "regshape auth key show")
	if _, err := os.Stat(s.file(`store\key`)); err == nil {
		t.Error("there is a key file")
	}
	if err := os.WriteFile(s.file("passphrase"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"unprotect", "protect --keyring", "rotate", "unprotect", "protect --passphrase-file " + s.dir + `\passphrase`} {
		s.says(0, nil, "", "regshape auth key "+words)
		if !strings.Contains(words, "passphrase") {
			s.gives("a.example", "alice", "s3cret")
		}
	}
}

// What setup writes, undo takes back to the byte.
func TestSetup(t *testing.T) {
	s := newSession(t)
	const before = "{\r\n\t\"HttpHeaders\": {\"X\": \"ü\"}\r\n}"
	config := s.file(`docker\config.json`)
	if err := errors.Join(os.Mkdir(filepath.Dir(config), 0o700), os.WriteFile(config, []byte(before), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.says(0, nil, "", "regshape auth setup --docker")
	if data, _ := os.ReadFile(config); !strings.Contains(string(data), `"credsStore": "regshape"`) || !strings.Contains(string(data), `"X": "ü"`) {
		t.Errorf("after setup: %s", data)
	}
	s.says(0, nil, "", "regshape auth setup --undo")
	if data, _ := os.ReadFile(config); string(data) != before {
		t.Errorf("after undo: %q", data)
	}
}

func TestImport(t *testing.T) {
	s := newSession(t)
	config := s.file(`docker\config.json`)
	const before = `{"auths": {"ghcr.io": {"auth": "YWxpY2U6cMOkc3M="}}, "proxies": {}}` // alice:päss
	if err := errors.Join(os.Mkdir(filepath.Dir(config), 0o700), os.WriteFile(config, []byte(before), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.says(0, []string{"1 login moved"}, "", "regshape auth import")
	s.gives("ghcr.io", "alice", "päss")
	s.says(0, []string{"removed"}, "", "regshape auth import --remove")
	if data, _ := os.ReadFile(config); strings.Contains(string(data), "YWxp") || !strings.Contains(string(data), `"proxies": {}`) {
		t.Errorf("after --remove: %s", data)
	}
	s.gives("ghcr.io", "alice", "päss")
}
