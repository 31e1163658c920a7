package login

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/app"
	"regshape/store/printable"
)

type versionCmd struct{}

// versionResult is the JSON of version.
type versionResult struct {
	Status  string `json:"status"` // "success"
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
}

// Run prints the version.
func (versionCmd) Run(e *app.Env) error {
	_, err := fmt.Fprintln(e.Out, version(e))
	return err
}

// version is what the command prints, and the flag.
func version(e *app.Env) string {
	if !e.JSON {
		return e.Build.String()
	}
	text, _ := json.Marshal(versionResult{"success", e.Build.Version, e.Build.Commit, e.Build.Date}) // strings always marshal
	return string(text)
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// completionResult is the JSON of completion.
type completionResult struct {
	Status string `json:"status"` // "success"
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

// Run prints a script that the shell's start file can evaluate.
func (c completionCmd) Run(e *app.Env, parser *kong.Kong) error {
	if e.JSON {
		var script strings.Builder
		if err := writeCompletion(&script, c.Shell, parser.Model); err != nil {
			return err
		}
		return app.WriteJSON(e.Out, completionResult{"success", c.Shell, script.String()})
	}
	return writeCompletion(printable.Raw(e.Out), c.Shell, parser.Model)
}
