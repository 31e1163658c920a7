package app

import "regshape/login/registry"

// RegistryHint is what the registry client advises, in words, or "".
func RegistryHint(r registry.Result) string {
	switch r.Advice {
	case registry.TrustCA:
		return "trust the registry's CA with --ca-file FILE"
	case registry.TrustOtherCA:
		return "trust its CA with --ca-file FILE"
	case registry.InsecureElsewhere:
		return "trust its CA with --ca-file FILE; --insecure is for the registry's own host alone"
	case registry.FixName:
		return "use a name the certificate is for; --insecure goes on without verification"
	case registry.ReplaceOtherCertificate:
		return "have that server's certificate replaced and check this machine's clock; --insecure is for the registry's own host alone"
	case registry.RenewCertificate:
		return "have the certificate renewed and check this machine's clock; --insecure goes on without verification"
	case registry.ReissueCertificate:
		return "have it reissued with the registry's name as subjectAltName, as docker and podman want it, too; --insecure goes on without verification"
	case registry.UpgradeTLS:
		return "have TLS 1.2 or newer enabled there; --insecure does not change this"
	case registry.FixCertificate:
		return "trust the registry's CA with --ca-file FILE, or go on without verification with --insecure"
	case registry.AllowHTTP:
		return "if that is intended, add --plain-http"
	case registry.MaybeHTTP:
		return "if it speaks plain http, add --plain-http"
	case registry.UseHTTPS:
		return "leave out --plain-http: the server wants https"
	case registry.MaybeHTTPS:
		return "if the server wants https, leave out --plain-http"
	case registry.GiveClientCert:
		return "give it one with --cert-file FILE --key-file FILE"
	case registry.MaybeClientCert:
		return "if it wants a client certificate: --cert-file FILE --key-file FILE"
	case registry.ReplaceClientCert:
		return "give it another one with --cert-file FILE --key-file FILE"
	case registry.FixCertFile:
		return "fix or remove that file; docker and podman read it too"
	case registry.FixProxy:
		return "check HTTP_PROXY and HTTPS_PROXY, and the registry's name; hosts in NO_PROXY are reached without the proxy"
	case registry.ProxyLogin:
		return "put USER:PASSWORD@ before the proxy's host in HTTP_PROXY and HTTPS_PROXY, or check the user name and the password there"
	case registry.CheckName:
		return "check the name and the port"
	case registry.NoAPI:
		return "check the name and the port: a registry answers at /v2/ of the host itself"
	case registry.GiveCredential:
		return "the registry wants a user name and a password"
	case registry.GivePassword:
		return "log in with -u USER and a password, or an access token in its place"
	case registry.CheckUsername:
		return "check the user name"
	case registry.NoToken:
		return "use it without a token, with the user name and password if it asks for them"
	case registry.ConfirmAgain:
		return "log in again with --device, and confirm it in the browser"
	case registry.GiveScope:
		return "a robot account may need --scope NAME/OF/REPOSITORY"
	case registry.GiveIssuer:
		return "give --device-issuer URL"
	case registry.CheckIssuerURL:
		return "check the URL given with --device-issuer"
	case registry.CheckClientID:
		return "check --device-client-id; the client has to be public and allowed the device grant"
	case registry.OtherScope:
		return "give another one with --device-scope"
	case registry.OtherRegistry:
		return "log in to " + r.Suggested + " if that is the registry you mean"
	case registry.UseIssuer:
		return "it has to match to the letter: --device-issuer " + r.Suggested
	}
	return ""
}

// registryHint is RegistryHint, or else what may help against any such outcome.
func registryHint(r registry.Result) string {
	if hint := RegistryHint(r); hint != "" {
		return hint
	}
	switch r.Outcome {
	case registry.Rejected:
		return "check the user name; many registries want an access token with a scope for images or packages in place of the password"
	case registry.Unreachable:
		return "check the registry's name, the port and the network, or try again later"
	case registry.Throttled:
		return "wait a while, then try again"
	case registry.Forbidden:
		return "ask the registry's operator for access for this account, and from this network"
	}
	return "the operator of that server has to fix this; --debug-calls shows what it answers"
}
