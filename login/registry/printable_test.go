package registry

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"plain", 9, "plain"},
		{" a \t\r\n b ", 9, "a b"},
		{"\x1b[31mred\x07\x7f", 20, "?[31mred??"},
		{"a\u202eb\u2066c\u200b\ufeff", 20, "a?b?c??"},
		{"\u009b31m", 20, "?31m"},
		{"a\u2028b", 20, "a b"},
		{"bad\xffutf", 20, "bad\ufffdutf"},
		{"längere", 7, "längere"},
		{"längere!", 7, "länger…"},
		{"ab cd", 4, "ab…"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := Printable(tt.in, tt.max); got != tt.want {
			t.Errorf("Printable(%q, %d) = %q, want %q", tt.in, tt.max, got, tt.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[0m\u202e b\n", 5)
	f.Add("\xff\xfe…", 2)
	f.Fuzz(func(t *testing.T, s string, max int) {
		got := Printable(s, max)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxOf(max, 0) {
			t.Errorf("%q is not valid or too long for %d", got, max)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q holds what a terminal must not see", got)
		}
		if again := Printable(got, max); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	})
}

func maxOf(a, b int) int { return max(a, b) }
