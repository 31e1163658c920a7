//go:build e2e

package e2e

import (
	"fmt"
	"strings"

	"regshape/scripts/testregistry/canary"
)

// result is what a command did.
type result struct {
	h              *home
	line           string
	code           int
	stdout, stderr string
}

// String is the command and its output for a failing test's log, without secrets.
func (r result) String() string {
	text := fmt.Sprintf("$ %s\nexit %d", r.line, r.code)
	for name, out := range map[string]string{"stdout": r.stdout, "stderr": r.stderr} {
		if out != "" {
			text += "\n" + name + ": " + strings.TrimSpace(out)
		}
	}
	return canary.Redact(text, r.h.secrets...)
}

// ok fails the test unless the command succeeded and, with texts, printed them.
func (r result) ok(texts ...string) result {
	r.h.t.Helper()
	if r.code != 0 {
		r.h.t.Fatalf("failed, though it should work:\n%s", r)
	}
	return r.says(texts...)
}

// refused fails the test unless the command failed.
func (r result) refused(texts ...string) result {
	r.h.t.Helper()
	if r.code == 0 {
		r.h.t.Fatalf("worked, though it should be refused:\n%s", r)
	}
	return r.says(texts...)
}

func (r result) says(texts ...string) result {
	r.h.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			r.h.t.Fatalf("%q is not in the output:\n%s", text, r)
		}
	}
	return r
}

// quiet fails the test when the output holds a secret.
func (r result) quiet() result {
	r.h.t.Helper()
	if found := canary.Find([]byte(r.stdout+r.stderr), r.h.secrets...); found != "" {
		r.h.t.Fatalf("the output holds a secret (%s):\n%s", found, r)
	}
	return r
}
