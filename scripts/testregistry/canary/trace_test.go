package canary

import "testing"

func TestInTrace(t *testing.T) {
	key := []byte{0x11, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09, 0x1a}
	for trace, want := range map[string]int{
		"main.f({0xc000123456, 0xf8e7d6c5b4a39211, 0x1})": 5,
		"main.f(0xb4a3920000000000?)":                     0,
		"main.f(0xb4a3921100000000?, {...})":              1,
		"main.f(0x1192a3b4c5d6?)":                         3,
		"main.f({0x1192a3b400000000, 0x0, ...})":          1,
		"rax    0xb4a39211":                               1,
		"r9 b4a39211":                                     1,
		"main.f()\n\t/x.go:7 +0xb4a39211 fp=0xb4a39211":   0,
		"main.f(0xc000123456, 0x20, 0x20)":                0,
		"":                                                0,
	} {
		if got := InTrace(trace, key); got != want {
			t.Errorf("%q: %d runs, want %d", trace, got, want)
		}
	}
}
