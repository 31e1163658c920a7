package acceptance

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// trouble is a home in which something is broken, with a secret in it.
type trouble struct {
	name string
	make func(s *scene, registry string)
}

// A pair that protects nothing.
const (
	testRecipient = "age1s9je9ep7y40kdu03jzwmcvcjh5u0rrcct0x0exs43897asdnh50seuevhc"
	testIdentity  = "AGE-SECRET-KEY-1P36PTHD5TAQJV98DKTS9SY3ZXFGSTHEHS79U7ZFJ27JFMW2X5V2QXVT6Y8"
)

// leakFailures runs every command in every broken home with all traces enabled. Other tests
// check the answers; this one only looks for the secret in them.
func leakFailures(t *testing.T, tried *tally) {
	registry := httptest.NewServer(http.HandlerFunc(repeatSecrets))
	t.Cleanup(registry.Close)
	host := registry.Listener.Addr().String()
	commands := grammarCommands(t)
	for _, kind := range troubles() {
		tried.parallel(t, kind.name, func(s *scene) {
			s.write("passphrase", s.secret()+"\n", 0o600)
			kind.make(s, host)
			if _, found, err := canary.Tree(s.home, s.secrets...); err != nil || len(found) < 2 && kind.name != "damaged entry" {
				s.t.Fatalf("%s: the secret is in %v, %v: nothing could leak", kind.name, found, err)
			}
			before, env, failed := s.read(".docker/config.json"), s.env, 0
			for _, command := range commands {
				log := s.path("log")
				words := append([]string{"regshape"}, strings.Fields(command)...)
				words = append(words, commandFlags(command, host)...)
				if command == "overview" {
					words = words[:1]
				}
				words = append(words, "--debug-calls", "--time-methods", "--time-scenarios", "--log-file="+log, "--timeout=5s")
				if slices.Contains(sendsPassword, command) {
					s.env = append(slices.Clip(env), "REGSHAPE_USERNAME=alice", "REGSHAPE_PASSWORD="+s.secret())
				}
				o := s.run(s.secret(), words...)
				if o.code != 0 { // what a failure says as JSON is written elsewhere
					failed++
					s.silent(command, s.run(s.secret(), append(words, "--json")...).text())
				} else if command == "auth export" {
					o.out = "" // its result is the secret
				}
				s.silent(command, o.text())
				s.env = env
			}
			for _, action := range []string{"store", "get", "list", "erase"} {
				input := host
				if action == "store" {
					input = payload(host, "alice", s.secret())
				}
				o := s.run(input, "docker-credential-regshape", action)
				if o.code != 0 {
					failed++
				} else if action == "get" {
					o.out = ""
				}
				s.silent("helper "+action, o.text())
			}
			if failed < 8 {
				s.t.Errorf("%s: %d runs failed; it is no trouble", kind.name, failed)
			}
			s.silent("log", s.read("log"))
			if kind.name == "config no JSON" && s.read(".docker/config.json") != before {
				s.t.Errorf("%s: config.json was written", kind.name)
			}
		})
	}
}

// sendsPassword are the commands that take a password of the environment to the registry.
var sendsPassword = []string{"auth login", "auth token", "auth get", "auth status"}

// commandFlags are the flags without which a command only prints its usage.
func commandFlags(command, host string) []string {
	switch command {
	case "auth login", "auth logout", "auth get", "auth token", "auth status", "auth refresh":
		return []string{host}
	case "auth export":
		return []string{host, "--format=dockerconfigjson"}
	case "auth import":
		return []string{"--remove"}
	case "auth setup":
		return []string{"--host=" + host}
	case "auth unlock", "auth key unprotect":
		return []string{"--identity=passphrase"}
	case "auth key protect":
		return []string{"--command=./vault"}
	case "auth key backup":
		return []string{"--recipient=age1wrong"}
	case "auth key restore":
		return []string{"passphrase", "--identity=passphrase"}
	case "auth key reset":
		return nil // the trouble would be over
	case "auth completion", "completion":
		return []string{"bash"}
	}
	return nil
}

