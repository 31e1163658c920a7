package app

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"regshape/login/terminal"
	"regshape/store"
)

// GivenUsername is the user name of the flag or the environment, or "". Blanks and line ends
// around it are not part of it: they come from pasting and from files.
func GivenUsername(e *Env) string {
	if e.Username != "" {
		return strings.TrimSpace(e.Username)
	}
	return strings.TrimSpace(e.Getenv("REGSHAPE_USERNAME"))
}

// GivenPassword is the password of the flag, of standard input, or of the environment, or "".
// A terminal does not show what is typed there; registry is for the prompt.
func GivenPassword(e *Env, registry string) (secret string, err error) {
	switch {
	case e.PasswordStdin && e.Prompt().Interactive():
		if secret, err = e.Prompt().Password(registry); err == nil && secret == "" {
			err = fmt.Errorf("no password %w", terminal.ErrStdin)
		}
	case e.PasswordStdin:
		secret, err = terminal.ReadSecret(e.In)
	case e.Password != "":
		secret = terminal.WithoutLineEnd(e.Password)
	default:
		secret = terminal.WithoutLineEnd(e.Getenv("REGSHAPE_PASSWORD"))
	}
	return secret, err
}

// CheckAccount refuses what cannot be an account before standard input is read. A token can
// be given without a user name.
func CheckAccount(e *Env, token bool) error {
	switch {
	case e.PasswordStdin && e.Password != "":
		return &UsageError{"--password and --password-stdin exclude each other", "give one of them"}
	case e.PasswordStdin && GivenUsername(e) == "" && !token:
		return &UsageError{"--password-stdin needs a user name", "add -u USER or set REGSHAPE_USERNAME"}
	}
	return CheckText(GivenUsername(e), "")
}

// TakeAccount has the lookup find the account that was given for the one registry of a command,
// standard input included.
func TakeAccount(e *Env, registry string) error {
	if err := CheckAccount(e, false); err != nil {
		return err
	}
	secret, err := GivenPassword(e, registry)
	e.Username, e.Password = GivenUsername(e), secret
	if err == nil {
		err = CheckText("", secret)
	}
	return err
}

// CheckText refuses what no registry takes and no store can keep.
func CheckText(username, secret string) error {
	switch {
	case !utf8.ValidString(username):
		return fmt.Errorf("the user name is %w", store.ErrNotUTF8)
	case !utf8.ValidString(secret):
		return fmt.Errorf("the password is %w", store.ErrNotUTF8)
	}
	return nil
}
