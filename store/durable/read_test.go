package durable

import "testing"

func TestText(t *testing.T) {
	for data, want := range map[string]string{
		"\xff\xfea\x00\xe9\x00=\xd8\x00\xde": "aé😀", // a surrogate pair
		"\xff\xfe":                           "",
		"\xff\xfea":                          "\xff\xfea", // half a unit: not UTF-16
		"a\x00":                              "a\x00",     // no mark
	} {
		if got := string(Text([]byte(data))); got != want {
			t.Errorf("Text(%q) = %q, want %q", data, got, want)
		}
	}
}