// repeatSecrets is a registry that echoes credentials wherever a client might show them.
func repeatSecrets(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	h, sent := w.Header(), r.Header.Get("Authorization")
	for _, name := range []string{"Server", "Set-Cookie", "X-Trace", "Docker-Distribution-Api-Version", "Warning", "Location"} {
		h.Set(name, "x="+password+" "+sent)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Www-Authenticate", `Basic realm="`+password+`", error="`+password+`"`)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"no ` + password + ` ` + sent + `","detail":"` + base64Of("alice:"+password) + `"}]}`))
}

func troubles() []trouble {
	auth := func(s *scene) string { return base64Of("alice:" + s.secret()) }
	stored := func(s *scene, host string) {
		s.must(payload(host, "alice", s.secret()), "docker-credential-regshape", "store")
		s.must(payload("second.example", "alice", s.secret()), "docker-credential-regshape", "store")
	}
	docker := func(s *scene, text string) { s.write(".docker/config.json", text, 0o600) }
	return []trouble{
		{"config no JSON", func(s *scene, host string) {
			stored(s, host)
			docker(s, `{"auths":{"`+host+`":{"auth":"`+auth(s)+`"}},}`+s.secret())
			s.write(".config/containers/auth.json", `{"auths":{"x":{"auth":`+auth(s)+`}}`, 0o600)
			s.env = append(s.env, `DOCKER_AUTH_CONFIG={"auths":{"`+host+`":`+s.secret())
		}},
		{"secrets in the wrong places", func(s *scene, host string) {
			stored(s, host)
			docker(s, `{"credsStore":["`+s.secret()+`"],"proxies":{"default":{"httpProxy":"http://u:`+s.secret()+`@p"}},"auths":{"`+host+`":{"auth":"`+s.secret()+`","username":["`+s.secret()+`"]},"y.example":"`+auth(s)+`"}}`)
			s.write(".config/containers/auth.json", `{"auths":{"x.example":{"auth":"`+base64Of(s.secret())+`"},"z.example":{"auth":"`+auth(s)+`","identitytoken":7}}}`, 0o600)
			s.write(".config/containers/registries.conf", "credential-helpers = [\""+s.secret()+"\n", 0o600)
		}},
		{"helper that tells", func(s *scene, host string) {
			docker(s, `{"credsStore":"teller","credHelpers":{"`+host+`":"teller"},"auths":{"plain.example":{"auth":"`+auth(s)+`"}}}`)
			s.write("bin/docker-credential-teller", "#!/bin/sh\ncat >/dev/null\necho '{\"ServerURL\":\"x\",\"Username\":\"alice\",\"Secret\":\""+s.secret()+"\"'\necho 'failed with "+s.secret()+"' >&2\nexit 1\n", 0o700)
			s.write("vault", "#!/bin/sh\necho REGSHAPE-KEY-1 "+s.secret()+"\necho 'REGSHAPE-KEY-1 bad "+s.secret()+"' >&2\nexit 1\n", 0o700)
			s.env = append(s.env, "PATH="+s.path("bin")+":"+os.Getenv("PATH"))
		}},
		{"damaged entry", func(s *scene, host string) {
			stored(s, host)
			docker(s, `{}`)
			for _, file := range s.all(entries) {
				s.damage(file)
			}
		}},
		{"locked store", func(s *scene, host string) {
			stored(s, host)
			docker(s, `{"auths":{"plain.example":{"auth":"`+auth(s)+`"}}}`)
			s.must(testIdentity, "regshape", "auth", "key", "protect", "--recipient", testRecipient, "--identity", "-")
			s.must("", "regshape", "auth", "lock")
		}},
		{"key lost", func(s *scene, host string) {
			stored(s, host)
			docker(s, `{"auths":{"plain.example":{"auth":"`+auth(s)+`"}}}`)
			s.write(keyPath, "REGSHAPE-KEY-1 "+s.secret()+"\n", 0o600)
		}},
	}
}

// leakTypos types a secret in the wrong place. It is on the user's own command line then, and
// must not reach the log of a build as well.
func leakTypos(t *testing.T, tried *tally) {
	s := newScene(t, tried)
	x := s.secret()
	for _, words := range [][]string{
		{"login", "ghcr.io", "-u", "alice", x},
		{"login", "ghcr.io", "-u", "alice", "--password-stdin=" + x},
		{"login", "ghcr.io", "-u", "alice", "--pasword", x},
		{"login", "ghcr.io", "-u", "alice", "--pasword=" + x},
		{"login", "ghcr.io", "-u", "alice", "--for", x},
		{"login", "ghcr.io", "-u", "alice", "--timeout", x},
		{"login", "https://alice:" + x + "@ghcr.io", "--skip-verify"},
		{"login", "alice:" + x + "@ghcr.io"},
		{"logout", "https://alice:" + x + "@ghcr.io"},
		{"get", "https://alice:" + x + "@ghcr.io"},
		{"token", "alice:" + x + "@ghcr.io"},
		{"status", "https://alice:" + x + "@ghcr.io"},
		{"refresh", "https://alice:" + x + "@ghcr.io"},
		{"export", "https://alice:" + x + "@ghcr.io", "--format=auth.json"},
		{"setup", "--host=https://alice:" + x + "@ghcr.io"},
		{"login", "ghcr.io", "--device", "--device-client-id=c", "--device-issuer=https://alice:" + x + "@issuer.example"},
		{"unlock", "--passphrase=" + x},
		{"unlock", x},
		{"key", "protect", "--passphrase", x},
		{"key", "protect", "--passphrase=" + x},
		{"key", "protect", "--recipient=AGE-SECRET-KEY-1" + x},
		{"key", "unprotect", x},
		{"key", "backup", x},
		{"key", "generate", x},
	} {
		for _, more := range [][]string{nil, {"--json"}} {
			o := s.run("", append(append([]string{"regshape", "auth"}, words...), more...)...)
			s.silent(strings.Join(words[:2], " "), o.text())
		}
	}
	// A proxy's password is in its variable and must not be in a trace.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 407 " + x + "\r\nProxy-Authenticate: Basic realm=\"" + x + "\"\r\nContent-Length: 0\r\n\r\n"))
			_ = c.Close()
		}
	}()
	for _, proxy := range []string{"http://p:" + x + "@" + l.Addr().String(), "http://p:" + x + "@127.0.0.1:1", "p:" + x + "@127.0.0.1:no", "http://p:%zz" + x + "@h"} {
		s.env = []string{"HTTPS_PROXY=" + proxy, "https_proxy=", "NO_PROXY=none.example", "no_proxy=", "REGSHAPE_PASSWORD=" + x}
		o := s.run("", "regshape", "auth", "login", "registry.example", "-u", "alice", "--debug-calls", "--timeout=5s")
		if o.code == 0 {
			t.Errorf("a login through no proxy at all succeeds:\n%s", s.redact(o.text()))
		}
		s.silent("proxy", o.text())
	}
	// A registry that echoes credentials.
	repeating := httptest.NewServer(http.HandlerFunc(repeatSecrets))
	defer repeating.Close()
	basic := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": x}}))
	defer basic.Close()
	s.env = []string{"REGSHAPE_PASSWORD=" + x, "REGSHAPE_USERNAME=" + x}
	for _, at := range []string{repeating.Listener.Addr().String(), basic.Listener.Addr().String()} {
		o := s.run("", "regshape", "auth", "login", at, "--debug-calls", "--identity-token")
		s.silent("login", o.text())
	}
}
