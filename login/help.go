package login

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/app"
)

// printHelp is kong's help with examples and exit codes behind it.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	return writeManual(ctx.Stdout, manualOf(commandPath(ctx.Selected())))
}

// commandPath is a command's name with those of the commands around it, without the
// program's.
func commandPath(node *kong.Node) string {
	if node == nil || node.Type == kong.ApplicationNode {
		return ""
	}
	return strings.TrimSpace(commandPath(node.Parent) + " " + node.Name)
}

func writeManual(w io.Writer, m manual) error {
	var text strings.Builder
	if len(m.examples) > 0 {
		text.WriteString("\nExamples:\n")
	}
	for _, e := range m.examples {
		fmt.Fprintf(&text, "  %s\n      %s\n", e.line, e.what)
	}
	if m.failed != "" {
		text.WriteString("\nExit codes:\n")
		for _, c := range m.exitCodes() {
			fmt.Fprintf(&text, "  %3d  %s\n", c.code, c.what)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

type exitCode struct {
	code int
	what string
}

func (m manual) exitCodes() []exitCode {
	return []exitCode{{app.ExitDone, "done"}, {app.ExitFailed, m.failed}, {app.ExitUsage, "wrong usage"}, {app.ExitInterrupted, "interrupted"}}
}
