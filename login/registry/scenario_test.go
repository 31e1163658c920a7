package registry

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/printable"
)

// TestMain sets a proxy before anything can have read the environment, which net/http
// does once a process. It is meant for far.example alone.
func TestMain(m *testing.M) {
	if runtime.GOOS == "windows" { // wine takes seconds for the first certificate, longer than some tests wait
		s := httptest.NewTLSServer(nil)
		_, _ = s.Certificate().Verify(x509.VerifyOptions{})
		s.Close()
	}
	const proxy = "http://px:proxy-canary@proxy.example:3128"
	testenv.Main(m, "HTTPS_PROXY="+proxy, "HTTP_PROXY="+proxy,
		"NO_PROXY=reg.example,auth.example,other.example,plain.example,nowhere.example,registry-1.docker.io,2001:db8::1")
}

// scenario is one login against real servers, and all that must come of it. The servers
// are known by their roles: reg, auth (the token server), other, plain (never TLS) and
// proxy; each answers at ROLE.example.
type scenario struct {
	name string

	reg, auth, other, plain, proxy handler
	// raw is what the registry says to whoever connects, in place of reg; first says that
	// it does not wait to be asked.
	raw   string
	first bool
	// noTLS makes reg and auth speak http, and the client ask so. loopback asks reg at its
	// real address 127.0.0.1:PORT, by whatever it speaks.
	noTLS, loopback bool
	host            string // default reg.example, or the loopback address
	// at moves a role to an address; several, by commas, are its name server's answers in
	// turn. The default is 203.0.113.0/24 (RFC 5737).
	at map[string]string
	// before may change the stage, for what depends on certificates.
	before func(*stage)

	cred  Credential // default alice
	opt   Options
	scope string

	want      Outcome
	message   string
	advice    Advice
	suggested string
	transport string // default https, or http where noTLS is set; "-" for none
	identity  string
	// asked is every request that any server received, in order, and every wait between:
	// "ROLE METHOD TARGET [CREDENTIAL]", joined by "; ".
	asked string
}

// TestScenarios plays each scenario with all its servers, and says how many there are.
func TestScenarios(t *testing.T) {
	house := newHouse(t)
	count := map[string]bool{}
	for _, group := range [][]scenario{
		basicScenarios(), troubleScenarios(), challengeScenarios(), bearerScenarios(), tokenAnswerScenarios(),
		identityScenarios(), scopeScenarios(), redirectScenarios(), realmScenarios(), proxyScenarios(),
		tlsScenarios(), rawScenarios(),
	} {
		for _, sc := range group {
			if count[sc.name] {
				t.Errorf("two scenarios are called %q", sc.name)
			}
			count[sc.name] = true
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				sc.play(t, house)
			})
		}
	}
	t.Logf("%d scenarios", len(count))
	if len(count) < 45 {
		t.Error("scenarios got lost")
	}
}

func (sc scenario) play(t *testing.T, house *house) {
	st := newStage(t, house, sc)
	if sc.before != nil {
		sc.before(st)
	}
	st.open()
	cred := sc.cred
	switch cred {
	case Credential{}:
		cred = alice
	case nobody:
		cred = Credential{}
	}
	host := sc.host
	if host == "" {
		host = "reg.example"
		if sc.loopback {
			host = st.listener("reg").Addr().String()
		}
	}
	start := time.Now()
	r := st.client.Verify(st.ctx, store.ParseAddress(host), sc.scope, cred)
	if took := time.Since(start); took > st.opt.Timeout+2*time.Second {
		t.Errorf("it took %s", took)
	}

	transport := sc.transport
	switch {
	case transport == "-":
		transport = ""
	case transport == "" && sc.noTLS:
		transport = "http"
	case transport == "":
		transport = "https"
	}
	// What differs from run to run.
	steady := strings.NewReplacer(host, "reg.example", st.authPort(), ":PORT").Replace
	for _, one := range []struct{ what, got, want string }{
		{"outcome", string(r.Outcome), string(sc.want)},
		{"message", steady(r.Message), sc.message},
		{"advice", string(r.Advice), string(sc.advice)},
		{"suggested", steady(r.Suggested), sc.suggested},
		{"transport", r.Transport, transport},
		{"identity token", r.IdentityToken, sc.identity},
		{"asked", st.asked(), sc.asked},
	} {
		if one.got != one.want {
			t.Errorf("%s:\n got %s\nwant %s", one.what, one.got, one.want)
		}
	}
	for _, text := range []string{r.Message, r.Suggested, r.Detail} {
		if strings.Contains(text, "canary") || text != printable.Line(text, 1000) {
			t.Errorf("not fit to print: %q", text)
		}
	}
}

// Credentials of the scenarios, beside alice.
var (
	wrong    = Credential{Username: "alice", Secret: "wrong-canary-password"}
	nobody   = Credential{Username: "nobody at all"}
	identity = Credential{Secret: "refresh-canary-token", IdentityToken: true}
	revoked  = Credential{Secret: "revoked-canary-token", IdentityToken: true}
)

// What most scenarios ask.
const (
	ping   = "reg GET /v2/"
	basic2 = ping + "; reg GET /v2/ basic"
	getTok = ping + "; auth GET /token?account=alice&service=fake basic"
	proof3 = getTok + "; reg GET /v2/ bearer"
)

// handler answers as one server of a stage.
type handler func(st *stage, w http.ResponseWriter, r *http.Request)

// interrupts is Ctrl-C while the server thinks.
func interrupts(st *stage, _ http.ResponseWriter, r *http.Request) {
	st.cancel()
	<-r.Context().Done()
}
