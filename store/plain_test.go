package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

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
		string(whole):                              c,
		`{"Secret":""}`:                            {},
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
