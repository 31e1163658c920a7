package login

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/app"
)

// printHelp is kong's help with the flags of flagsOf, and examples and exit codes below.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	own := len(node.Flags)
	node.Flags = flagsOf(node) // the model is not used after this
	for parent := node.Parent; parent != nil; parent = parent.Parent {
		parent.Flags = nil
	}
	for i, f := range node.Flags {
		switch {
		case f.Group != nil:
			f.Group.Title = f.Group.Key + ":"
		case i >= own:
			f.Group = &kong.Group{Key: "Global flags", Title: "Global flags:"}
		}
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	return writeManual(ctx.Stdout, manualOf(node))
}

// programManual is the manual of the program itself.
var programManual = app.Manual{Failed: "failed; the message says why", Examples: [][2]string{
	{"regshape auth login registry.example.com -u alice", "verify and store a login"},
	{"regshape auth setup", "configure docker and podman to use it"},
}}

// manualOf returns the manual of a command or of the program. A command that only groups
// others has none.
func manualOf(node *kong.Node) app.Manual {
	if node.Parent == nil {
		return programManual
	}
	if command, ok := node.Target.Addr().Interface().(interface{ Manual() app.Manual }); ok {
		return command.Manual()
	}
	return app.Manual{}
}

// commandPath is a command's name with those of the commands around it, without the
// program's.
func commandPath(node *kong.Node) string {
	if node == nil || node.Type == kong.ApplicationNode {
		return ""
	}
	return strings.TrimSpace(commandPath(node.Parent) + " " + node.Name)
}

func writeManual(w io.Writer, m app.Manual) error {
	var text strings.Builder
	if len(m.Examples) > 0 {
		text.WriteString("\nExamples:\n")
	}
	for _, e := range m.Examples {
		fmt.Fprintf(&text, "  %s\n      %s\n", e[0], e[1])
	}
	if m.Failed != "" {
		text.WriteString("\nExit codes:\n")
		for _, c := range exitCodes(m) {
			fmt.Fprintf(&text, "  %3d  %s\n", c.code, c.meaning)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

type exitCode struct {
	code    int
	meaning string
}

func exitCodes(m app.Manual) []exitCode {
	codes := []exitCode{{app.ExitDone, cmp.Or(m.Done, "success")}, {app.ExitFailed, m.Failed}, {app.ExitUsage, "invalid usage"}}
	if m.Done == "" {
		codes = append(codes, exitCode{app.ExitInterrupted, "interrupted"})
	}
	return codes
}
