// Package credhelper is the Docker credential helper: the protocol that docker, podman,
// skopeo, crane, helm and their kin speak to a program named docker-credential-*, over a
// regshape store.
//
// The protocol is that of docker-credential-helpers v0.9.13. Callers compare some of its
// texts to the letter, read only the JSON or one line from stdout, hide stdout when a
// get fails (docker), and wait without a time limit. So this package never prompts,
// never touches the network, and says everything in one line.
package credhelper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/store"
	"regshape/store/keys"
	"regshape/store/lend"
	"regshape/store/printable"
	"regshape/store/source"
)

// Program is the helper's name. A "-NAME" behind it picks the profile NAME, so that a
// credHelpers entry can pick an account.
const Program = "docker-credential-regshape"

// Call is one run of the helper, or of the kubelet's plugin.
type Call struct {
	Front    string   // Program or that of the plugin, without a profile
	Program  string   // the name it was called by, as Named recognizes it
	Args     []string // without the program's name: exactly one action
	In       io.Reader
	Out, Err io.Writer
	Terminal bool                // In is a terminal
	Getenv   func(string) string // REGSHAPE_STORE, REGSHAPE_PROFILE, REGSHAPE_KEY_FILE, SUDO_UID
	Version  string

	// Advice is what helps against an error of the store, "" for nothing. own spells a
	// command of the front end. main passes it in, so that the helper has the hints of the
	// front end without importing it; nil is none.
	Advice func(err error, own func(words ...string) string) string
}

// Named returns the program name in argv[0], without directory and ".exe", and whether it is
// front, or that with a profile.
func Named(argv0, front string) (program string, is bool) {
	program = filepath.Base(argv0)
	if ext := filepath.Ext(program); strings.EqualFold(ext, ".exe") {
		program = strings.TrimSuffix(program, ext)
	}
	return program, program == front || strings.HasPrefix(program, front+"-")
}

// Run answers one call and returns the exit code, 0 or 1.
func Run(ctx context.Context, c Call) int {
	name := printable.Line(c.Program, printable.Long)
	credentials.Name, credentials.Package, credentials.Version = name, "regshape", c.Version
	c.Err = printable.Writer{W: c.Err} // stdout carries the protocol, whose values are exact
	usage := fmt.Sprintf("Usage: %s <store|get|erase|list|version>\n", name)
	if len(c.Args) != 1 {
		_, _ = io.WriteString(c.Out, usage)
		return 1
	}
	action := c.Args[0]
	switch action {
	case "--help", "-h":
		_, _ = io.WriteString(c.Out, usage)
		return 0
	case "--version", "-v":
		action = credentials.ActionVersion
	}
	err := c.handle(ctx, action)
	if err == nil {
		return 0
	}
	line := c.OneLine(err)
	_, _ = fmt.Fprintln(c.Out, line)
	// docker shows stdout of a failed store and erase only. "Not found" is an everyday
	// answer and stays silent.
	repeat := action == credentials.ActionGet || action == credentials.ActionList
	if repeat && !credentials.IsErrCredentialsNotFound(err) {
		_, _ = fmt.Fprintln(c.Err, line)
	}
	return 1
}

func (c Call) handle(ctx context.Context, action string) error {
	var input io.Reader
	switch action {
	case credentials.ActionStore, credentials.ActionGet, credentials.ActionErase:
		what := "a server address"
		if action == credentials.ActionStore {
			what = "a credential as JSON"
		}
		data, err := c.Input(what)
		if err != nil {
			return err
		}
		if action == credentials.ActionStore {
			if err := checkPayload(data); err != nil {
				return err
			}
		}
		input = strings.NewReader(string(data))
	case credentials.ActionList:
		// Callers send the word "unused"; it is not read.
	default:
		if err := credentials.HandleCommand(nil, action, nil, c.Out); err != nil { // any but "version"
			return fmt.Errorf("%w: use store, get, erase, list or version", err)
		}
		return nil
	}
	logins, err := c.Logins()
	if err != nil {
		return err
	}
	return credentials.HandleCommand(helper{ctx, logins, c}, action, input, c.Out)
}

// Logins opens the store that the program's name and environment say.
func (c Call) Logins() (source.Source, error) {
	notice := func(err error) { _, _ = fmt.Fprintln(c.Err, c.OneLine(err)) }
	profile, named := c.profile()
	if !named {
		profile = c.Getenv("REGSHAPE_PROFILE")
	} else if profile == "" {
		return source.Source{}, fmt.Errorf("the program name %q ends in no profile: %w", c.Program, store.CheckProfile(""))
	}
	loc, err := store.Locate(store.Options{
		Dir: c.Getenv("REGSHAPE_STORE"), Profile: profile, SudoUID: c.Getenv("SUDO_UID"), Notice: notice,
	})
	if err != nil {
		return source.Source{}, err
	}
	s, err := store.Open(loc, keys.Sources{KeyFile: c.Getenv("REGSHAPE_KEY_FILE")})
	return source.New(s, notice, c.flags()...), err
}

