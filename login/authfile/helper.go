package authfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/store/durable"
	"regshape/store/printable"
	"regshape/store/process"
)

// Errors of a foreign helper. Each is wrapped with the program's name and its message,
// shortened, safe for a terminal and without the secret.
var (
	// ErrNoEntry is the helper's answer that it holds nothing for the address: not a failure.
	ErrNoEntry = errors.New("no login stored")
	// ErrNotOnPath says that docker-credential-NAME is not on PATH.
	ErrNotOnPath = errors.New("is not on PATH")
	// ErrHelperName refuses a name that cannot be the end of a program's name.
	ErrHelperName = errors.New("not a name of a credential helper")
	// ErrHelperTimeout says that the helper was stopped because it did not answer.
	ErrHelperTimeout = errors.New("did not answer in time")
	// ErrHelperAnswer is an answer that is too long, not UTF-8 or not the protocol's JSON.
	ErrHelperAnswer = errors.New("gave an invalid answer")
	// ErrHelperFailed is any other failure of the helper.
	ErrHelperFailed = errors.New("failed")
)

// HelperError is about a helper that is on PATH and does not do what was asked: it wraps
// ErrHelperTimeout, ErrHelperAnswer or ErrHelperFailed.
type HelperError struct {
	Program, Action string
	Err             error
}

func (e *HelperError) Error() string { return fmt.Sprintf("%s %s: %v", e.Program, e.Action, e.Err) }

// Unwrap returns what happened.
func (e *HelperError) Unwrap() error { return e.Err }

// defaultTimeout is how long a helper may take: docker itself waits without end,
// and ten seconds are enough for one that asks a cloud for a token.
const defaultTimeout = 10 * time.Second

// Helper is a foreign credential helper, the program docker-credential-NAME.
// Its zero fields have useful meanings; it keeps no state and can be used in parallel.
type Helper struct {
	// Name is the NAME above, as credsStore and credHelpers have it: letters, digits, ".", "_", "+", "-".
	Name string
	// Timeout limits each call; 0 is defaultTimeout.
	Timeout time.Duration
	// Environ ("NAME=value") is added to this process's environment. Both pass process.ChildEnvironment.
	Environ []string
	// Warn, if set, gets what a helper that succeeded wrote to stderr, made safe for a terminal.
	Warn func(text string)
}

// Program is the program's name, docker-credential-NAME, for messages.
func (h Helper) Program() string { return "docker-credential-" + printable.Line(h.Name, 64) }

// Get asks for the login of serverURL, sent as it is. A helper that has none, or answers
// with an empty user and an empty secret, gives ErrNoEntry. A user "<token>" means that
// the secret is an identity token.
func (h Helper) Get(ctx context.Context, serverURL string) (user, secret string, err error) {
	var creds *credentials.Credentials
	err = h.call(ctx, credentials.ActionGet, within(serverURL), func(p client.ProgramFunc) (err error) {
		creds, err = client.Get(p, serverURL)
		return err
	})
	if err != nil {
		return "", "", err
	}
	if creds.Username == "" && creds.Secret == "" {
		return "", "", fmt.Errorf("%s: %w", h.Program(), ErrNoEntry)
	}
	return creds.Username, creds.Secret, nil
}

// Store hands a login to the helper, in place of what it had for serverURL.
// Text that is not UTF-8 is refused: JSON would change it without a word.
func (h Helper) Store(ctx context.Context, serverURL, user, secret string) error {
	if !utf8.ValidString(serverURL) || !utf8.ValidString(user) || !utf8.ValidString(secret) {
		return fmt.Errorf("%s store: the login is %w", h.Program(), ErrText)
	}
	return h.call(ctx, credentials.ActionStore, append(within(serverURL), user+":"+secret, secret), func(p client.ProgramFunc) error {
		return client.Store(p, &credentials.Credentials{ServerURL: serverURL, Username: user, Secret: secret})
	})
}

// Erase removes the login of serverURL. Some helpers say ErrNoEntry when there is none,
// others nothing.
func (h Helper) Erase(ctx context.Context, serverURL string) error {
	return h.call(ctx, credentials.ActionErase, within(serverURL), func(p client.ProgramFunc) error {
		return client.Erase(p, serverURL)
	})
}

// List is the helper's addresses, each with its user name; never nil without an error.
func (h Helper) List(ctx context.Context) (map[string]string, error) {
	var list map[string]string
	err := h.call(ctx, credentials.ActionList, nil, func(p client.ProgramFunc) (err error) {
		list, err = client.List(p)
		return err
	})
	if err == nil && list == nil {
		list = map[string]string{} // some helpers print null for nothing
	}
	return list, err
}

// call runs one action through the client, and says in words of its own what went wrong:
// the client's error holds the helper's raw output.
func (h Helper) call(ctx context.Context, action string, secrets []string, do func(client.ProgramFunc) error) error {
	path, err := h.find()
	if err != nil {
		return err
	}
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	run := &helperRun{ctx: ctx, path: path, action: action, timeout: timeout, environ: process.ChildEnvironment(append(os.Environ(), h.Environ...))}
	err = do(func(...string) client.Program { return run })
	if err == nil {
		if h.Warn != nil {
			if text := message(nil, run.stderr.Data, append(secrets, answered(run.stdout.Data))); text != "" {
				h.Warn(h.Program() + ": " + text)
			}
		}
		return nil
	}
	if run.err != nil && credentials.IsErrCredentialsNotFoundMessage(string(run.stdout.Data)) && errors.As(run.err, new(*exec.ExitError)) {
		return fmt.Errorf("%s: %w", h.Program(), ErrNoEntry)
	}
	err = run.err
	if err == nil { // it ended well, so the client could not read its answer
		err = fmt.Errorf("%w: not the JSON of the helper protocol", ErrHelperAnswer)
	}
	if text := message(run.stdout.Data, run.stderr.Data, secrets); text != "" && !errors.Is(err, ErrHelperAnswer) {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return &HelperError{h.Program(), action, err}
}

// IsHelperName reports whether a value of credsStore or credHelpers can be the end of a
// program's name: no separator and nothing a shell would take for more than a name.
func IsHelperName(name string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
	return name != "" && len(name) <= 128 && strings.Trim(name, plain) == ""
}

// within is what a helper that repeats an address would give away.
func within(address string) (secrets []string) {
	if printable.HasUserinfo(address) {
		secrets = append(secrets, address)
	}
	return secrets
}

// find checks the name and looks the program up.
func (h Helper) find() (string, error) {
	if !IsHelperName(h.Name) {
		return "", fmt.Errorf("%q: %w", printable.Line(h.Name, 64), ErrHelperName)
	}
	program := "docker-credential-" + h.Name // Program's is shortened
	path, err := exec.LookPath(program)
	if err != nil {
		if path = NotExecutable(program); path != "" {
			return path, nil // the system says why it does not run
		}
		// The cause is dropped: it says the same, or that the current directory is on PATH,
		// from which nothing is run.
		return "", fmt.Errorf("%s %w", h.Program(), ErrNotOnPath)
	}
	return path, nil
}

// NotExecutable is the file of a program's name on PATH that lacks the permission to be run,
// or "".
func NotExecutable(program string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && durable.ModesMatter {
			return path
		}
	}
	return ""
}
