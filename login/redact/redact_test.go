package redact

import (
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// A secret is found in every encoding, on its own and with a user name before it, with
// text around it, and in two encodings over each other.
func TestRedact_encodings(t *testing.T) {
	for _, secret := range []string{"s3cret-canary-password", "refresh/canary+token==", `qu"oted <canary> & \more`, "pässwörd-cänary", "hunter2"} {
		r, sample := &Secrets{}, testenv.NewSample(t, 7)
		r.Learn(secret)
		for _, outer := range canary.Encodings {
			for _, inner := range canary.Encodings {
				for _, before := range []string{"", "alice:", "x", "/token/", "sha256="} {
					if !sample.Take(outer.Name+inner.Name, before) {
						continue
					}
					text := before + outer.Encode(inner.Encode("u:"+secret)+" ") + " denied"
					if got := r.Redact(text); r.holds(got) || !strings.Contains(got, Mark) || canary.Find([]byte(got), secret) != "" {
						t.Errorf("%q in %s in %s after %q is shown", secret, inner.Name, outer.Name, before)
					}
				}
			}
		}
		if got := r.Redact("GOT " + strings.ToUpper(secret)); !strings.Contains(got, Mark) {
			t.Errorf("%q is shown in upper case", secret)
		}
		for _, text := range []string{
			"authentication rejected", "no such host: registry.example.com/team/app", `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`,
			"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "100% of a+b & c \\ d",
		} {
			if got := r.Redact(text); got != text {
				t.Errorf("%q is taken to hold %q", text, secret)
			}
		}
	}
}

// What is hard to decode is not shown, and takes no time.
func TestRedact_bounded(t *testing.T) {
	const long = 64 << 10
	r := &Secrets{}
	r.Learn("canary")
	for name, text := range map[string]string{
		"nested":  strings.Repeat(`%25%5C\u0025&amp;+QUFB`, long/22),
		"letters": strings.Repeat("QUFB", long/4),
		"words":   strings.Repeat("requested access is denied ", long/27),
	} {
		start := time.Now()
		r.Redact(text)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
	if words := strings.Repeat("requested access is denied ", long/27); r.Redact(words) != words {
		t.Error("plain words are not shown")
	}
}

// FuzzRedact has a server put a secret through encodings of its choice.
func FuzzRedact(f *testing.F) {
	f.Add("", "", uint8(0), uint8(7), uint8(1))
	f.Add("Basic ", "==", uint8(8), uint8(14), uint8(12))
	f.Add(`{"message":"`, `"}`, uint8(14), uint8(5), uint8(10))
	f.Fuzz(func(t *testing.T, before, after string, a, b, c uint8) {
		const secret = "s3cret-Canary/pass+word"
		r := &Secrets{}
		r.Learn(secret)
		text := secret
		for _, i := range []uint8{a, b, c} {
			text = canary.Encodings[int(i)%len(canary.Encodings)].Encode(text)
		}
		// The letters around may continue a run and shift it, no more than that.
		if shown := r.Redact(before + " " + text + " " + after); strings.Contains(shown, text) || canary.Find([]byte(shown), secret) != "" {
			t.Fatalf("%s of %s of %s is shown: %q", canary.Encodings[int(c)%len(canary.Encodings)].Name, canary.Encodings[int(b)%len(canary.Encodings)].Name, canary.Encodings[int(a)%len(canary.Encodings)].Name, shown)
		}
	})
}
