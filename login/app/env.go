// Package app is what every command of the front end gets: the flags, the streams, the
// store and the registry client that they choose, and how an error becomes a message, a
// hint and an exit code.
package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"regshape/login/authfile"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Globals are the flags that every command accepts.
type Globals struct {
	Username string `short:"u" placeholder:"USER" group:"Account" help:"User name ($REGSHAPE_USERNAME)."`
	Password string `short:"p" placeholder:"SECRET" group:"Account" help:"Password, which other processes can see; - is --password-stdin. Prefer that or $REGSHAPE_PASSWORD."`

	PasswordStdin bool `name:"password-stdin" group:"Account" help:"Read the password from standard input; one line ending at the end is removed."`

	JSON bool `name:"json" help:"Print one JSON value on standard output."`

	Profile string `placeholder:"NAME" group:"Store" help:"Use the store of this profile, for a second account ($REGSHAPE_PROFILE)."`
	Store   string `placeholder:"DIR" type:"path" group:"Store" help:"Keep data, key and config below this directory ($REGSHAPE_STORE)."`

	DockerConfig string `name:"docker-config" placeholder:"PATH" type:"path" group:"Other tools" help:"Docker's config.json or its directory ($DOCKER_CONFIG)."`
	Authfile     string `placeholder:"FILE" type:"path" group:"Other tools" help:"Use only the logins in this auth.json ($REGISTRY_AUTH_FILE)."`

	PlainHTTP bool          `name:"plain-http" group:"Connection" help:"Connect to the registry over unencrypted http."`
	Insecure  bool          `group:"Connection" help:"Do not verify the TLS certificate of the registry's own host."`
	CAFile    string        `name:"ca-file" placeholder:"FILE" type:"path" group:"Connection" help:"Also trust the certificates in this PEM file."`
	CertFile  string        `name:"cert-file" placeholder:"FILE" type:"path" group:"Connection" help:"Client certificate for the registry, PEM."`
	KeyFile   string        `name:"key-file" placeholder:"FILE" type:"path" group:"Connection" help:"The client certificate's key, PEM."`
	Timeout   time.Duration `default:"30s" group:"Connection" help:"Maximum network time for one registry."`

	DebugCalls    bool   `name:"debug-calls" group:"Diagnosis" help:"Show every request and response on standard error, secrets redacted."`
	TimeMethods   bool   `name:"time-methods" group:"Diagnosis" help:"Show how long each request took."`
	TimeScenarios bool   `name:"time-scenarios" group:"Diagnosis" help:"Show how long each step of the command took."`
	LogFile       string `name:"log-file" placeholder:"FILE" type:"path" group:"Diagnosis" help:"Append all of these to this file."`
}

// Validate is called by the parser.
func (g *Globals) Validate() error {
	if g.Timeout <= 0 {
		return &UsageError{"--timeout takes a duration, more than zero", "for example --timeout 10s"}
	}
	return nil
}

// Build says which build this is.
type Build struct{ Version, Commit, Date string }

// String is what --version prints.
func (b Build) String() string {
	s := "regshape " + b.Version
	if b.Commit != "" {
		s += fmt.Sprintf(" (commit %s, %s)", b.Commit, b.Date)
	}
	return s
}

// Manual is what --help and the man page of a command say beyond the grammar. Each command
// has a method Manual that returns it.
type Manual struct {
	Done     string      // what exit code 0 means, if Ctrl-C is a good end; else ""
	Failed   string      // what exit code 1 means
	Examples [][2]string // command line and purpose
}

// Call is one run of the front end.
type Call struct {
	Args     []string // without the program's name
	In       *os.File // prompts turn its echo off where it is a terminal
	Out, Err io.Writer
	Getenv   func(string) string
	Build    Build
}

// Env is what a command works with.
type Env struct {
	Call
	Globals
	Ctx context.Context
	// Interrupt ends Ctx; its cause is a Signal.
	Interrupt context.CancelCauseFunc
	Stops     *terminal.Stops
	Now       func() time.Time
	Logs      Logs
	Clients   *Clients // shared by copies of Env
	Words     []string // what follows -- behind --command PROGRAM
}

// FromEnvironment fills in what flags leave open. An empty variable is one that is not
// set, as for the helper. Only on the command line "-" is no password.
func FromEnvironment(e *Env) {
	if e.Store == "" {
		e.Store = absolute(e.Getenv("REGSHAPE_STORE"))
	}
	if e.Profile == "" {
		e.Profile = e.Getenv("REGSHAPE_PROFILE")
	}
	if e.Password == "-" {
		e.Password, e.PasswordStdin = "", true
	}
}

// Tell writes a line on standard error.
func (e *Env) Tell(format string, args ...any) {
	_, _ = io.WriteString(e.Err, printable.Format(format+"\n", args...))
}

// Warn tells something that does not stop the command.
func (e *Env) Warn(format string, args ...any) { e.Tell("Warning: "+format, args...) }

// Hint tells what may help, if anything.
func (e *Env) Hint(text string) {
	if text != "" {
		e.Tell("Hint: %s", text)
	}
}

// Own is a command line of regshape's that works on the same store and the same files
// as this run: flags are repeated, variables need not be.
func (e *Env) Own(words ...string) string {
	return printable.Shell(slices.Concat([]string{"regshape"}, ownFlags(e), words)...)
}

// ownFlags make a command of regshape's use the same store and files.
func ownFlags(e *Env) (line []string) {
	if e.Store != "" && e.Store != absolute(e.Getenv("REGSHAPE_STORE")) {
		line = append(line, "--store", e.Store)
	}
	if e.Profile != "" && e.Profile != e.Getenv("REGSHAPE_PROFILE") {
		line = append(line, "--profile", e.Profile)
	}
	if e.DockerConfig != "" {
		line = append(line, "--docker-config", e.DockerConfig)
	}
	return line
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// Prompt asks on standard error.
func (e *Env) Prompt() terminal.Prompt {
	return terminal.Prompt{In: e.In, Err: e.Err, Ctx: e.Ctx, Interrupt: func(s os.Signal) { e.Interrupt(Signal{s}) }, Stops: e.Stops}
}

// Where is what the places of other tools depend on.
func (e *Env) Where() authfile.Env {
	return authfile.Env{Getenv: e.Getenv, Home: store.Home(), GOOS: runtime.GOOS, UID: os.Getuid(), DockerConfig: e.DockerConfig}
}

// Foreign is another tool's credential helper. What it says beside its answers is shown.
func (e *Env) Foreign(name string) authfile.Helper {
	return authfile.Helper{Name: name, Warn: func(text string) { e.Warn("%s", text) }}
}

// Say writes a line of the result.
func (e *Env) Say(format string, args ...any) error {
	_, err := io.WriteString(e.Out, printable.Format(format+"\n", args...))
	return err
}

// Note tells what the user should know and need not act on at once.
func (e *Env) Note(format string, args ...any) { e.Tell("Note: "+format, args...) }
