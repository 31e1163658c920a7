package store

import (
	"testing"
	"time"
)

// benchCredential is what docker's login stores of an ordinary registry.
func benchCredential(b *testing.B) (c Credential, payload []byte) {
	b.Helper()
	c = Credential{
		ServerURL: "registry.example.com", Canonical: "registry.example.com", Username: "bench", Secret: "correct horse battery staple",
		Kind: KindPassword, Created: time.Unix(1e9, 0).UTC(), Updated: time.Unix(1e9, 0).UTC(),
	}
	payload, err := c.marshal()
	if err != nil {
		b.Fatal(err)
	}
	return c, payload
}

func BenchmarkSeal(b *testing.B) {
	c, payload := benchCredential(b)
	root := NewRootKey()
	name := root.nameKey().name(c.Canonical)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := root.sealer().seal(name, payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	c, payload := benchCredential(b)
	root := NewRootKey()
	name := root.nameKey().name(c.Canonical)
	sealed, err := root.sealer().seal(name, payload)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := root.sealer().open(nil, name, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// What is opened is padded, and JSON has to read over that.
func BenchmarkUnmarshalCredential(b *testing.B) {
	c, payload := benchCredential(b)
	root := NewRootKey()
	name := root.nameKey().name(c.Canonical)
	sealed, err := root.sealer().seal(name, payload)
	if err != nil {
		b.Fatal(err)
	}
	padded, err := root.sealer().open(nil, name, sealed)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unmarshalCredential(padded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAddress(b *testing.B) {
	for _, c := range []struct{ name, spelled string }{
		{"host", "registry.example.com"},
		{"url", "https://Registry.Example.com:443/v2/"},
		{"hub", "https://index.docker.io/v1/"},
		{"scope", "registry.example.com/team/app/image"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ParseAddress(c.spelled).Opaque() {
					b.Fatal("no address")
				}
			}
		})
	}
}

// The keys that every run derives anew: the name key and the kid.
func BenchmarkNameKey(b *testing.B) {
	root := NewRootKey()
	b.ReportAllocs()
	for b.Loop() {
		if !isKID(root.nameKey().kid) {
			b.Fatal("no kid")
		}
	}
}

func BenchmarkEntryName(b *testing.B) {
	names := NewRootKey().nameKey()
	b.ReportAllocs()
	for b.Loop() {
		if len(names.name("registry.example.com")) != 32 {
			b.Fatal("no name")
		}
	}
}

func BenchmarkParseKeyLine(b *testing.B) {
	line := NewRootKey().Line()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseKeyLine(line); err != nil {
			b.Fatal(err)
		}
	}
}
