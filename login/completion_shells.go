package login

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/store/printable"
)

// walkTemplate is for bash and zsh. It walks over the words before the cursor and sets at to
// the path of the command, argn to the number of its arguments, and opt to the flag whose
// value comes next. bash splits words at = and :, so --flag=value is three words (opt waits
// for the third), and so is host:port (opt set to : skips the port).
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

// shellWalk writes FN_walk and FN_valued, which reports whether a flag takes a value at the
// current command.
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

// eachValue calls f for every flag that takes a value, with the pattern that matches
// "$at|$flag" at the flag's command and at all commands below it.
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

// eachArg calls f for every positional argument, with the pattern that matches "$at|$argn"
// there.
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

// offer writes FN_offer for bash and zsh, which is called after FN_walk with the word under
// the cursor and collects the candidates. value and add return the shell's statement for an
// operand and for words with help.
func (c *completion) offer(b *bytes.Buffer, value func(operand) string, add func([]candidate) string) {
	fmt.Fprintf(b, "%s_offer() {\n    if [ -n \"$opt\" ]; then\n        case \"$at|$opt\" in\n", c.fn)
	c.eachValue(func(pattern string, o operand) {
		if s := value(o); s != ":" {
			fmt.Fprintf(b, "        %s) %s ;;\n", pattern, s)
		}
	})
	b.WriteString("        esac\n        return 0\n    fi\n    case \"$end$1\" in\n    -*)\n        case \"$at\" in\n")
	for _, n := range c.nodes {
		var words []candidate
		for _, flag := range n.shown {
			words = append(words, flag.names...)
		}
		if len(words) > 0 {
			fmt.Fprintf(b, "        %s) %s ;;\n", printable.SingleQuote(n.path), add(words))
		}
	}
	b.WriteString("        esac\n        return 0\n        ;;\n    esac\n    case \"$at|$argn\" in\n")
	for _, n := range c.nodes {
		if len(n.commands) > 0 {
			fmt.Fprintf(b, "    %s) %s ;;\n", printable.SingleQuote(n.path+"|0"), add(n.commands))
		}
	}
	c.eachArg(func(pattern string, o operand) {
		if s := value(o); s != ":" {
			fmt.Fprintf(b, "    %s) %s ;;\n", pattern, s)
		}
	})
	b.WriteString("    esac\n    return 0\n}\n")
}

// bashTail works with the bash 3.2 of macOS: no mapfile, and compopt, which only affects how
// file names are shown, may be missing.
const bashTail = `FN() {
    local cur=${COMP_WORDS[COMP_CWORD]} prefix='' at argn opt end list='' files='' line
    FN_walk "${COMP_WORDS[@]:1:COMP_CWORD-1}"
    COMPREPLY=()
    case "$cur" in
    =) cur='' ;;
    --*=*) if [ -z "$opt$end" ]; then opt=${cur%%=*} prefix=$opt= cur=${cur#*=}; fi ;;
    esac
    FN_offer "$cur"
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(
        compgen -P "$prefix" -W "$list" -- "$cur"
        if [ -n "$files" ]; then compgen -P "$prefix" "$files" -- "$cur"; fi
    )
    if [ -n "$files" ]; then compopt -o filenames 2>/dev/null; fi
    return 0
}
complete -F FN NAME
`

// bash writes the script for bash: FN_offer sets list to the words and files to the kind of
// file that may be completed.
func (c *completion) bash(b *bytes.Buffer) {
	fmt.Fprintf(b, "# bash completion for %s\n", c.name)
	c.shellWalk(b)
	c.offer(b, bashOperand, func(words []candidate) string {
		var names []string
		for _, w := range words {
			names = append(names, w.word)
		}
		return "list=$list" + printable.SingleQuote(" "+strings.Join(names, " "))
	})
	b.WriteString(strings.NewReplacer("FN", c.fn, "NAME", c.name).Replace(bashTail))
}

func bashOperand(o operand) string {
	switch {
	case len(o.words) > 0:
		return "list=" + printable.SingleQuote(strings.Join(o.words, " "))
	case o.dirs:
		return "files=-d"
	case o.files:
		return "files=-f"
	}
	return ":"
}

