package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"regshape/scripts/testregistry"
)

// hostile is text that would rename the window, colour, ring, overwrite and reorder: controls
// of C0 and C1, and the marks that turn the direction of writing.
const hostile = "ev\x1b]0;owned\x07\x1b[31m\x08\r\x7f\u009b2J\u202e\u2066\u200bil"

// harmful describes the first character that a terminal would interpret.
func harmful(text string) string {
	for i, r := range text {
		bad := unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r)
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			bad = true
		}
		if bad {
			return fmt.Sprintf("%U at %q", r, text[max(0, i-40):min(len(text), i+20)])
		}
	}
	return ""
}

// harmless checks that a terminal would interpret nothing in a text.
func (s *scene) harmless(what, text string) {
	s.t.Helper()
	s.tried.looks.Add(1)
	if how := harmful(text); how != "" {
		s.t.Errorf("%s: shows %s", what, how)
	}
}

// shows runs a command with text and with JSON output.
func (s *scene) shows(what, stdin string, words ...string) {
	s.t.Helper()
	command := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.Contains(word, s.home) })
	about := what + ": " + strings.Join(words[:min(len(words), 3)], " ")
	if s.sample.Take(what, command, "text") {
		s.harmless(about, s.run(stdin, words...).text())
	}
	if !s.sample.Take(what, command, "JSON") {
		return
	}
	o := s.run(stdin, append(words, "--json")...)
	for line := range strings.Lines(o.out) {
		s.tried.looks.Add(1)
		if !json.Valid([]byte(line)) { // which also holds no control character of C0
			s.t.Errorf("%s --json prints %q, want JSON", about, line)
		}
	}
	s.harmless(about+" --json", o.text())
}

// leakTerminal sends hostile text from every source that regshape prints.
func leakTerminal(t *testing.T, tried *tally) {
	if harmful(hostile) == "" || harmful("fine\n") != "" {
		t.Fatal("the check does not see hostile text")
	}
	tried.inParts(t,
		part{"registries", 1, hostileRegistries},
		part{"issuers", 1, hostileIssuers},
		part{"files", 5, hostileFiles},
		part{"store", 1, hostileStore},
		part{"names", 11, hostileNames})
}

// raw answers with exactly these bytes, some of which package http would correct.
func raw(answer string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		body := strings.ReplaceAll(answer, "SELF", "http://"+r.Host)
		_, _ = conn.Write([]byte(body))
	}))
}

