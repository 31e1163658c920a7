package login

import (
	"bytes"
	"fmt"
	"strings"

	"regshape/store/printable"
)

// bashTail needs nothing newer than the bash 3.2 of macOS: no mapfile, and
// compopt (which only makes file names look like file names) may be missing.
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

// bash writes the script for bash: FN_offer fills list with the words and
// files with the kind of file that may stand under the cursor.
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

// offer writes FN_offer for bash and zsh: called with the word under the
// cursor after FN_walk, it gathers what may stand there. value and add give
// the shell's own statement for an operand and for words with help.
func (c *completion) offer(b *bytes.Buffer, value func(operand) string, add func([]candidate) string) {
	fmt.Fprintf(b, "%s_offer() {\n    if [ -n \"$opt\" ]; then\n        case \"$at|$opt\" in\n", c.fn)
	c.eachValue(func(pattern string, o operand) {
		if s := value(o); s != ":" {
			fmt.Fprintf(b, "        %s) %s ;;\n", pattern, s)
		}
	})
	b.WriteString("        esac\n        return 0\n    fi\n    case \"$end$1\" in\n    -*)\n")
	for _, n := range c.nodes {
		var words []candidate
		for _, flag := range n.flags {
			words = append(words, flag.names...)
		}
		switch {
		case len(words) == 0:
		case n.path == "":
			fmt.Fprintf(b, "        %s\n", add(words))
		default:
			fmt.Fprintf(b, "        case \"$at\" in %s|%s*) %s ;; esac\n", printable.SingleQuote(n.path), printable.SingleQuote(n.path+" "), add(words))
		}
	}
	b.WriteString("        return 0\n        ;;\n    esac\n    case \"$at|$argn\" in\n")
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
