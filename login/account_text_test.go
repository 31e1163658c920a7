package login

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/login/app"
)

// accountSent runs a command with a user name and a password given in one way, and returns
// which of them a registry received, quoted, or "" for no request at all.
func accountSent(t *testing.T, command, way, username, secret string) (sent string, code int, text string) {
	t.Helper()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		u, p, ok := r.BasicAuth()
		if ok {
			sent = fmt.Sprintf("%q %q", u, p)
		}
		if u != "alice" || p != "pw" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	in := filepath.Join(t.TempDir(), "in")
	args, env := []string{"auth", command, server.Listener.Addr().String(), "--store", t.TempDir()}, map[string]string{}
	switch way {
	case "flag":
		args = append(args, "-u", username, "-p", secret)
	case "equals":
		args = append(args, "-u="+username, "-p="+secret)
	case "variable":
		env = map[string]string{"REGSHAPE_USERNAME": username, "REGSHAPE_PASSWORD": secret}
	case "stdin":
		args = append(args, "--username", username, "--password", "-")
	}
	if err := os.WriteFile(in, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out bytes.Buffer
	code = Run(t.Context(), app.Call{
		Args: args, In: file, Out: &out, Err: &out, Build: app.Build{Version: "dev"},
		Getenv: func(name string) string { return env[name] },
	})
	if sent == "" && requests > 0 {
		sent = "a request"
	}
	return sent, code, out.String()
}

// White space around a user name and one line end after a password are not part of them, and
// what is left in a rejected one is named.
func TestAccount_whiteSpace(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	const good, odd = `"alice" "pw"`, "check how it was copied or piped"
	for _, c := range []struct {
		name, username, secret string
		sent                   string
		says                   string // of a login, beside the rejection
	}{
		{"plain", "alice", "pw", good, ""},
		{"LF", "alice\n", "pw\n", good, ""},
		{"CRLF", "alice\r\n", "pw\r\n", good, ""},
		{"CR", "alice\r", "pw\r", good, ""},
		{"blanks around the user name", " \talice \n\n", "pw", good, ""},
		{"no-break space", "\u00a0alice\u00a0", "pw", good, ""},
		{"two line ends", "alice", "pw\n\n", `"alice" "pw\n"`, "the password has a line break in it: " + odd},
		{"LF CR", "alice", "pw\n\r", `"alice" "pw\n"`, "the password has a line break in it: " + odd},
		{"line end before", "alice", "\npw", `"alice" "\npw"`, "the password has a line break in it: " + odd},
		{"blank after", "alice", "pw ", `"alice" "pw "`, "the password begins or ends with a blank: " + odd},
		{"blank before", "alice", " pw\n", `"alice" " pw"`, "the password begins or ends with a blank: " + odd},
		{"BOM", "alice", "\ufeffpw\r\n", `"alice" "\ufeffpw"`, "the password has a byte order mark (BOM) in it: " + odd},
		{"line break in the user name", "al\nice", "pw", `"al\nice" "pw"`, "the user name has a line break in it: " + odd},
		{"blank in both", "al ice", "p w", `"al ice" "p w"`, "check the user name"},
		{"user name not UTF-8", "alic\xe9", "pw", "", "the user name is not valid UTF-8\nHint: check the encoding"},
		{"password not UTF-8", "alice", "p\xe9w", "", "the password is not valid UTF-8\nHint: check the encoding"},
		{"UTF-16 with BOM", "alice", "\xff\xfep\x01w\x01", "", "the password is not valid UTF-8\nHint: check the encoding"},
	} {
		for _, command := range []string{"login", "status"} {
			for _, way := range []string{"flag", "equals", "variable", "stdin"} {
				sent, code, text := accountSent(t, command, way, c.username, c.secret)
				want, says := 0, c.says
				if c.sent != good {
					want = 1
				}
				if command == "status" {
					says, _, _ = strings.Cut(says, ": "+odd)
					says = strings.TrimPrefix(says, "check the user name")
				}
				if sent != c.sent || code != want || !strings.Contains(text, says) {
					t.Errorf("%s: %s by %s: sent %s, exit code %d, want %s and %d with %q:\n%s", c.name, command, way, sent, code, c.sent, want, says, text)
				}
			}
		}
	}
	// Only a file and a program can give these.
	for secret, says := range map[string]string{
		"p\x00w\x00\r\x00\n\x00": "the password has NUL characters in it, as text in UTF-16 has: " + odd,
		"\n":                     "no password on standard input\nHint: check the variable",
		"":                       "no password on standard input\nHint: check the variable",
	} {
		if _, code, text := accountSent(t, "login", "stdin", "alice", secret); code != 1 || !strings.Contains(text, says) {
			t.Errorf("%q on standard input: exit code %d, want 1 with %q:\n%s", secret, code, says, text)
		}
	}
	// A variable that holds nothing but a line end is not set.
	if sent, code, text := accountSent(t, "login", "variable", "alice", "\n"); sent != "" || code != 2 || !strings.Contains(text, "no password given") {
		t.Errorf("a line end in REGSHAPE_PASSWORD: sent %s, exit code %d, want 2:\n%s", sent, code, text)
	}
	if sent, code, text := accountSent(t, "login", "variable", " \n", "pw"); sent != "" || code != 2 || !strings.Contains(text, "no user name given") {
		t.Errorf("blanks in REGSHAPE_USERNAME: sent %s, exit code %d, want 2:\n%s", sent, code, text)
	}
	if sent, code, _ := accountSent(t, "login", "variable", "alice", "-"); sent != `"alice" "-"` || code != 1 {
		t.Errorf("- in REGSHAPE_PASSWORD: sent %s, exit code %d, want it as it is", sent, code)
	}
}