// profile is the one in the program's name.
func (c Call) profile() (name string, named bool) { return strings.CutPrefix(c.Program, c.Front+"-") }

// flags name this call's store to the front end. What the environment says need not be repeated.
func (c Call) flags() []string {
	if profile, named := c.profile(); named {
		return []string{"--profile", profile}
	}
	return nil
}

// own spells a command of the front end for this call's store.
func (c Call) own(words ...string) string {
	return printable.Shell(slices.Concat([]string{"regshape"}, c.flags(), words)...)
}

// OneLine adds what to do to what is wrong, and makes it one line that does nothing to a
// terminal: an address is whatever the caller has sent.
func (c Call) OneLine(err error) string {
	line := err.Error()
	if c.Advice != nil {
		if advice := c.Advice(err, c.own); advice != "" {
			line += ": " + advice
		}
	}
	return printable.Line(line, printable.Long)
}

// helper answers the library's calls from a store.
type helper struct {
	ctx    context.Context
	logins source.Source
	call   Call
}

var _ credentials.Helper = helper{}

// Add stores a credential, replacing what was there, the user name included. docker login and
// podman login store again what they got; that neither prolongs a login nor ends its renewal.
func (h helper) Add(c *credentials.Credentials) error {
	if strings.TrimSpace(c.ServerURL) == "" {
		return credentials.NewErrCredentialsMissingServerURL()
	}
	kind := store.KindPassword
	if c.Username == "<token>" { // docker's mark for an identity token
		kind = store.KindIdentityToken
	}
	next := store.Credential{ServerURL: c.ServerURL, Username: c.Username, Secret: c.Secret, Kind: kind}
	address := store.ParseAddress(c.ServerURL)
	old, last, err := h.logins.Answered(h.ctx, address)
	if old.Program == nil {
		last = old
	}
	// Another process may have renewed it since this client got it.
	answered := last.Secret == c.Secret || last.Answer != nil && last.Answer.Before == store.Digest(c.Secret)
	if err == nil && old.For().String() == address.String() && last.Username == c.Username && answered {
		if old.ServerURL == c.ServerURL || old.Program != nil {
			return nil
		}
		next = old
		next.ServerURL = c.ServerURL
	}
	if errors.Is(err, store.ErrNotFound) { // what another machine lends is not to stay here
		if lent, err := h.lent(address); err == nil && lent.Username == c.Username && lent.Secret == c.Secret {
			return nil
		}
	}
	return h.logins.Put(h.ctx, next)
}

// Delete removes exactly the address asked for; docker erases three spellings in a row,
// so a missing one is not an error.
func (h helper) Delete(serverURL string) error {
	_, err := h.logins.Erase(h.ctx, store.ParseAddress(serverURL))
	return err
}

// Get answers with the credential of the address, or of the scope it lies in: the store's, else
// one that another machine lends.
func (h helper) Get(serverURL string) (username, secret string, err error) {
	address := store.ParseAddress(serverURL)
	c, err := h.logins.Get(h.ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		c, err = h.lent(address)
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", "", credentials.NewErrCredentialsNotFound()
	}
	return c.Username, c.Secret, err
}

// lent is the login that another machine lends, in the default profile of the default store:
// others are for one account.
func (h helper) lent(a store.Address) (c store.Credential, err error) {
	if h.call.Program != Program || h.call.Getenv("REGSHAPE_PROFILE") != "" || h.call.Getenv("REGSHAPE_STORE") != "" {
		return c, store.ErrNotFound
	}
	c, _, err = lend.Ask(h.ctx, a)
	return c, err
}

// List returns a map that is never nil: docker-py cannot read "null". docker gets every
// key of it and fails on a miss, so what has expired is left out, and what has ended is
// renewed first.
func (h helper) List() (map[string]string, error) {
	found, damaged, err := h.logins.Current(h.ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range damaged {
		_, _ = fmt.Fprintln(h.call.Err, h.call.OneLine(d))
	}
	users := map[string]string{}
	for _, c := range found {
		users[listed(c)] = c.Username
	}
	return users, nil
}

// listed is the key a credential is listed under: Docker Hub's one name, since BuildKit
// and compose look for it, else the address as it was last stored, to the letter, since a
// caller gets by it. So one that a caller has stored with a password in it is listed and
// echoed with it; nothing else that is printed shows that.
func listed(c store.Credential) string {
	if c.Canonical == store.HubAddress {
		return store.HubAddress
	}
	return c.ServerURL
}
