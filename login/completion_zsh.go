package login

import (
	"bytes"
	"fmt"
	"strings"

	"regshape/store/printable"
)

// zshTail works both ways a script is installed: sourced, or as a file
// _NAME on fpath, which zsh runs as the body of the function at first use.
const zshTail = `FN() {
    emulate -L zsh
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

// zsh writes the script for zsh, where candidates carry their help.
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

// zshItems gives what _describe reads: word:help, a colon in the word escaped.
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