func hostileRegistries(s *scene) {
	quoted, _ := json.Marshal(hostile) // a string always marshals
	line := strings.ReplaceAll(hostile, "\r", "")
	for name, answer := range map[string]string{
		"status line": "HTTP/1.1 500 " + line + "\r\nContent-Length: 0\r\n\r\n",
		"headers":     "HTTP/1.1 403 No\r\nServer: " + line + "\r\nVia: " + line + "\r\nContent-Type: " + line + "\r\nContent-Length: 0\r\n\r\n",
		"realm":       "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"" + line + "\", service=\"" + line + "\"\r\nContent-Length: 0\r\n\r\n",
		"scheme":      "HTTP/1.1 401 No\r\nWWW-Authenticate: " + line + " x=\"" + line + "\"\r\nContent-Length: 0\r\n\r\n",
		"token realm": "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/" + line + "\",service=\"" + line + "\"\r\nContent-Length: 0\r\n\r\n",
		"body":        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n\r\n{\"errors\":[{\"code\":" + string(quoted) + ",\"message\":" + string(quoted) + ",\"detail\":" + string(quoted) + "}]}",
		"text body":   "HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + hostile + "\xff\xfe",
		"redirect":    "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/" + line + "\r\nContent-Length: 0\r\n\r\n",
		"bad header":  "HTTP/1.1 200 OK\r\n" + line + "\r\n\r\n",
		"no HTTP":     hostile + "\r\n",
		"wait":        "HTTP/1.1 429 No\r\nRetry-After: " + line + "\r\nContent-Length: 0\r\n\r\n",
		"token": "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"SELF/token\",service=\"x\"\r\nConnection: close\r\n\r\n" +
			`{"error":` + string(quoted) + `,"error_description":` + string(quoted) + `,"details":` + string(quoted) + `}`,
	} {
		s.tried.parallel(s.t, name, func(s *scene) {
			server := raw(answer)
			defer server.Close()
			host := server.Listener.Addr().String()
			s.env = []string{"REGSHAPE_USERNAME=alice", "REGSHAPE_PASSWORD=" + s.secret()}
			s.must(payload(host, "alice", s.secret()), "docker-credential-regshape", "store")
			traces := []string{"--debug-calls", "--time-methods", "--time-scenarios", "--log-file=" + s.path("log")}
			s.shows(name, "", append([]string{"regshape", "auth", "login", host, "--timeout=3s"}, traces...)...)
			s.shows(name, "", append([]string{"regshape", "auth", "token", host, "--timeout=3s"}, traces...)...)
			s.shows(name, "", "regshape", "auth", "status", host, "--timeout=3s")
			s.harmless("log", s.read("log"))
		})
	}
}

func hostileIssuers(s *scene) {
	quoted, _ := json.Marshal(hostile) // a string always marshals
	text := string(quoted)
	for name, opts := range map[string]testregistry.IssuerOptions{
		"code":     {DeviceAnswer: `{"device_code":` + text + `,"user_code":` + text + `,"verification_uri":"https://issuer.example/","interval":1,"expires_in":2}`},
		"page":     {DeviceAnswer: `{"device_code":"d","user_code":"ABCD","verification_uri":` + text + `,"interval":1,"expires_in":2}`},
		"link":     {DeviceAnswer: `{"device_code":"d","user_code":"ABCD","verification_uri":"https://x.example/` + text[1:] + `,"verification_uri_complete":"https://x.example/` + text[1:] + `,"interval":1,"expires_in":2}`},
		"error":    {DeviceAnswer: `{"error":` + text + `,"error_description":` + text + `}`},
		"itself":   {CallsIt: "https://" + hostile},
		"username": {Claims: map[string]any{"preferred_username": hostile, "email": hostile}},
	} {
		s.tried.parallel(s.t, name, func(s *scene) {
			_, at, registry, err := testregistry.Devices(opts)
			if err != nil {
				s.t.Fatal(err)
			}
			defer at.Close()
			defer registry.Close()
			host := registry.Listener.Addr().String()
			s.shows(name, "", "regshape", "auth", "login", host, "--device", "--device-client-id=cli", "--device-issuer="+at.URL, "--timeout=5s", "--debug-calls")
			s.shows(name, "", "regshape", "auth", "list")
		})
	}
}

// hostileFiles puts it into the files and helpers of other tools.
func hostileFiles(s *scene) {
	quoted, _ := json.Marshal(hostile) // a string always marshals
	text, auth := string(quoted), base64Of(hostile+":"+s.secret())
	logins := `"auths":{` + text + `:{"auth":"` + auth + `"},"` + hostile[:2] + `.example":{"auth":"` + auth + `"},"x.example":{"auth":"` + auth + `"},"y.example":{"auth":` + text + `},"https://` + text[1:] + `:{}}`
	s.write("bin/docker-credential-evil", "#!/bin/sh\ncat >/dev/null\nprintf '%s' \"$EVIL\" >&2\ncase $1 in list) printf '{%s:%s,\"l.example\":%s}' \"$QUOTED\" \"$QUOTED\" \"$QUOTED\";; get) printf '{\"ServerURL\":%s,\"Username\":%s,\"Secret\":\"s\"}' \"$QUOTED\" \"$QUOTED\";; *) printf '%s' \"$EVIL\"; exit 1;; esac\n", 0o700)
	s.write("bin/docker-credential-fails", "#!/bin/sh\ncat >/dev/null\nprintf '%s' \"$EVIL\"\nprintf '%s' \"$EVIL\" >&2\nexit 1\n", 0o700)
	s.env = []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH"), "EVIL=" + hostile, "QUOTED=" + text}
	s.write(".config/containers/auth.json", "{"+logins+"}", 0o600)
	for name, config := range inOrder(map[string]string{
		"logins":     "{" + logins + "}",
		"helpers":    `{"credsStore":"evil","credHelpers":{` + text + `:"evil","f.example":"fails","g.example":` + text + `,"x.example":"evil"}}`,
		"credsStore": `{"credsStore":` + text + `}`,
		"fails":      `{"credsStore":"fails"}`,
		"no JSON":    "{" + logins + `,` + text + hostile,
		"raw":        hostile,
	}) {
		s.write(".docker/config.json", config, 0o600)
		for _, words := range [][]string{
			{},
			{"auth", "list"},
			{"auth", "get", "x.example"},
			{"auth", "get", "f.example"},
			{"auth", "get", "y.example"},
			{"auth", "doctor"},
			{"auth", "import", "--dry-run"},
			{"auth", "import"},
			{"auth", "list"},
			{"auth", "setup", "--dry-run", "--keep"},
			{"auth", "logout", "x.example"},
			{"auth", "logout", "f.example"},
			{"auth", "import", "--from=helper:evil"},
			{"auth", "import", "--from=helper:fails"},
			{"auth", "list", "--authfile=" + s.path(".config/containers/auth.json")},
			{"auth", "import", "--dry-run", "--from=" + s.path(".docker/config.json")},
		} {
			s.shows("config with "+name, "", append([]string{"regshape"}, words...)...)
		}
		s.shows("config with "+name, "pw", "regshape", "auth", "login", "f.example", "-u", hostile, "--password-stdin", "--skip-verify")
	}
	s.write(".config/containers/registries.conf", "credential-helpers = ["+text+"]\n"+hostile, 0o600)
	s.shows("registries.conf", "", "regshape", "auth", "doctor")
	s.shows("registries.conf", "", "regshape", "auth", "get", "x.example")
	s.env = append(s.env, "DOCKER_AUTH_CONFIG={"+logins+"}")
	s.shows("variable", "", "regshape", "auth", "get", "x.example")
	s.shows("variable", "", "regshape", "auth", "doctor")
}

// hostileStore puts it into the entries and the files of the store.
func hostileStore(s *scene) {
	for _, server := range []string{hostile + ".example", "x.example"} {
		s.must(payload(server, hostile, s.secret()), "docker-credential-regshape", "store")
	}
	for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "status", "--timeout=2s"}, {"auth", "get", "x.example"}, {"auth", "doctor"}, {"auth", "logout", hostile + ".example"}} {
		s.shows("entries", "", append([]string{"regshape"}, words...)...)
	}
	s.must(payload(hostile+".example", hostile, s.secret()), "docker-credential-regshape", "store")
	for _, file := range s.all(entries) {
		s.damage(file)
	}
	for _, action := range []string{"get", "list"} {
		o := s.run(hostile+".example", "docker-credential-regshape", action)
		if o.err == "" {
			s.t.Errorf("%s of a damaged entry says nothing", action)
		}
		s.harmless("helper "+action+", damaged entry", o.text())
	}
	for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "doctor"}} {
		s.shows("damaged entries", "", append([]string{"regshape"}, words...)...)
	}
	quoted, _ := json.Marshal(hostile) // a string always marshals
	config := s.read(".config/regshape/config")
	for name, text := range map[string]string{
		"source":  strings.Replace(config, `"file"`, string(quoted), 1),
		"command": strings.Replace(config, `"file"`, `"command","command":[`+string(quoted)+`],"words":[`+string(quoted)+`]`, 1),
		"raw":     hostile,
	} {
		if text == config {
			s.t.Fatalf("the config names no source:\n%s", config)
		}
		s.write(".config/regshape/config", text, 0o600)
		for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "doctor"}, {"auth", "key", "show"}, {"auth", "unlock"}, {"auth", "key", "rotate"}} {
			s.shows("config of the store, "+name, "", append([]string{"regshape"}, words...)...)
		}
		s.harmless("helper, config of the store, "+name, s.run("x.example", "docker-credential-regshape", "get").text())
	}
}

