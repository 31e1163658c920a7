package scripttest

import (
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// kinds are the issuers of the scripts.
var kinds = map[string]testregistry.IssuerOptions{
	"plain":        {ClientID: "cli", Claims: map[string]any{"preferred_username": "alice"}},
	"rotating":     {ClientID: "cli", Rotate: true, Claims: map[string]any{"email": "alice@example.com"}},
	"norefresh":    {ClientID: "cli", NoRefresh: true},
	"norevocation": {ClientID: "cli", NoRevocation: true},
	"revocation-broken": {
		ClientID: "cli", RevokeStatus: 400, Claims: map[string]any{"preferred_username": "alice"},
	},
	"short":   {ClientID: "cli", TokenLife: 2},
	"denied":  {ClientID: "cli", Polls: []string{"access_denied"}},
	"expired": {ClientID: "cli", Polls: []string{"expired_token"}},
	"shaky":   {ClientID: "cli", Polls: []string{"drop", "unavailable"}},
	"garbage": {ClientID: "cli", Polls: []string{"garbage"}},
}

// stage is what a script has started.
type stage struct {
	issuer *testregistry.Issuer
	server *httptest.Server
}

// issuer KIND starts an issuer with a registry and sets ISSUER and REGISTRY; "issuer stop"
// ends it; "issuer live N" counts its refresh tokens; "issuer secrets DIRECTORY…" looks for
// everything it gave out in the last output and below the directories.
func cmdIssuer(ts *testscript.TestScript, neg bool, args []string) {
	s, _ := ts.Value("issuer").(*stage)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issuer KIND | stop | live N | secrets [DIRECTORY…]")
	}
	switch args[0] {
	case "stop":
		s.server.Close()
	case "live":
		if got := s.issuer.Live(); len(args) != 2 || args[1] != string(rune('0'+got)) {
			ts.Fatalf("%d live refresh tokens, want %v", got, args[1:])
		}
	case "secrets":
		secrets := s.issuer.Secrets()
		look := func(where string, data []byte) {
			if found := canary.Find(data, secrets...); found != "" {
				ts.Fatalf("%s holds a secret (%s)", where, found)
			}
		}
		look("stdout", []byte(ts.ReadFile("stdout")))
		look("stderr", []byte(ts.ReadFile("stderr")))
		for _, dir := range args[1:] {
			ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				look(path, data)
				return err
			}))
		}
	default:
		opts, ok := kinds[args[0]]
		if !ok {
			ts.Fatalf("no issuer of kind %q", args[0])
		}
		issuer, at, registry, err := testregistry.Devices(opts)
		ts.Check(err)
		ts.Defer(at.Close)
		ts.Defer(registry.Close)
		s.issuer, s.server = issuer, at
		ts.Setenv("ISSUER", at.URL)
		ts.Setenv("REGISTRY", registry.Listener.Addr().String())
	}
}
