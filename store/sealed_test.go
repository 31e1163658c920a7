package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestSealedFileRefusesEveryChange(t *testing.T) {
	root := NewRootKey()
	name := root.nameKey().name("ghcr.io")
	sealed, err := root.sealer().seal(name, []byte(`{"Secret":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := root.sealer().open(nil, name, sealed); err != nil || string(bytes.TrimSpace(got)) != `{"Secret":"x"}` {
		t.Fatalf("open: %q, %v", got, err)
	}
	for bit := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := root.sealer().open(nil, name, changed); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range sealed {
		if _, err := root.sealer().open(nil, name, sealed[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := root.sealer().open(nil, name, append(bytes.Clone(sealed), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := root.sealer().open(nil, root.nameKey().name("quay.io"), sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another name: %v", err)
	}
	if _, err := NewRootKey().sealer().open(nil, name, sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v", err)
	}
}

// What lies on the disk does not tell a password from a token of the usual sizes.
func TestSeal_sizeHidesKind(t *testing.T) {
	s := memoryStore(t, t.TempDir(), &memoryKey{})
	sizes := map[int64][]string{}
	for _, c := range []Credential{
		{ServerURL: "a.example", Username: "u", Secret: "x", Kind: KindPassword},
		{ServerURL: "https://registry-1.a-long-name.region.example.com:5000/v2/", Username: strings.Repeat("robot$", 10), Secret: strings.Repeat("p", 128), Kind: KindPassword},
		{ServerURL: "b.example", Username: "<token>", Secret: strings.Repeat("t", 900), Kind: KindIdentityToken},
		{ServerURL: "c.example", Username: "<token>", Secret: strings.Repeat("t", 1500), Kind: KindIdentityToken, Transport: TransportInsecure, CAFile: "/etc/ssl/certs/own.pem"},
		{ServerURL: "d.example", Username: "<token>", Secret: strings.Repeat("t", 2500), Kind: KindIdentityToken, VerifiedAt: s.now()},
	} {
		if err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		v, err := s.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(v.path(ParseAddress(c.ServerURL).String()))
		if err != nil {
			t.Fatal(err)
		}
		sizes[info.Size()] = append(sizes[info.Size()], c.ServerURL)
	}
	if len(sizes) != 1 {
		t.Errorf("files by size: %v", sizes)
	}
}

func TestSeal_sizeHidesLength(t *testing.T) {
	root := NewRootKey()
	sizes := map[int]int{1: 3072, 3071: 3072, 3072: 3072, 3073: 6144, 6144: 6144}
	for length, padded := range sizes {
		sealed, err := root.sealer().seal("n", []byte(strings.Repeat("x", length)))
		if err != nil || len(sealed) != headerSize+sealExtra+padded {
			t.Errorf("%d bytes are sealed in %d (%v), want %d", length, len(sealed), err, headerSize+sealExtra+padded)
		}
	}
}

// Vectors computed once with another implementation (Python's hmac and hashlib), so that
// the derivations cannot drift.
func TestDerivations(t *testing.T) {
	secret := newKeyBytes()
	for i := range secret.b {
		secret.b[i] = byte(i)
	}
	root := rootKeyOf(secret)
	if got := root.KID(); got != vectorKID {
		t.Errorf("kid %s, want %s", got, vectorKID)
	}
	if got := root.nameKey().name("ghcr.io"); got != vectorName {
		t.Errorf("entry name %s, want %s", got, vectorName)
	}
	if got := fmt.Sprintf("%x", root.derivation().derive("regshape/v1/cred/"+vectorName)); got != vectorCredKey {
		t.Errorf("entry key %s, want %s", got, vectorCredKey)
	}
	if got := root.Line(); got != vectorLine {
		t.Errorf("key line %s, want %s", got, vectorLine)
	}
}

func TestKeyLine(t *testing.T) {
	root := NewRootKey()
	line := root.Line()
	if got, err := ParseKeyLine("  " + line + "\r\n"); err != nil || !got.Equal(root) {
		t.Fatalf("round trip: %v", err)
	}
	fields := strings.Fields(line)
	other := strings.Fields(NewRootKey().Line())
	for _, bad := range []string{
		"", "x", line + " x", strings.Replace(line, "KEY-1", "KEY-2", 1), line[:len(line)-1],
		strings.Join([]string{fields[0], other[1], fields[2], fields[3]}, " "),
		strings.Join([]string{fields[0], fields[1], other[2], fields[3]}, " "),
		taggedLine(keyTag, other[1], root.key.secret.b[:]),
		taggedLine(keyTag, fields[1], root.key.secret.b[:20]),
		taggedLine(keyTag, "short", root.key.secret.b[:]),
		root.nameKey().line(),
	} {
		_, err := ParseKeyLine(bad)
		if !errors.Is(err, ErrKeyDamaged) {
			t.Errorf("ParseKeyLine of a bad line: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), fields[2]) {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	root := NewRootKey()
	c := Credential{ServerURL: "h", Username: "u", Secret: "canary-1", Renew: &Renewal{Token: "canary-2"}}
	for _, v := range []any{c, &c, *c.Renew, c.Renew} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") {
				t.Errorf("%s of %T shows a secret: %s", verb, v, got)
			}
		}
	}
	names := root.nameKey()
	var shapes []string // as they would show three bytes in a row
	for _, secret := range [][]byte{root.key.secret.b[:], root.key.prk.b[:], names.secret.b[:]} {
		b := secret[8:11]
		shapes = append(shapes, fmt.Sprintf("%d %d %d", b[0], b[1], b[2]), fmt.Sprintf("%d, %d, %d", b[0], b[1], b[2]),
			fmt.Sprintf("0x%x, 0x%x, 0x%x", b[0], b[1], b[2]), fmt.Sprintf("%x", b), fmt.Sprintf("%X", b), fmt.Sprintf("%o %o %o", b[0], b[1], b[2]),
			fmt.Sprintf("%b %b %b", b[0], b[1], b[2]), fmt.Sprintf("%c %c %c", b[0], b[1], b[2]), fmt.Sprintf("%U %U %U", b[0], b[1], b[2]),
			fmt.Sprintf("%q %q %q", b[0], b[1], b[2]), noPadding.EncodeToString(secret)[5:10])
	}
	type hidden struct {
		root  RootKey
		names nameKey
	}
	type open struct {
		Root *RootKey
		In   hidden
	}
	for got, want := range map[string]string{
		fmt.Sprintf("%x %v %d", root, root, &root): "root key (hidden) root key (hidden) root key (hidden)",
		fmt.Sprintf("%x %v", names, names):         "name key (hidden) name key (hidden)",
	} {
		if got != want {
			t.Errorf("printed is %q, want %q", got, want)
		}
	}
	v := view{store: &Store{}, root: root, names: names}
	for _, value := range []any{
		root, &root, names, &names,
		hidden{root, names},
		&hidden{root, names},
		open{&root, hidden{root, names}},
		Rotation{Key: &root},
		[]RootKey{root},
		map[string]RootKey{"k": root},
		[]nameKey{names},
		v, &v, root.sealer(), *v.opener(), v.opener(),
	} {
		texts := map[string]string{"print": fmt.Sprint(value)}
		for _, verb := range "vsqxXdobcUteg" {
			for _, flag := range []string{"", "+", "#", " ", "# "} {
				format := "%" + flag + string(verb)
				texts[format] = fmt.Sprintf(format, value)
			}
		}
		if data, err := json.Marshal(value); err == nil {
			texts["JSON"] = string(data)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		texts["log"] = log.String()
		for how, text := range texts {
			if slices.ContainsFunc(shapes, func(shape string) bool { return strings.Contains(text, shape) }) {
				t.Errorf("%s of %T shows key material", how, value)
			}
		}
	}
}

// No value of key material holds bytes: what is passed on shows in the stack trace of a
// crash.
func TestSecretsArePassedAsPointers(t *testing.T) {
	for _, v := range []any{RootKey{}, nameKey{}, view{}, Rotation{}, opener{}, mac{}, opened{}, copying{}} {
		if field := arrayIn(reflect.TypeOf(v)); field != "" {
			t.Errorf("%T holds bytes in %s", v, field)
		}
	}
	if field := arrayIn(reflect.TypeFor[struct{ a struct{ b [8]byte } }]()); field != "a.b" {
		t.Errorf("an array in a struct is taken for %q", field)
	}
}

// arrayIn names the first array of bytes that a copy of a value copies. The header of a
// sealed file is public.
func arrayIn(t reflect.Type) string {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Type.Kind() == reflect.Array && f.Type.Len() > 0 && (t != reflect.TypeFor[sealer]() || f.Name != "header"):
			return f.Name
		case f.Type.Kind() == reflect.Struct:
			if below := arrayIn(f.Type); below != "" {
				return f.Name + "." + below
			}
		}
	}
	return ""
}

func FuzzParseKeyLine(f *testing.F) {
	f.Add(NewRootKey().Line())
	f.Add("REGSHAPE-KEY-1 0 0 0")
	f.Fuzz(func(t *testing.T, line string) {
		if k, err := ParseKeyLine(line); err == nil && k.Line() != strings.Join(strings.Fields(line), " ") {
			t.Fatalf("a key line was read that is not written: %q", line)
		}
	})
}

// For the root key 00 01 02 … 1f and the address ghcr.io.
const (
	vectorKID     = "e405ce1086b1c0bd"
	vectorName    = "kssle3cmro0pnuv6k05b4ldaql8dpevj"
	vectorCredKey = "5d6bd33dc337dce68af38af4d1f9c55ed3e661c2192e803103674d373480bf7f"
	vectorLine    = "REGSHAPE-KEY-1 e405ce1086b1c0bd AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ 7139ebba"
)

// A line is refused for what is wrong with it, in the names file, too, where nothing else
// would notice.
func TestParseLine_errors(t *testing.T) {
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
		"":                                "not a ",
		line(kid, key) + " x":             "not a ",
		strings.Fields(line(kid, key))[0]: "not a ",
		"X" + line(kid, key):              "not a ",
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
func TestOpenSealed_newer(t *testing.T) {
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

// A newer version's file may be shorter than any of ours.
func TestOpen_headerOnly(t *testing.T) {
	s := NewRootKey().sealer()
	newer := slices.Clone(s.header[:])
	newer[4] = sealVersion + 1
	for want, sealed := range map[error][]byte{ErrNewer: newer, ErrDamaged: s.header[:]} {
		if _, err := s.open(nil, "n", sealed); !errors.Is(err, want) {
			t.Errorf("open of %x: %v, want %v", sealed, err, want)
		}
	}
}
