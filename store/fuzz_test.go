package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"regshape/store/durable"
)

// Only the sealed file itself opens.
func FuzzOpenSealed(f *testing.F) {
	root := NewRootKey()
	name := root.nameKey().name("ghcr.io")
	sealed, err := root.sealer().seal(name, []byte(`{"Secret":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:headerSize])
	f.Add([]byte("RGS1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := root.sealer().open(nil, name, data); err == nil && !bytes.Equal(data, sealed) {
			t.Fatalf("%x opens", data)
		}
	})
}

// An entry that is read and written again keeps every field, known or not.
func FuzzCredential(f *testing.F) {
	f.Add([]byte(`{"ServerURL":"h","Username":"u","Secret":"s","Future":{"a":[1,null]},"Expires":"2030-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"Renew":{"Issuer":"i","Token":"t"},"payload":1,"kind":"device"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := unmarshalCredential(payload)
		if err != nil || string(bytes.TrimSpace(payload)) == "null" {
			return
		}
		again, err := c.marshal()
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		d, err := unmarshalCredential(again)
		if err != nil {
			t.Fatalf("%s does not read again: %v", again, err)
		}
		c.payload, d.payload = nil, nil
		if !reflect.DeepEqual(c, d) {
			t.Fatalf("%#v became %#v", c, d)
		}
		var before, after map[string]any
		if json.Unmarshal(payload, &before) != nil || json.Unmarshal(again, &after) != nil {
			t.Fatal("no objects")
		}
		known := reflect.TypeFor[Credential]()
		for field, value := range before {
			k, isKnown := known.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, field) })
			if isKnown && k.IsExported() {
				continue
			}
			if !reflect.DeepEqual(after[field], value) {
				t.Fatalf("%q was %v and is %v", field, value, after[field])
			}
		}
	})
}

// withChecksum ends each line as [taggedLine] does, or nothing behind the checksum would
// ever be reached.
func withChecksum(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		body := strings.Join(strings.Fields(line), " ")
		fmt.Fprintf(&lines, "%s %08x\n", body, crc32.ChecksumIEEE([]byte(body)))
	}
	return lines.String()
}

// Of a line with a right checksum, either all of it is what regshape would have written for
// what was read, or it is refused, and the error holds none of it.
func FuzzTaggedLine(f *testing.F) {
	root := NewRootKey()
	fields := strings.Fields(root.Line())
	f.Add(true, strings.Join(fields[:3], " "))
	f.Add(false, strings.Join(strings.Fields(root.nameKey().line())[:3], " "))
	f.Add(false, namesTag+" 0011223344556677 "+strings.Repeat("A", 52))
	f.Add(true, keyTag+" 0011223344556677 "+strings.Repeat("A", 51))
	f.Add(false, namesTag+" 0011223344556677 "+strings.Repeat("A", 51)+"B")
	f.Fuzz(func(t *testing.T, key bool, body string) {
		line := strings.TrimSpace(withChecksum(strings.ReplaceAll(body, "\n", " ")))
		var again string
		var err error
		if key {
			var k RootKey
			if k, err = ParseKeyLine(line); err == nil {
				again = k.Line()
			}
		} else {
			var n nameKey
			if n, err = parseNamesLine(line); err == nil {
				again = n.line()
			}
		}
		if err == nil && again != line {
			t.Fatalf("%q reads as %q", line, again)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, ErrKeyDamaged) {
			t.Fatalf("%q: %v", line, err)
		}
		for _, word := range strings.Fields(body) {
			if len(word) > len(namesTag) && strings.Contains(err.Error(), word) {
				t.Fatalf("%q: the error quotes it: %v", line, err)
			}
		}
	})
}

// What a names file is read as, is written so that it reads the same; one that is damaged
// in any line is refused as a whole, and by its name.
func FuzzNamesFile(f *testing.F) {
	one, two := NewRootKey().nameKey(), NewRootKey().nameKey()
	line := func(n nameKey) string { return strings.Join(strings.Fields(n.line())[:3], " ") }
	f.Add(line(one))
	f.Add(line(one) + "\r\n" + line(two) + "\n")
	f.Add(line(one) + "\n\n" + line(two))
	f.Add("")
	dir := f.TempDir()
	s := &Store{loc: Location{Data: dir, State: dir, Config: dir}, disk: durable.OS{}}
	f.Fuzz(func(t *testing.T, bodies string) {
		for _, text := range []string{bodies, withChecksum(bodies)} {
			if err := os.WriteFile(s.loc.namesFile(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := s.namesLines()
			if err != nil {
				if len(text) <= durable.MaxFile && (!errors.Is(err, ErrKeyDamaged) || !strings.Contains(err.Error(), s.loc.namesFile())) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			var again strings.Builder
			for _, n := range found {
				again.WriteString(n.line() + "\n")
			}
			if strings.Count(again.String(), "\n") != strings.Count(strings.TrimSuffix(text, "\n")+"\n", "\n") && text != "" {
				t.Fatalf("%q reads as %d lines", text, len(found))
			}
			if err := os.WriteFile(s.loc.namesFile(), []byte(again.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			same, err := s.namesLines()
			if err != nil || len(same) != len(found) {
				t.Fatalf("%q reads as %d lines, written again as %d (%v)", text, len(found), len(same), err)
			}
			for i := range same {
				if !same[i].equal(found[i]) {
					t.Fatalf("%q: line %d reads as another one when written again", text, i+1)
				}
			}
			for _, kid := range []string{"", "0011223344556677"} {
				s.config.KID = kid
				var n nameKey
				if err := s.readNames(&n); err == nil && (kid != "" && n.kid != kid || len(found) == 0) {
					t.Fatalf("%q answers for %q with the names of %q", text, kid, n.kid)
				}
			}
		}
	})
}

// A file among the markers of a rotation is a marker, or no concern of this version's, or
// one that stops it from writing; nothing else.
func FuzzMarkers(f *testing.F) {
	const kid = "0011223344556677"
	f.Add(kid, []byte(markerContent))
	f.Add(kid, []byte("REGSHAPE-REKEY-2\n"))
	f.Add(".tmp-ABC", []byte(markerContent))
	f.Add("00112233445566gg", []byte{})
	dir := f.TempDir()
	s := &Store{loc: Location{Data: dir, State: dir, Config: dir}, disk: durable.OS{}}
	if err := os.MkdirAll(s.loc.markerDir(kid), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		path := filepath.Join(s.loc.markerDir(kid), name)
		if filepath.Dir(path) != s.loc.markerDir(kid) || os.WriteFile(path, content, 0o600) != nil {
			return // no name of a file
		}
		defer os.Remove(path)
		tokens, err := s.markers(kid)
		switch ours := string(content) == markerContent; {
		case !isKID(filepath.Base(path)):
			if err != nil || len(tokens) > 0 {
				t.Fatalf("%q is taken for a marker: %q, %v", name, tokens, err)
			}
		case ours:
			if err != nil || len(tokens) != 1 || tokens[0] != filepath.Base(path) {
				t.Fatalf("the marker %q gives %q, %v", name, tokens, err)
			}
		default:
			if len(tokens) > 0 || !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), path) {
				t.Fatalf("%q in the marker %q gives %q, %v", content, name, tokens, err)
			}
		}
	})
}
