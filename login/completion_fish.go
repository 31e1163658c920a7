package login

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// fishHead answers fish's conditions. FN_state prints the command reached by
// the words before the cursor, a bar, and the number of its arguments given;
// fish runs each condition once per completion, so this is cheap enough.
const fishHead = `# fish completion for NAME
function FN_state
    set -l at ''
    set -l argn 0
    set -l skip
    set -l end
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if set -q skip[1]
            set -e skip[1]
            continue
        end
        if not set -q end[1]
            switch $word
                case --
                    set end 1
                    continue
                case '-*=*'
                    continue
                case '-*'
                    switch "$at|$word"
VALUED                    end
                    continue
            end
        end
        switch "$at|$word"
COMMANDS            case '*'
                set argn (math $argn + 1)
        end
    end
    echo "$at|$argn"
end
function FN_at
    string match -q -- $argv[1] (FN_state)
end
function FN_below
    set -l state (FN_state)
    string match -q -- "$argv[1]|*" $state; or string match -q -- "$argv[1] *" $state
end
complete -c NAME -f
`

// fish writes the script for fish, which reads values of flags by itself.
func (c *completion) fish(b *bytes.Buffer) {
	var valued, commands strings.Builder
	for _, n := range c.nodes {
		for _, flag := range n.flags {
			if flag.value == nil {
				continue
			}
			for _, name := range flag.names {
				patterns := fishQuote("*|" + name.word)
				if n.path != "" {
					patterns = fishQuote(n.path+"|"+name.word) + " " + fishQuote(n.path+" *|"+name.word)
				}
				fmt.Fprintf(&valued, "                        case %s\n                            set skip 1\n", patterns)
			}
		}
		for _, cmd := range n.commands {
			path := strings.TrimSpace(n.path + " " + cmd.word)
			fmt.Fprintf(&commands, "            case %s\n                set at %s\n", fishQuote(n.path+"|"+cmd.word), fishQuote(path))
		}
	}
	fn := "_" + c.fn
	b.WriteString(strings.NewReplacer("FN", fn, "NAME", c.name,
		"VALUED", valued.String(), "COMMANDS", commands.String()).Replace(fishHead))
	for _, n := range c.nodes {
		for _, cmd := range n.commands {
			c.fishLine(b, fn+"_at", n.path+"|0", "-a "+fishQuote(cmd.word), cmd.help)
		}
		for i, arg := range n.args {
			at := n.path + "|" + strconv.Itoa(i)
			if arg.many {
				at = n.path + "|*"
			}
			if rule := fishOperand(arg); rule != "" {
				c.fishLine(b, fn+"_at", at, rule, "")
			}
		}
		for _, flag := range n.flags {
			for _, name := range flag.names {
				rule := "-l " + fishQuote(strings.TrimPrefix(name.word, "--"))
				if !strings.HasPrefix(name.word, "--") {
					rule = "-s " + fishQuote(strings.TrimPrefix(name.word, "-"))
				}
				if flag.value != nil {
					rule += " " + fishValue(*flag.value)
				}
				c.fishLine(b, fn+"_below", n.path, rule, name.help)
			}
		}
	}
}

// fishLine writes one rule. The condition is left out for flags of the
// program itself, which hold everywhere.
func (c *completion) fishLine(b *bytes.Buffer, condition, path, rule, help string) {
	fmt.Fprintf(b, "complete -c %s", c.name)
	if path != "" {
		fmt.Fprintf(b, " -n %s", fishQuote(condition+" "+fishQuote(path)))
	}
	fmt.Fprintf(b, " %s", strings.TrimSpace(rule))
	if help != "" {
		fmt.Fprintf(b, " -d %s", fishQuote(help))
	}
	b.WriteByte('\n')
}

// fishValue is fishOperand for the value of a flag, where fish goes on to
// offer files unless -x forbids it.
func fishValue(o operand) string {
	if o.files {
		return "-r -F"
	}
	return "-x " + fishOperand(o)
}

func fishOperand(o operand) string {
	switch {
	case len(o.words) > 0:
		return "-a " + fishQuote(strings.Join(o.words, " "))
	case o.dirs:
		return "-a '(__fish_complete_directories)'"
	case o.files:
		return "-F"
	}
	return ""
}

// fishQuote makes one word of s; inside single quotes fish reads \\ and \'.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
