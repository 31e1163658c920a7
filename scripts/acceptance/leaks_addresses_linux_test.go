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
)

// addressForms are addresses with a password that contains the characters that end a host, a
// user name or a word.
func addressForms(secret string) []string {
	return []string{
		"https://alice:" + secret + "@h.example",
		"https://AWS:aB3/" + secret + "+x=@h.example/path",
		"HTTP://u:?#:@" + secret + "@h.example:5000",
		"alice:" + secret + "@h.example",
		"docker://u:a/" + secret + "@h.example/x",
		"https://u:\"'\\" + secret + "\x1b]0;x\a\u202e@h.example",
	}
}

// leakAddresses puts a password into every address that regshape reads, and looks for it in
// everything it prints. The helper's own answer echoes the address it was asked for.
func leakAddresses(t *testing.T, tried *tally) {
	tried.inParts(t,
		part{"arguments", 17, addressArguments},
		part{"store", 5, addressStored},
		part{"files", 5, addressFiles},
		part{"network", 1, addressNetwork})
}

// tells runs a command with text output, JSON output and all traces. Its address is the nth
// form.
func (s *scene) tells(what string, form int, stdin string, words ...string) {
	s.t.Helper()
	command := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.Contains(word, s.secret()) })
	for i, more := range [][]string{nil, {"--json"}, {"--debug-calls", "--time-methods", "--time-scenarios", "--log-file=" + s.path("log")}} {
		if !s.sample.Take(what, form, command, i) {
			continue
		}
		o := s.run(stdin, append(append([]string{"regshape"}, words...), more...)...)
		s.silent(what+": "+strings.Join(words[:min(len(words), 3)], " "), o.text())
		s.harmless(what+": "+strings.Join(command, " "), o.text())
	}
	if log, err := os.ReadFile(s.path("log")); err == nil {
		s.silent(what+": the log", string(log))
	}
}

func addressArguments(s *scene) {
	commands := grammarCommands(s.t)
	for i, address := range addressForms(s.secret()) {
		for _, command := range commands {
			words := strings.Fields(command)
			if words[len(words)-1] == "restore" && !strings.Contains(address, "://") {
				continue // the path of a file
			}
			s.tells("argument", i, "", append(words, address)...)
			s.tells("second argument", i, "", append(words, "h.example", address)...)
			if i > 1 {
				continue // the flags are the same for all
			}
			for _, flag := range []string{
				"registry", "profile", "username", "device-issuer", "scope", "host", "from", "format", "name", "namespace",
				"recipient", "identity", "passphrase-file", "command", "for", "timeout", "unknown",
			} {
				s.tells("--"+flag, i, "", append(words, "--"+flag+"="+address)...)
			}
		}
		s.tells("command", i, "", address)
		s.tells("group", i, "", "auth", address)
		for _, flag := range []string{"store", "docker-config", "authfile", "ca-file", "cert-file", "key-file", "log-file"} {
			if strings.Contains(address, "://") { // else it is a path like any other
				for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "doctor"}, {"auth", "login", "127.0.0.1:1", "-u", "alice", "-p", "x", "--timeout=2s"}} {
					if !s.sample.Take("--"+flag, i, words) {
						continue
					}
					o := s.run("", append([]string{"regshape"}, append(words, "--"+flag+"="+address)...)...)
					s.silent("--"+flag, o.text())
				}
			}
		}
		for _, variable := range []string{"REGSHAPE_PROFILE", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "DOCKER_HOST", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"} {
			if !strings.Contains(address, "://") && (strings.HasPrefix(variable, "REG") || variable == "DOCKER_CONFIG") {
				continue // a name or a path
			}
			s.env = []string{variable + "=" + address, "NO_PROXY=none.example", "no_proxy="}
			for _, words := range [][]string{{}, {"auth", "list"}, {"auth", "doctor"}, {"auth", "get", "h.example"}, {"auth", "token", "h.example", "--timeout=2s"}} {
				s.tells(variable, i, "", words...)
			}
			s.silent(variable+": helper", s.run("h.example", "docker-credential-regshape", "get").text())
		}
		s.env = nil
	}
}

