package login

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/store/printable"
)

// writeCompletion writes to w a completion script for shell, which is "bash",
// "zsh" or "fish". Everything in it is read from the grammar in app, so a new
// flag or command completes without a word being said here. Hidden commands,
// hidden flags and branching arguments (which the grammar does not use) are
// left out. Any other shell is an error, and then nothing is written.
func writeCompletion(w io.Writer, shell string, model *kong.Application) error {
	c := newCompletion(model)
	var script bytes.Buffer
	switch shell {
	case "bash":
		c.bash(&script)
	case "zsh":
		c.zsh(&script)
	case "fish":
		c.fish(&script)
	default:
		return fmt.Errorf("no completion for shell %q: bash, zsh or fish", shell)
	}
	_, err := w.Write(script.Bytes())
	return err
}

// completion is the grammar, flattened to what a shell needs to know.
type completion struct {
	name  string // the program
	fn    string // its name, fit to be part of a shell function's name
	nodes []completionNode
}

// completionNode is the program itself (an empty path) or one command.
type completionNode struct {
	path     string // command names from the program down, joined by a space
	commands []candidate
	flags    []completionFlag
	args     []operand
}

// candidate is a word that can be completed, with its one-line help.
type candidate struct{ word, help string }

// completionFlag is a flag under all its names; value is nil for a switch.
type completionFlag struct {
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
	f := completionFlag{names: []candidate{{"--" + flag.Name, help}}}
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

// operandOf sees from kong's types, and from the words FILE, PATH and DIR in
// a placeholder or an argument's name, what is worth completing from the disk.
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

// oneLine makes a help text fit for one line of a menu.
func oneLine(help string) string { return strings.Join(strings.Fields(help), " ") }

// walkTemplate is read by bash and zsh alike: it goes over the words before
// the cursor and leaves in at the path of the command reached, in argn the
// number of its arguments given, in opt the flag whose value comes next.
// bash splits words at = and :, which makes three of --flag=value (opt waits
// for the third) and of host:port (opt set to : swallows the port).
const walkTemplate = `FN_walk() {
    at='' argn=0 opt='' end=''
    local word
    for word in "$@"; do
        if [ -n "$opt" ]; then
            [ "$word" = '=' ] || opt=''
            continue
        fi
        if [ "$word" = ':' ]; then
            opt=':'
            continue
        fi
        if [ -z "$end" ]; then
            case "$word" in
            --) end=1; continue ;;
            -*=*) continue ;;
            -*) if FN_valued "$word"; then opt=$word; fi; continue ;;
            esac
        fi
        case "$at|$word" in
COMMANDS        *) argn=$((argn + 1)) ;;
        esac
    done
}
`

// shellWalk writes FN_walk and FN_valued, which says whether a flag that may
// stand at the present command takes a value.
func (c *completion) shellWalk(b *bytes.Buffer) {
	var commands strings.Builder
	for _, n := range c.nodes {
		for _, cmd := range n.commands {
			path := strings.TrimSpace(n.path + " " + cmd.word)
			fmt.Fprintf(&commands, "        %s) at=%s ;;\n", printable.SingleQuote(n.path+"|"+cmd.word), printable.SingleQuote(path))
		}
	}
	fmt.Fprintf(b, "%s_valued() {\n    case \"$at|$1\" in\n", c.fn)
	c.eachValue(func(pattern string, _ operand) {
		fmt.Fprintf(b, "    %s) return 0 ;;\n", pattern)
	})
	b.WriteString("    esac\n    return 1\n}\n")
	b.WriteString(strings.NewReplacer("FN", c.fn, "COMMANDS", commands.String()).Replace(walkTemplate))
}

// eachValue calls f for every flag that takes a value, with the pattern that
// "$at|$flag" matches at the flag's command and at all commands below it.
func (c *completion) eachValue(f func(pattern string, value operand)) {
	for _, n := range c.nodes {
		for _, flag := range n.flags {
			if flag.value == nil {
				continue
			}
			var patterns []string
			for _, name := range flag.names {
				if n.path == "" {
					patterns = append(patterns, "*"+printable.SingleQuote("|"+name.word))
				} else {
					patterns = append(patterns, printable.SingleQuote(n.path+"|"+name.word), printable.SingleQuote(n.path+" ")+"*"+printable.SingleQuote("|"+name.word))
				}
			}
			f(strings.Join(patterns, "|"), *flag.value)
		}
	}
}

// eachArg calls f for every positional argument worth completing, with the
// pattern that "$at|$argn" matches there.
func (c *completion) eachArg(f func(pattern string, arg operand)) {
	for _, n := range c.nodes {
		for i, arg := range n.args {
			pattern := printable.SingleQuote(n.path + "|" + strconv.Itoa(i))
			if arg.many {
				pattern = printable.SingleQuote(n.path+"|") + "*"
			}
			f(pattern, arg)
		}
	}
}

// quote makes one word of s for bash and zsh.