// zshTail works for a sourced script and for a file _NAME on fpath, which zsh runs as the
// body of the function at first use.
const zshTail = `FN() {
    emulate -L zsh -o extended_glob # _describe -o needs it
    local cur=${words[CURRENT]} at argn opt end files
    local -a list
    FN_walk "${(@)words[2,CURRENT-1]}"
    if [[ -z $opt$end && $cur == --*=* ]]; then
        opt=${cur%%=*} cur=${cur#*=}
        compset -P 1 '*='
    fi
    FN_offer "$cur"
    if (( $#list )); then
        if [[ $cur == -* ]]; then
            _describe -o option list
        else
            _describe word list
        fi
    elif [[ -n $files ]]; then
        _files ${files:#-f}
    fi
}
if [[ $funcstack[1] == FN ]]; then
    FN "$@"
elif (( $+functions[compdef] )); then
    compdef FN NAME
fi
`

// zsh writes the script for zsh, where candidates have descriptions.
func (c *completion) zsh(b *bytes.Buffer) {
	fmt.Fprintf(b, "#compdef %s\n# zsh completion for %s\n", c.name, c.name)
	c.shellWalk(b)
	c.offer(b, zshOperand, func(words []candidate) string {
		return "list+=(" + zshItems(words) + ")"
	})
	b.WriteString(strings.NewReplacer("FN", c.fn, "NAME", c.name).Replace(zshTail))
}

func zshOperand(o operand) string {
	switch {
	case len(o.words) > 0:
		var words []candidate
		for _, w := range o.words {
			words = append(words, candidate{word: w})
		}
		return "list=(" + zshItems(words) + ")"
	case o.dirs:
		return "files=-/"
	case o.files:
		return "files=-f"
	}
	return ":"
}

// zshItems formats words for _describe: word:help, with colons in the word escaped.
func zshItems(words []candidate) string {
	items := make([]string, 0, len(words))
	for _, w := range words {
		item := strings.ReplaceAll(w.word, ":", `\:`)
		if w.help != "" {
			item += ":" + w.help
		}
		items = append(items, printable.SingleQuote(item))
	}
	return strings.Join(items, " ")
}

// fishHead has the conditions of the rules. FN_state prints the path of the command before
// the cursor, a bar, and the number of its arguments; fish evaluates each condition once per
// completion.
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
function FN_in
    contains -- (string replace -r '\|\d+$' '' -- (FN_state)) $argv
end
complete -c NAME -f
`

// fish writes the script for fish.
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
	line := func(condition, rule, help string) {
		if help != "" {
			rule += " -d " + fishQuote(help)
		}
		fmt.Fprintf(b, "complete -c %s -n %s %s\n", c.name, fishQuote(condition), rule)
	}
	at := func(n completionNode, args string) string { return fn + "_at " + fishQuote(n.path+"|"+args) }
	var flags []completionFlag
	shownAt := map[*kong.Flag]string{} // the condition
	for _, n := range c.nodes {
		for _, cmd := range n.commands {
			line(at(n, "0"), "-a "+fishQuote(cmd.word), cmd.help)
		}
		for i, arg := range n.args {
			args := strconv.Itoa(i)
			if arg.many {
				args = "*"
			}
			if rule := fishOperand(arg); rule != "" {
				line(at(n, args), rule, "")
			}
		}
		for _, f := range n.shown {
			if shownAt[f.flag] == "" {
				flags, shownAt[f.flag] = append(flags, f), fn+"_in"
			}
			shownAt[f.flag] += " " + fishQuote(n.path)
		}
	}
	for _, f := range flags {
		for _, name := range f.names {
			rule := "-l " + fishQuote(strings.TrimPrefix(name.word, "--"))
			if !strings.HasPrefix(name.word, "--") {
				rule = "-s " + fishQuote(strings.TrimPrefix(name.word, "-"))
			}
			if f.value != nil {
				rule += " " + fishValue(*f.value)
			}
			line(shownAt[f.flag], rule, name.help)
		}
	}
}

// fishValue is fishOperand for the value of a flag, where fish offers files too unless there
// is -x.
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

// fishQuote quotes s; inside single quotes fish reads \\ and \'.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
