package login

import (
	"fmt"

	"github.com/alecthomas/kong"
)

type versionCmd struct{}

// versionResult is the JSON of version.
type versionResult struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	if e.JSON {
		return writeJSON(e.Out, versionResult(e.Build))
	}
	_, err := fmt.Fprintln(e.Out, e.Build)
	return err
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints a script that the shell's start file can evaluate.
func (c completionCmd) Run(e *env, app *kong.Kong) error {
	return writeCompletion(e.Out, c.Shell, app.Model)
}
