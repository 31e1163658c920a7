package app

import "regshape/login/registry"

// registryAdvice is what may help where a registry did not say yes.
func registryAdvice(r registry.Result) string {
	if r.Hint != "" {
		return r.Hint
	}
	switch r.Outcome {
	case registry.Rejected:
		return "check the user name; many registries want an access token in place of the password"
	case registry.Unreachable:
		return "check the registry's name, the port and the network, or try again later"
	case registry.Throttled:
		return "wait a while, then try again"
	}
	return ""
}
