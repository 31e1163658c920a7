package custody

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store/durable"
	"regshape/store/keys"
	"regshape/store/printable"
)

const (
	// maxIdentityFile is the limit of package keys for an identity file or a backup.
	maxIdentityFile = 1 << 20

	// shortPassphrase, in characters, is what scrypt does not make up for.
	shortPassphrase = 10

	// passphraseTries is the number of attempts at a terminal.
	passphraseTries = 3
)

// unlockFlags are the flags to open slots or a backup. Neither takes a secret itself: other
// processes can see the command line.
type unlockFlags struct {
	Identity       string `xor:"unlock" placeholder:"FILE" type:"path" help:"Unlock with the age identities in this file; - is standard input."`
	PassphraseFile string `xor:"unlock" name:"passphrase-file" placeholder:"FILE" type:"path" help:"Read the passphrase from this file; - is standard input."`
}

// opener returns what the flags name, or prompts at the terminal.
func opener(e *app.Env, f unlockFlags, prompt string) (keys.Opener, error) {
	o := keys.Opener{UI: pluginUI(e)}
	switch {
	case f.Identity != "":
		data, err := readFile(e, f.Identity, maxIdentityFile)
		if err != nil {
			return o, fmt.Errorf("read the identity file: %w", err)
		}
		o.Identities, err = keys.ParseIdentities(data, o.UI, promptPassphrase(e, "Passphrase of the identity file: "))
		if err != nil {
			return o, err
		}
		// Only a passphrase could open it, and the user chose an identity.
		o.Passphrase = func() (string, error) {
			return "", errors.New("the age identity does not open it, and no passphrase was given: give one of them")
		}
	case f.PassphraseFile != "":
		passphrase, err := readPassphrase(e, f.PassphraseFile)
		if err != nil {
			return o, err
		}
		o.Passphrase = func() (string, error) { return passphrase, nil }
	default:
		o.Passphrase = promptPassphrase(e, prompt)
	}
	return o, nil
}

// promptPassphrase prompts at the terminal; without one, the error names the flags.
func promptPassphrase(e *app.Env, prompt string) func() (string, error) {
	if e.Prompt().Interactive() {
		return func() (string, error) { return e.Prompt().Secret(prompt) }
	}
	return func() (string, error) {
		return "", &app.UsageError{Message: "no terminal to ask for the passphrase", Hint: "give --passphrase-file FILE, or --identity FILE"}
	}
}

// openSlots opens slots, with several attempts for a passphrase.
func (k *Session) openSlots(slots keys.Slots, flags unlockFlags, open func(keys.Opener) error) error {
	all, err := slots.List()
	if err != nil {
		return err
	}
	other := func(s keys.Slot) bool { return s.Type != "recipient" }
	if flags == (unlockFlags{}) && len(all) > 0 && !slices.ContainsFunc(all, other) {
		return &app.UsageError{Message: "an age identity is required", Hint: "give it with --identity FILE"}
	}
	o, err := opener(k.E, flags, "Passphrase: ")
	if err != nil {
		return err
	}
	return retry(k.E, flags, func() error { return open(o) })
}

func retry(e *app.Env, flags unlockFlags, open func() error) error {
	for tries := 1; ; tries++ {
		err := open()
		if !errors.Is(err, keys.ErrWrongPassphrase) || flags != (unlockFlags{}) || !e.Prompt().Interactive() || tries == passphraseTries {
			return err
		}
		_, _ = fmt.Fprintln(e.Err, "The passphrase is wrong, try again.")
	}
}

// newPassphrase reads a new passphrase from a file, or twice from the terminal.
func newPassphrase(e *app.Env, file string) (passphrase string, err error) {
	switch {
	case file != "":
		passphrase, err = readPassphrase(e, file)
	case !e.Prompt().Interactive():
		err = &app.UsageError{Message: "no terminal to ask for the passphrase", Hint: "give --passphrase-file FILE, or --recipient age1…"}
	default:
		passphrase, err = askTwice(e)
	}
	if err != nil {
		return "", err
	}
	if utf8.RuneCountInString(passphrase) < shortPassphrase {
		e.Warn("a passphrase of less than %d characters can be guessed by anyone who gets the file.", shortPassphrase)
	}
	return passphrase, nil
}

func askTwice(e *app.Env) (string, error) {
	passphrase, err := e.Prompt().Secret("New passphrase: ")
	if err != nil {
		return "", err
	}
	if passphrase == "" {
		return "", errors.New("the passphrase is empty: give one")
	}
	again, err := e.Prompt().Secret("The same again: ")
	if err != nil {
		return "", err
	}
	if passphrase != again {
		return "", errors.New("the two passphrases differ: try again")
	}
	return passphrase, nil
}

// readPassphrase reads a file of one line, without its line ending.
func readPassphrase(e *app.Env, path string) (string, error) {
	data, err := readFile(e, path, terminal.MaxSecret)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if how, fix, _ := durable.Exposed(printable.File(path), info, durable.Unread); how != "" {
			e.Warn("other users can read the passphrase in %s: run '%s'.", path, printable.Shell(fix...))
		}
	}
	passphrase := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case passphrase == "":
		return "", errors.New("the passphrase file is empty: put the passphrase there")
	case strings.ContainsAny(passphrase, "\r\n"): // cannot be typed
		return "", errors.New("the passphrase file has more than one line: leave one there")
	}
	return passphrase, nil
}

// readFile reads a file of the user, or standard input. It may wait forever for a pipe, so an
// interrupt ends it.
func readFile(e *app.Env, path string, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := readLimited(e, path, limit)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-e.Ctx.Done():
		return nil, terminal.ErrInterrupted
	}
}

func readLimited(e *app.Env, path string, limit int64) ([]byte, error) {
	in := e.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d KiB: give another file", path, limit>>10)
	}
	return durable.Text(data), err
}

// pluginUI connects age plugins to the terminal; without one they can only show messages.
func pluginUI(e *app.Env) *keys.PluginUI {
	ui := &keys.PluginUI{Explain: e.Problem, Display: func(text string) {
		e.Tell("%s", printable.Line(text, 1000))
	}}
	if !e.Prompt().Interactive() {
		return ui
	}
	ui.Ask = func(prompt string, secret bool) (string, error) {
		if secret {
			return e.Prompt().Secret(prompt + ": ")
		}
		return e.Prompt().ReadLine(prompt + ": ")
	}
	ui.Confirm = func(prompt, yes, no string) (bool, error) {
		question := fmt.Sprintf("%s [%s, or nothing to go on without]: ", prompt, yes)
		if no != "" {
			question = fmt.Sprintf("%s [%s/%s]: ", prompt, yes, no)
		}
		answer, err := e.Prompt().ReadLine(question)
		answer = strings.TrimSpace(answer)
		return strings.EqualFold(answer, yes) || strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
	}
	return ui
}