// hostileNames puts it into file names, with a forged line of regshape's: stray files in the
// store and its directories, and whatever a flag or a variable names.
func hostileNames(s *scene) {
	name := strings.ReplaceAll(hostile, "/", "") + "\nFORGED: a\xff 'b' "
	s.must(payload("x.example", hostile, s.secret()), "docker-credential-regshape", "store")
	passphrase := "--passphrase-file=" + s.write("in", "correct horse battery staple of the scene", 0o600)
	stray := func(dir string) {
		s.t.Helper()
		s.write(dir+"/"+name, hostile, 0o644)
		s.write(dir+"/1."+name+".passphrase.age", hostile, 0o644)
		s.write(dir+"/"+name+".d/.tmp-"+name, hostile, 0o644)
	}
	names := func(sampled bool, what string, words ...string) {
		s.t.Helper()
		for _, more := range [][]string{nil, {"--json"}} {
			if sampled && !s.sample.Take(what, words[:min(len(words), 3)], more) {
				continue
			}
			o := s.run("", append(append([]string{"regshape"}, words...), more...)...)
			s.tried.looks.Add(1)
			if how := harmful(o.text()); how != "" || strings.Contains("\n"+o.text(), "\nFORGED") || !utf8.ValidString(o.text()) {
				s.t.Errorf("%s: %q shows %s:\n%q", what, words, how, o.text())
			}
		}
	}
	custody := func(what string) {
		s.t.Helper()
		for _, words := range [][]string{
			{},
			{"auth", "list"},
			{"auth", "status", "--timeout=2s"},
			{"auth", "refresh"},
			{"auth", "doctor"},
			{"auth", "get", "x.example"},
			{"auth", "key", "show"},
			{"auth", "key", "rotate"},
			{"auth", "key", "rotate", "--resume"},
			{"auth", "lock"},
			{"auth", "list"},
			{"auth", "unlock", passphrase},
		} {
			names(false, what, words...)
		}
		for _, action := range []string{"get", "list"} {
			o := s.run("x.example", "docker-credential-regshape", action)
			if how := harmful(o.err); how != "" || strings.Contains("\n"+o.err, "\nFORGED") {
				s.t.Errorf("%s: helper %s shows %s:\n%q", what, action, how, o.err)
			}
		}
	}
	generation := strings.TrimPrefix(s.all(".local/share/regshape/v1/g-*")[0], s.home+"/")
	stray(generation)
	custody("stray entries")
	for _, dir := range []string{".local/share/regshape", ".local/share/regshape/v1", stateDir, ".config/regshape", ".local/share/regshape/profiles", ".config/regshape/profiles/" + name} {
		stray(dir)
	}
	names(false, "protect", "auth", "key", "protect", passphrase)
	for _, slots := range s.all(".local/share/regshape/v1/slots/*") {
		stray(strings.TrimPrefix(slots, s.home+"/"))
		s.write(strings.TrimPrefix(slots, s.home+"/")+"/2.plugin-"+name+".age", hostile, 0o600)
	}
	custody("stray slots")
	names(false, "unprotect", "auth", "key", "unprotect", "--slot=2")
	// The same name wherever a command line takes one.
	for flag, value := range inOrder(map[string]string{
		"--store": name, "--docker-config": name, "--profile": name, "--authfile": s.path(name), "--ca-file": name, "--log-file": name + "/" + name,
		"--passphrase-file": name, "--identity": name, "--from": name, "--name": name, "--namespace": name, "--host": name, "--for": name, "--command": name,
	}) {
		for _, words := range [][]string{
			{},
			{"auth", "list"},
			{"auth", "doctor"},
			{"auth", "get", "x.example"},
			{"auth", "login", "127.0.0.1:1", "-u", name, "-p", "x", "--skip-verify"},
			{"auth", "logout", "127.0.0.1:1"},
			{"auth", "key", "show"},
			{"auth", "key", "protect"},
			{"auth", "key", "restore", name},
			{"auth", "unlock"},
			{"auth", "import"},
			{"auth", "setup", "--dry-run"},
			{"auth", "export", "x.example", "--format=kubernetes"},
			{"auth", "export", "x.example", "--format=auth.json"},
			{"auth", "key", "reset", "--forget-all-logins"},
		} {
			if words = append(words, flag+"="+value); words[0] == "auth" && words[1] == "setup" || words[0] == "auth" && words[1] == "key" && words[2] == "reset" && flag != "--store" {
				continue // a path of the user's, and a store that is wanted below
			}
			names(true, flag, words...)
		}
	}
	for _, variable := range []string{"REGSHAPE_STORE", "REGSHAPE_PROFILE", "REGSHAPE_KEY_FILE", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SUDO_UID", "SHELL", "DBUS_SESSION_BUS_ADDRESS"} {
		s.env = []string{variable + "=" + s.path(name)}
		for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "doctor"}, {"auth", "get", "x.example"}, {"auth", "key", "show"}, {"auth", "setup", "--dry-run"}} {
			names(true, variable, words...)
		}
		s.harmless(variable+": helper", s.run("x.example", "docker-credential-regshape", "get").err)
	}
}