// addressStored stores credentials under such addresses, then breaks the key and the entries.
func addressStored(s *scene) {
	helper := func(what, action, address string) {
		o := s.run(address, "docker-credential-regshape", action)
		s.silent("helper "+action+", "+what, o.text())
		s.harmless("helper "+action+", "+what, o.text())
	}
	commands := [][]string{
		{},
		{"auth", "list"},
		{"auth", "status", "--timeout=2s"},
		{"auth", "doctor"},
		{"auth", "refresh"},
		{"auth", "get", "h.example"},
		{"auth", "import", "--dry-run"},
		{"auth", "key", "show"},
		{"auth", "key", "rotate"},
		{"auth", "key", "rotate", "--resume"},
	}
	look := func(what string) {
		s.t.Helper()
		for _, words := range commands {
			s.tells(what, 0, "", words...)
		}
	}
	forms := addressForms(s.secret())
	for _, address := range forms {
		s.must(payload(address, "alice", "x"), "docker-credential-regshape", "store")
		o := s.must(address, "docker-credential-regshape", "get")
		var echo struct{ ServerURL string }
		if err := json.Unmarshal([]byte(o.out), &echo); err != nil || echo.ServerURL != strings.NewReplacer("\r", "", "\n", "").Replace(address) {
			s.t.Errorf("the helper does not echo the address: %v", err)
		}
		s.silent("helper get", o.err)
	}
	look("stored")
	key := s.read(keyPath)
	for name, text := range inOrder(map[string]string{"missing": "", "damaged": "x", "another": s.run("", "regshape", "auth", "key", "generate").out}) {
		if err := os.Remove(s.path(keyPath)); err != nil {
			s.t.Fatal(err)
		}
		if text != "" {
			s.write(keyPath, text, 0o600)
		}
		for _, address := range forms {
			for _, action := range []string{"get", "list", "store"} {
				helper(name+" key", action, address)
			}
			o := s.run(payload(address, "alice", "y"), "docker-credential-regshape", "store")
			s.silent("helper store with a key "+name, o.text())
		}
		look(name + " key")
		s.write(keyPath, key, 0o600)
	}
	for _, file := range s.all(entries) {
		s.damage(file)
	}
	for _, address := range forms {
		helper("damaged entry", "get", address)
	}
	helper("damaged entry", "list", "")
	look("damaged entries")
	s.tells("logout", 0, "", "auth", "logout", "--all")
	dir := s.path(".local/share/regshape/v1")
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			s.t.Fatal(err)
		}
	} else {
		s.t.Log("as root a directory cannot be closed: a failing write was not tried")
	}
	for _, address := range forms {
		o := s.run(payload(address, "alice", "x"), "docker-credential-regshape", "store")
		s.silent("helper store that fails", o.text())
	}
	_ = os.Chmod(dir, 0o700)
}

// addressFiles puts such addresses into the files, settings and helpers of other tools.
func addressFiles(s *scene) {
	auth := base64Of("alice:x")
	var logins, hosts, list []string
	for _, address := range addressForms(s.secret()) {
		quoted, _ := json.Marshal(address) // a string always marshals
		logins = append(logins, fmt.Sprintf(`%s:{"auth":%q}`, quoted, auth))
		hosts = append(hosts, string(quoted)+`:"fails"`)
		list = append(list, string(quoted)+`:"alice"`)
	}
	damaged := strings.Replace(strings.Join(logins, ","), auth, "!", 2)
	s.write("list", "{"+strings.Join(list, ",")+"}", 0o600)
	s.write("bin/docker-credential-fails", "#!/bin/sh\ncase $1 in list) cat "+s.path("list")+" ;; *) read -r asked; echo \"no $asked here\"; exit 1 ;; esac\n", 0o700)
	s.env = []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH")}
	s.write(".config/containers/auth.json", `{"auths":{`+strings.Join(logins, ",")+"}}", 0o600)
	for name, config := range inOrder(map[string]string{
		"logins":  `{"auths":{` + strings.Join(logins, ",") + "}}",
		"damaged": `{"auths":{` + damaged + "}}",
		"helpers": `{"credHelpers":{` + strings.Join(hosts, ",") + `},"credsStore":"fails"}`,
		"no JSON": `{"auths":{` + strings.Join(logins, ",") + `]`,
	}) {
		s.write(".docker/config.json", config, 0o600)
		for _, words := range [][]string{
			{},
			{"auth", "list"},
			{"auth", "doctor"},
			{"auth", "get", "h.example"},
			{"auth", "status", "h.example", "--timeout=2s"},
			{"auth", "list", "--authfile=" + s.path(".docker/config.json")},
			{"auth", "status", "--authfile=" + s.path(".docker/config.json"), "--timeout=2s"},
			{"auth", "import", "--dry-run"},
			{"auth", "import", "--from=helper:fails"},
			{"auth", "import"},
			{"auth", "import", "--remove"},
			{"auth", "logout", "h.example"},
			{"auth", "logout", "--all"},
		} {
			s.tells("config with "+name, 0, "", words...)
		}
	}
}

// addressNetwork has registries send such addresses.
func addressNetwork(s *scene) {
	for i, address := range addressForms(s.secret()) {
		if !strings.Contains(address, "://") {
			continue
		}
		line := strings.NewReplacer("\x1b", "", "\a", "", "\"", "", "\\", "").Replace(address)
		text, _ := json.Marshal("see " + line + " there") // a string always marshals
		for name, answer := range map[string]http.HandlerFunc{
			"realm": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+line+`",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			},
			"redirect": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", line)
				w.WriteHeader(http.StatusTemporaryRedirect)
			},
			"words": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":%s}]}`, text)
			},
		} {
			server := httptest.NewServer(answer)
			host := server.Listener.Addr().String()
			s.tells(name, i, "x", "auth", "login", host, "-u", "alice", "--password-stdin", "--timeout=3s")
			s.tells(name, i, "", "auth", "token", host, "--timeout=3s")
			server.Close()
		}
	}
}
