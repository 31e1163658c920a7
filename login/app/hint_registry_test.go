package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"regshape/login/registry"
)

// Whatever the registry client advises has its words, with the flags that do it.
func TestRegistryHint(t *testing.T) {
	for _, test := range []struct {
		advice registry.Advice
		want   []string
	}{
		{registry.TrustCA, []string{"registry's CA", "--ca-file FILE"}},
		{registry.TrustOtherCA, []string{"its CA", "--ca-file FILE"}},
		{registry.InsecureElsewhere, []string{"--ca-file FILE", "--insecure is for the registry's own host alone"}},
		{registry.FixName, []string{"a name the certificate is for", "--insecure"}},
		{registry.RenewCertificate, []string{"clock", "--insecure"}},
		{registry.ReplaceOtherCertificate, []string{"that server's certificate", "clock", "--insecure is for the registry's own host alone"}},
		{registry.ReissueCertificate, []string{"subjectAltName", "--insecure"}},
		{registry.UpgradeTLS, []string{"TLS 1.2", "--insecure does not"}},
		{registry.FixCertificate, []string{"--ca-file FILE", "--insecure"}},
		{registry.AllowHTTP, []string{"--plain-http"}},
		{registry.MaybeHTTP, []string{"if ", "--plain-http"}},
		{registry.UseHTTPS, []string{"leave out --plain-http"}},
		{registry.MaybeHTTPS, []string{"if ", "leave out --plain-http"}},
		{registry.GiveClientCert, []string{"--cert-file FILE --key-file FILE"}},
		{registry.MaybeClientCert, []string{"if ", "--cert-file FILE --key-file FILE"}},
		{registry.ReplaceClientCert, []string{"--cert-file FILE --key-file FILE"}},
		{registry.FixCertFile, []string{"that file"}},
		{registry.FixProxy, []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}},
		{registry.ProxyLogin, []string{"USER:PASSWORD@", "HTTP_PROXY", "HTTPS_PROXY"}},
		{registry.CheckName, []string{"name", "port"}},
		{registry.NoAPI, []string{"name", "port", "/v2/"}},
		{registry.OtherRegistry, []string{"log in to other.example"}},
		{registry.GiveCredential, []string{"user name", "password"}},
		{registry.GivePassword, []string{"-u USER", "password", "access token"}},
		{registry.CheckUsername, []string{"user name"}},
		{registry.NoToken, []string{"without a token"}},
		{registry.ConfirmAgain, []string{"--device"}},
		{registry.GiveScope, []string{"--scope NAME"}},
		{registry.GiveIssuer, []string{"--device-issuer URL"}},
		{registry.CheckIssuerURL, []string{"--device-issuer"}},
		{registry.UseIssuer, []string{"--device-issuer other.example"}},
		{registry.CheckClientID, []string{"--device-client-id"}},
		{registry.OtherScope, []string{"--device-scope"}},
	} {
		got := RegistryHint(registry.Result{Advice: test.advice, Suggested: "other.example"})
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q in it", test.advice, got, want)
			}
		}
	}
}

// Whatever a verification ends in, but success, has a hint: by its kind of advice, or by its
// outcome where there is none.
func TestRegistryHint_complete(t *testing.T) {
	kinds := registryConstants(t, "Advice", "../registry/outcome.go")
	outcomes := registryConstants(t, "Outcome", "../registry/outcome.go", "../registry/device.go")
	if len(kinds) < 30 || len(outcomes) != 10 {
		t.Fatalf("found %d kinds of advice and %d outcomes", len(kinds), len(outcomes))
	}
	seen := map[string]string{}
	for _, kind := range kinds {
		hint := RegistryHint(registry.Result{Advice: registry.Advice(kind), Suggested: "other.example"})
		if hint == "" || seen[hint] != "" {
			t.Errorf("%s: got the hint %q, want one of its own (as %q)", kind, hint, seen[hint])
		}
		seen[hint] = kind
	}
	for _, outcome := range outcomes {
		if r := (registry.Result{Outcome: registry.Outcome(outcome)}); !r.Outcome.Stores() && registryHint(r) == "" {
			t.Errorf("%s: no hint", outcome)
		}
	}
}

// registryConstants are the values of the constants of a type of package registry.
func registryConstants(t *testing.T, typeName string, files ...string) []string {
	t.Helper()
	var values []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if is, ok := spec.Type.(*ast.Ident); !ok || is.Name != typeName {
				return true
			}
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
			return true
		})
	}
	return values
}
