package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// A line is refused for what is wrong with it, in the names file, too, where nothing else
// would notice.
func TestWhatIsWrongWithALine(t *testing.T) {
	line := func(kid, secret string) string {
		body := namesTag + " " + kid + " " + secret
		return fmt.Sprintf("%s %08x", body, crc32.ChecksumIEEE([]byte(body)))
	}
	const kid = "0011223344556677"
	key := strings.Repeat("A", 52)
	if n, err := parseNamesLine(line(kid, key)); err != nil || n.kid != kid {
		t.Errorf("a good line: %v", err)
	}
	for bad, want := range map[string]string{
		"":                                "it is no",
		line(kid, key) + " x":             "it is no",
		strings.Fields(line(kid, key))[0]: "it is no",
		"X" + line(kid, key):              "it is no",
		strings.ToUpper(line("aabbccddeeff0011", key)): "its checksum",
		line(kid, key)[:len(line(kid, key))-1]:         "its checksum",
		line("0011223344556g77", key):                  "its kid",
		line("00112233445566", key):                    "its kid",
		line("001122334455667788", key):                "its kid",
		line("AABBCCDDEEFF0011", key):                  "its kid",
		line(kid, key[1:]):                             "its key",
		line(kid, key+"AAAAAAAA"):                      "its key",
		line(kid, strings.Repeat("1", 52)):             "its key",
	} {
		if n, err := parseNamesLine(bad); !errors.Is(err, ErrKeyDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", bad, n, err, want)
		}
	}
	for s, want := range map[string]bool{strings.Repeat("0", 32): true, strings.Repeat("v", 32): true, strings.Repeat("0", 31): false, strings.Repeat("0", 40): false, strings.Repeat("V", 32): false, strings.Repeat("w", 32): false, "": false} {
		if isEntryName(s) != want {
			t.Errorf("%q is an entry's name: %t", s, !want)
		}
	}
}

// Each byte of the header that says what a newer version may mean is looked at.
func TestNewerSealedFiles(t *testing.T) {
	root := NewRootKey()
	sealed, err := root.sealer().seal("n", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 4; i < 8; i++ {
		changed := append([]byte(nil), sealed...)
		changed[i]++
		if _, err := root.sealer().open(nil, "n", changed); !errors.Is(err, ErrNewer) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for i := 8; i < headerSize; i++ {
		changed := append([]byte(nil), sealed...)
		changed[i]++
		if _, err := root.sealer().open(nil, "n", changed); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "another key") {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}
