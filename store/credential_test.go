package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A file that opens and holds no credential, or that of another address, is damaged; what it
// holds is not quoted.
func TestGet_openedButWrong(t *testing.T) {
	s, key := notingStore(t, false)
	root := key.root(t)
	v := view{store: s, names: root.nameKey(), root: root}
	for what, payload := range map[string]string{"no JSON": "canary", "another address": `{"Canonical":"b.example","Secret":"canary"}`} {
		path := v.path("a.example")
		sealed, err := root.sealer().seal(filepath.Base(path), []byte(payload))
		if err == nil {
			err = os.WriteFile(path, sealed, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Get(t.Context(), ParseAddress("a.example"))
		if !errors.Is(err, ErrDamaged) || c.Secret != "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", what, c, err)
		}
		if c, err := s.Peek(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrDamaged) || c.Secret != "" {
			t.Errorf("%s: peek: %v, %v", what, c, err)
		}
		found, damaged, err := s.List(t.Context())
		if err != nil || len(found) != 0 || len(damaged) != 1 || !errors.Is(damaged[0], ErrDamaged) {
			t.Errorf("%s: list: %v, %v, %v", what, found, damaged, err)
		}
	}
}

func TestCredential_notOne(t *testing.T) {
	if data, err := (Credential{payload: []byte("[1]")}).marshal(); err == nil {
		t.Errorf("over what was no object is written %q", data)
	}
	for _, payload := range []string{"", "canary", "[]", `{"Secret":1}`} {
		if _, err := unmarshalCredential([]byte(payload)); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

// Times are whole seconds of UTC, and the first one stays.
func TestEntry_times(t *testing.T) {
	s, _ := notingStore(t, true)
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 7200))
	s.now = func() time.Time { return at }
	mustPut(t, s, "a.example", "s")
	want := time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)
	c, err := s.Get(t.Context(), ParseAddress("a.example"))
	if err != nil || c.Created != want || c.Updated != want {
		t.Errorf("created %v, updated %v (%v)", c.Created, c.Updated, err)
	}
	at = at.Add(time.Hour)
	mustPut(t, s, "a.example", "s")
	c, err = s.Get(t.Context(), ParseAddress("a.example"))
	if err != nil || c.Created != want || c.Updated != want.Add(time.Hour) {
		t.Errorf("created %v, updated %v (%v)", c.Created, c.Updated, err)
	}
	// A time that JSON has no form for.
	err = s.Put(t.Context(), Credential{ServerURL: "a.example", Username: "u", Secret: "canary", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err == nil || strings.Contains(err.Error(), "canary") || secretOf(s, "a.example") != "s" {
		t.Errorf("a year of five digits: %v", err)
	}
}

// What is refused names the field and not what is in it.
func TestCredential_notUTF8(t *testing.T) {
	for want, c := range map[string]Credential{
		"the server address is": {ServerURL: "\xff"}, "the user name is": {Username: "\xff"}, "the secret is": {Secret: "\xff"},
	} {
		if err := c.validate(); !errors.Is(err, ErrNotUTF8) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := (Renewal{ClientID: "c", Issuer: "i", Token: "x"}).String(); got != "c@i" {
		t.Errorf("got %q, want %q", got, "c@i")
	}
}

// An expired login of a scope does not hide that of a shorter one.
func TestGet_expiredScope(t *testing.T) {
	s, _ := notingStore(t, true)
	mustPut(t, s, "h/a", "short")
	err := s.Put(t.Context(), Credential{ServerURL: "h/a/b", Username: "u", Secret: "long", Expires: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"h/a/b", "h/a/b/c", "h/a"} {
		if got := secretOf(s, server); got != "short" {
			t.Errorf("%s: %s", server, got)
		}
	}
}

func TestPlainCredential(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	// Each field has a value of its own, so that none can be taken for another.
	c := Credential{
		ServerURL: "https://a.example", Canonical: "a.example", Username: "u", Secret: "s 'x'~", Kind: KindPassword,
		Transport: TransportHTTPS, CAFile: "/ca.pem", Created: at, Updated: at.Add(1e9), VerifiedAt: at.Add(2e9), Expires: at.Add(3e9),
	}
	whole, err := c.marshal()
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]Credential{
		string(whole):   c,
		`{"Secret":""}`: {},
		`{"Program":{"Words":["a"],"Words":["b"]}}`:                            {Program: &Program{Words: []string{"b"}}},
		`{"Program":{"ID":"A","Words":["/a","b c"],"Helper":true,"Path":"p"}}`: {Program: &Program{ID: "A", Words: []string{"/a", "b c"}, Helper: true, Path: "p"}},
		`{"Answer":{"Made":"2026-01-02T03:04:05.5Z","Ends":"2026-01-02T03:04:06Z","Before":"y","Tried":"0001-01-01T00:00:00Z","Problem":"x"},"Kind":"k"}`: {
			Kind: "k", Answer: &Answer{Made: time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC), Ends: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Before: "y", Problem: "x"},
		},
		`{"Secret":"a","Secret":"b"}`:              {Secret: "b"},
		"{\"Kind\":\"later\",\"CAFile\":\"\x7f\"}": {Kind: "later", CAFile: "\x7f"},
	} {
		if got, ok := plainCredential([]byte(payload)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %t, %v", payload, got, ok, got.Expires)
		}
	}
	// Of these encoding/json knows more, or says what is wrong.
	for _, payload := range []string{
		"", "{", "{}", "null", " {}", `{"Secret"`, `{"Secret":`, `{"Secret":"`, `{"Secret":"a`, `{"Secret":"a"`, `{"Secret":"a",`, `{"Secret":"a",}`,
		`{"Secret":"a"} `, `{"Secret":"a"}}`, `{"Secret" :"a"}`, `{"Secret": "a"}`, `{"Secret":"a" }`, `{ "Secret":"a"}`, `{"Secret":"a";"Kind":"b"}`,
		`{"Secret":"\u003c"}`, "{\"Secret\":\"a\tb\"}", "{\"Secret\":\"a\x1f\"}", `{"Secret":"é"}`, "{\"Secret\":\"\u0080\"}", "{\"Secret\":\"\xff\"}", `{"Secret":1}`, `{"Secret":null}`,
		`{"Program":{}}`, `{"Program":null}`, `{"Program":{"ID":"a"}`, `{"Program":{"Every":1}}`, `{"Program":{"Future":"x"}}`, `{"Program":{"Words":[]}}`, `{"Program":{"Words":["a"}}`, `{"Program":{"Words":["a",]}}`,
		`{"Program":{"Helper":false}}`, `{"Program":{"ID":"a"},"Program":{"Path":"b"}}`, `{"Answer":{}}`, `{"Answer":{"Made":"x"}}`, `{"Answer":{"Future":"x"}}`, `{"Answer":{"Made":1}}`,
		`{"Answer":{"Problem":"a"},"Answer":{"Problem":"b"}}`, `{"Program"{"ID":"a"}}`, `{"Program"::{"ID":"a"}}`,
		`{"secret":"a"}`, `{"Future":"a"}`, `{"payload":"a"}`, `{"Renew":"a"}`, `{"Renew":{"Token":"t"}}`, `{"Created":"today"}`, `{"Updated":""}`,
		`{"VerifiedAt":"2026-01-02"}`, `{"Expires":"2026-01-02T03:04:05"}`, `{"Secret":"a","Expires":"x"}`, `"Secret":"a"}`,
	} {
		if got, ok := plainCredential([]byte(payload)); ok || !reflect.DeepEqual(got, Credential{}) {
			t.Errorf("%s: %#v, %t", payload, got, ok)
		}
	}
}

// What is read without encoding/json is what encoding/json reads.
func FuzzPlainCredential(f *testing.F) {
	f.Add([]byte(`{"ServerURL":"https://a.example","Username":"u","Secret":"s","Created":"2026-01-02T03:04:05Z","Expires":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"Kind":"password","Transport":"https","CAFile":"","Updated":"2026-01-02T03:04:05.1+02:00","VerifiedAt":"2026-12-31T23:59:60Z"}`))
	f.Add([]byte(`{"Canonical":"a","Canonical":"b"}`))
	f.Add([]byte(`{"Secret":"","Program":{"ID":"A","Words":["/bin/maker","two words"],"Helper":true,"Path":"/usr/bin:/bin"}}`))
	f.Add([]byte(`{"Secret":"s","Answer":{"Made":"2026-01-02T03:04:05.1Z","Ends":"2026-01-02T04:04:05Z","Tried":"2026-01-02T03:04:05Z","Problem":"x"}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, ok := plainCredential(payload)
		if !ok {
			return
		}
		var want Credential
		if err := json.Unmarshal(payload, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, %v; json: %#v, %v: %v", payload, got, got.Expires, want, want.Expires, err)
		}
	})
}

func TestTrimPadding(t *testing.T) {
	for n := range 200 {
		for _, text := range []string{"", "{}", "{ }", " {}"} {
			want := strings.TrimRight(text, " ")
			if got := trimPadding([]byte(text + strings.Repeat(" ", n))); string(got) != want {
				t.Errorf("%q and %d spaces: %q", text, n, got)
			}
		}
	}
}

func TestMergeUnknown_notAnObject(t *testing.T) {
	for _, test := range []struct{ before, known string }{{"[1]", "{}"}, {"", "{}"}, {"{}", "[1]"}, {"{}", ""}} {
		if got, err := mergeUnknown[Credential]([]byte(test.before), []byte(test.known)); err == nil || got != nil {
			t.Errorf("%q with %q gives %q, %v", test.known, test.before, got, err)
		}
	}
	// An unexported field of the struct is no field of the file.
	got, err := mergeUnknown[Credential]([]byte(`{"payload":1,"username":"old","b":2}`), []byte(`{"Username":"u"}`))
	if want := `{"Username":"u","b":2,"payload":1}`; err != nil || string(got) != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

// The very second in which a login expires it is not answered any more.
func TestExpired_exactTime(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]bool{at.Add(-1): false, at: true, at.Add(1): true} {
		if got := (Credential{Expires: at}).Expired(now); got != want {
			t.Errorf("expired at %v: got %t, want %t", now, got, want)
		}
	}
	if (Credential{}).Expired(at) {
		t.Error("a login without an end has expired")
	}
	s := Store{now: func() time.Time { return at }}
	if !s.Expired(Credential{Expires: at}) || s.Expired(Credential{Expires: at.Add(1)}) {
		t.Error("the store has another clock")
	}
}
