package terminal

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A password is the input without one line ending; what follows a line belongs to the next
// prompt.
func FuzzPasswordInput(f *testing.F) {
	for _, s := range []string{"secret", "", "\r", "a\nb", "\n", "a\r\r", "\x00\xff", " "} {
		f.Add(s, "rest")
	}
	f.Fuzz(func(t *testing.T, text, rest string) {
		for _, ending := range []string{"\n", "\r\n", "\r"} {
			got, err := ReadSecret(iotest.OneByteReader(strings.NewReader(text + ending)))
			want := text
			if ending == "\n" {
				want = strings.TrimSuffix(text, "\r")
			}
			if err == nil && got != want || err != nil && (want != "" && len(want) <= MaxSecret || len(text) > 3 && strings.Contains(err.Error(), text)) {
				t.Fatalf("%q: got %q (%v), want %q", text+ending, got, err, want)
			}
		}
		line := strings.ReplaceAll(text, "\n", "")
		in := strings.NewReader(line + "\n" + rest)
		got, err := readLine(in)
		left, _ := io.ReadAll(in)
		if len(line) < MaxSecret && (err != nil || got != strings.TrimSuffix(line, "\r") || string(left) != rest) {
			t.Fatalf("%q: got %q (%v) and the rest %q, want the rest %q", line, got, err, left, rest)
		}
	})
}
