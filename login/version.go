package login

import (
	"encoding/json"
	"fmt"
	"io"

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

// Manual is the text of --help and of the man page.
func (versionCmd) Manual() app.Manual {
	return app.Manual{Failed: "the version could not be written", Examples: [][2]string{
		{"regshape version", "as text"},
		{"regshape version --json", "for scripts"},
	}}
}

// version is the output of the command and the flag.
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

// Run prints a script for the shell's start file.
func (c completionCmd) Run(e *app.Env, parser *kong.Kong) error {
	script := completionScript(c.Shell, parser.Model)
	if e.JSON {
		return app.WriteJSON(e.Out, completionResult{"success", c.Shell, script})
	}
	_, err := io.WriteString(printable.Raw(e.Out), script)
	return err
}

// Manual is the text of --help and of the man page.
func (completionCmd) Manual() app.Manual {
	return app.Manual{Failed: "the script could not be written", Examples: [][2]string{
		{"source <(regshape completion bash)", "in ~/.bashrc; for zsh, with zsh in place of bash, in ~/.zshrc below compinit"},
		{"regshape completion fish >~/.config/fish/completions/regshape.fish", "for fish"},
	}}
}
