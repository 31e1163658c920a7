package login

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionScript is the script for "bash", "zsh" or "fish", made from the grammar without
// hidden commands and flags.
func completionScript(shell string, model *kong.Application) string {
	c := newCompletion(model)
	var script bytes.Buffer
	switch shell {
	case "bash":
		c.bash(&script)
	case "zsh":
		c.zsh(&script)
	case "fish":
		c.fish(&script)
	}
	return script.String()
}

// completion is the grammar, reduced to what a shell needs.
type completion struct {
	name  string // the program
	fn    string // prefix of the shell functions
	nodes []completionNode
}

// completionNode is the program itself (an empty path) or one command.
type completionNode struct {
	path     string // command names from the program down, joined by a space
	commands []candidate
	flags    []completionFlag // accepted here and below
	shown    []completionFlag // offered here
	args     []operand
}

// candidate is a word that can be completed, with its one-line help.
type candidate struct{ word, help string }

// completionFlag is a flag under all its names; value is nil for a switch.
type completionFlag struct {
	flag  *kong.Flag
	names []candidate // "--name", then "-n" and further names
	value *operand
}

// operand is the value of a flag, or a positional argument.
type operand struct {
	words []string // what an enum allows
	files bool     // any file or directory
	dirs  bool     // directories only
	many  bool     // a positional that takes all words that follow
}

func newCompletion(model *kong.Application) completion {
	fn := regexp.MustCompile(`\W`).ReplaceAllString(model.Name, "_")
	c := completion{name: model.Name, fn: "_" + fn}
	c.add(model.Node, "")
	return c
}

func (c *completion) add(node *kong.Node, path string) {
	n := completionNode{path: path}
	for _, flag := range node.Flags {
		if !flag.Hidden {
			n.flags = append(n.flags, flagOf(flag))
		}
	}
	for _, flag := range flagsOf(node) {
		n.shown = append(n.shown, flagOf(flag))
	}
	for _, arg := range node.Positional {
		n.args = append(n.args, operandOf(arg, arg.Name))
	}
	var below []*kong.Node
	for _, child := range node.Children {
		if child.Hidden || child.Type != kong.CommandNode {
			continue
		}
		below = append(below, child)
		for _, name := range append([]string{child.Name}, child.Aliases...) {
			n.commands = append(n.commands, candidate{name, oneLine(child.Help)})
		}
	}
	c.nodes = append(c.nodes, n)
	for _, child := range below {
		for _, name := range append([]string{child.Name}, child.Aliases...) {
			c.add(child, strings.TrimSpace(path+" "+name))
		}
	}
}

func flagOf(flag *kong.Flag) completionFlag {
	help := oneLine(flag.Help)
	f := completionFlag{flag: flag, names: []candidate{{"--" + flag.Name, help}}}
	if flag.Short != 0 {
		f.names = append(f.names, candidate{"-" + string(flag.Short), help})
	}
	for _, alias := range flag.Aliases {
		f.names = append(f.names, candidate{"--" + alias, help})
	}
	if !flag.IsBool() && !flag.IsCounter() {
		value := operandOf(flag.Value, flag.PlaceHolder)
		f.value = &value
		return f
	}
	// kong keeps "_" for the usual --no-NAME, else the name itself.
	switch no := flag.Tag.Negatable; no {
	case "":
	case "_":
		f.names = append(f.names, candidate{"--no-" + flag.Name, help})
	default:
		f.names = append(f.names, candidate{"--" + no, help})
	}
	return f
}

// operandOf derives from kong's types, and from the words FILE, PATH and DIR in a
// placeholder or an argument's name, whether to complete file names.
func operandOf(v *kong.Value, placeholder string) operand {
	o := operand{many: v.IsCumulative()}
	if v.Enum != "" {
		o.words = slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
		return o
	}
	kind, named := "", strings.ToUpper(placeholder)
	if v.Tag != nil {
		kind = v.Tag.Type
	}
	o.dirs = kind == "existingdir" || named == "DIR"
	o.files = slices.Contains([]string{"path", "existingfile", "filecontent"}, kind) || named == "FILE" || named == "PATH"
	return o
}

// oneLine joins a help text to one line.
func oneLine(help string) string { return strings.Join(strings.Fields(help), " ") }
