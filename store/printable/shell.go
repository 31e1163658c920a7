package printable

import (
	"fmt"
	"strings"
)

// Shell joins words to a command that a POSIX shell takes apart into the same words. What a
// terminal would not show as it is, two blanks in a row included, is escaped ($'…' of POSIX
// 2024; bash, zsh, ksh): a command that is copied must not mean another file.
func Shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return strings.Join(quoted, " ")
}

// File is a file's name as a word of a command, which must not take it for an option.
func File(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-:=@%+,"
	switch {
	case s != "" && s[0] != '=' && strings.Trim(s, plain) == "": // zsh looks "=word" up
		return s
	case line(s, len(s)+1) == s:
		return SingleQuote(s)
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(s) {
		if c > ' ' && c < 0x7f && c != '\'' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteString("'")
	return b.String()
}

// SingleQuote is a text as one word of a shell's, whatever it holds.
func SingleQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
