package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/store"
	"regshape/store/process"
	"regshape/store/trust"
)

const (
	maxOutput = 64 << 10 // as the helper protocol
	// rest is how long output is read after the program has ended: what it left behind may
	// hold its output open for ever.
	rest = time.Second
)

// renewing marks the environment of a program: a lookup that it makes starts no other.
const renewing = "REGSHAPE_RENEWING"

// nested is the error of a lookup that a program makes, else nil.
func nested(login store.Credential) error {
	if os.Getenv(renewing) == "" {
		return nil
	}
	return failed(login, ErrNested.Error(), ErrNested)
}

// Program is a login's program as package trust has it.
func Program(p store.Program) trust.Program { return trust.Program{Kind: trust.Login, Words: p.Words} }

// start runs the program of a login, and reads its answer. The error is [store.ErrNotFound] or
// a [ProgramError].
func (s Source) start(ctx context.Context, login store.Credential, within time.Duration) (answer, error) {
	if err := nested(login); err != nil {
		return answer{}, err
	}
	if login.Program == nil {
		return answer{}, s.refresh(ctx, login, within)
	}
	p := *login.Program
	check := func() error { return trust.Check(s.Location(), Program(p)) }
	if s.typed {
		check = Program(p).Guarded
	}
	if err := check(); err != nil {
		return answer{}, failed(login, err.Error(), err)
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(limited, p.Words[0], p.Words[1:]...) //nolint:gosec // the user has trusted it
	cmd.Dir, cmd.Env, cmd.WaitDelay = home(), environment(p, login.For().String()), rest
	if p.Helper {
		cmd.Stdin = strings.NewReader(login.For().String())
	}
	out := &process.Bounded{Limit: maxOutput, Full: cancel}
	cmd.Stdout = out
	err := process.Run(cmd, true)
	defer clear(out.Data)
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case out.Over:
		return answer{}, failed(login, fmt.Sprintf("it printed more than %d KiB", maxOutput>>10), nil)
	case limited.Err() != nil:
		return answer{}, failed(login, fmt.Sprintf("it did not end within %v", within), nil)
	case errors.Is(err, exec.ErrWaitDelay): // it has ended well, and left a process that holds its output
	case p.Helper && credentials.IsErrCredentialsNotFoundMessage(strings.TrimSpace(string(out.Data))):
		return answer{}, store.ErrNotFound
	case errors.As(err, new(*exec.ExitError)):
		return answer{}, failed(login, err.Error(), nil)
	case err != nil:
		return answer{}, failed(login, "it does not run: "+err.Error(), nil)
	}
	a, err := parse(out.Data, p, login.Username, s.now())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		cause := err
		if !errors.Is(err, ErrNoUser) {
			cause = nil
		}
		err = failed(login, err.Error(), cause)
	}
	return a, err
}

// refresh has this program renew a device login: the network is not for a helper.
func (s Source) refresh(ctx context.Context, login store.Credential, within time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return failed(login, err.Error(), nil)
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(limited, self) //nolint:gosec // this very program
	cmd.Args = append(slices.Clone(s.self), "auth", "refresh", login.For().String())
	cmd.Dir, cmd.WaitDelay = home(), rest
	cmd.Env = append(process.ChildEnvironment(os.Environ()), renewing+"=1")
	err = process.Run(cmd, true)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return failed(login, fmt.Sprintf("the renewal did not end within %v", within), nil)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return failed(login, "the issuer refused it, or did not answer", nil)
	}
	return nil
}

// home is where a program starts; without a home that exists it is where this one runs.
func home() string {
	dir := store.Home()
	for range 2 { // where a network file system errs, one look alone would start it elsewhere
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// environment is the program's: without regshape's own secrets, with the PATH of the login.
func environment(p store.Program, registry string) []string {
	own := []string{"PATH", "REGSHAPE_REGISTRY", renewing}
	env := slices.DeleteFunc(process.ChildEnvironment(os.Environ()), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(own, func(o string) bool { return strings.EqualFold(o, name) })
	})
	return append(env, "PATH="+p.Path, "REGSHAPE_REGISTRY="+registry, renewing+"=1")
}
