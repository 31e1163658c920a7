package printable

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

// Shell joins words to a command that a POSIX shell takes apart into the same words. What a
// terminal would not show as it is, two blanks in a row included, is escaped ($'…' of POSIX
// 2024; bash, zsh, ksh): a command that is copied must not mean another file. On Windows it is
// one of PowerShell, also where the words are of mv, rm or unset.
func Shell(words ...string) string { return shellOf(runtime.GOOS, words) }

func shellOf(goos string, words []string) string {
	if goos == "windows" && len(words) > 0 {
		return powerShell(words)
	}
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

// powerShell joins words for PowerShell; cmd mostly takes them the same way.
func powerShell(words []string) string {
	program, args := words[0], words[1:]
	files := func(prefix string) string { // an array, none of it a pattern
		var list []string
		for _, arg := range args {
			if arg != "-n" && arg != "-r" && arg != "--" {
				list = append(list, powerShellWord(prefix+arg))
			}
		}
		return strings.Join(list, ",")
	}
	switch {
	case program == "mv": // like mv -n it does not replace a file
		last := args[len(args)-1]
		args = args[:len(args)-1]
		return "Move-Item -LiteralPath " + files("") + " " + powerShellWord(last)
	case program == "rm" && slices.Contains(args, "-r"):
		return "Remove-Item -Recurse -LiteralPath " + files("")
	case program == "rm":
		return "Remove-Item -LiteralPath " + files("")
	case program == "unset":
		return "Remove-Item " + files("Env:")
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = powerShellWord(w)
	}
	if quoted[0] != program {
		quoted[0] = "& " + quoted[0] // else it is a text and no program
	}
	return strings.Join(quoted, " ")
}

// powerShellWord quotes a word. PowerShell also takes typographic quotation marks for quotes.
func powerShellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(`._-/\:=+`, r)
	}
	switch {
	case line(s, len(s)+1) != s:
		var b strings.Builder
		for _, r := range s {
			if plain(r) {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, "$([char]::ConvertFromUtf32(0x%x))", r)
			}
		}
		return `"` + b.String() + `"`
	case s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0:
		return s
	case strings.ContainsAny(s, "\"$`%“”„‘’‚‛"):
		for _, mark := range []string{"'", "‘", "’", "‚", "‛"} {
			s = strings.ReplaceAll(s, mark, mark+mark)
		}
		return "'" + s + "'"
	}
	return `"` + s + `"`
}
