package registry

import "strings"

// bearerTo is the usual challenge, with its realm at the token server.
const bearerTo = `Bearer realm="https://auth.example/token",service="fake"`

// challengeScenarios are the spellings of WWW-Authenticate, well formed and not.
func challengeScenarios() []scenario {
	const (
		none  = "the registry asks for a login but does not say how"
		offer = "the registry offers no usable login, only: "
	)
	group := []scenario{
		{name: "no challenge", message: none},
		{name: "an empty challenge", reg: asks(nil, ""), message: none},
		{name: "only unknown schemes", reg: asks(nil, `Negotiate abc==, Digest realm="x"`), message: offer + "negotiate, digest"},
		{name: "a scheme with escapes", reg: asks(nil, `~`+strings.Repeat("e", 150)), message: offer + "~" + strings.Repeat("e", 98) + "…"},
		{name: "a quote without end", reg: asks(nil, `"Basic realm="`, `Digest realm="x`), message: offer + "digest"},
		{name: "Bearer without a realm", reg: asks(nil, `Bearer service="x"`), message: offer + "bearer"},
		{name: "a parameter before any scheme", reg: asks(nil, `realm="x"`), message: none},
	}
	for i := range group {
		group[i].want, group[i].asked = Protocol, ping
		if group[i].reg == nil {
			group[i].reg = asks(nil)
		}
	}
	for name, values := range map[string][]string{
		"Negotiate and Basic in two headers":     {`Negotiate`, `Basic realm="x"`},
		"Negotiate and Basic in one header":      {`Negotiate, Basic realm="x"`},
		"token68 before Basic":                   {`Negotiate abc==, Basic realm="x"`},
		"Basic before token68":                   {`Basic realm="x", Negotiate abc==`},
		"odd spacing":                            {" ,, BASIC\trealm = \"x\" ,charset=UTF-8 , "},
		"commas within quotes":                   {`Digest realm="a, Bearer realm=\"https://other.example/\"", Basic realm="b, c"`},
		"Basic without a realm":                  {`Basic`},
		"Bearer without a realm, then Basic":     {`Bearer service="x"`, `Basic realm="y"`},
		"Basic twice":                            {`Basic realm="x"`, `Basic realm="y"`},
		"Basic behind rubbish":                   {`@@@, ===, Basic realm="x"`},
		"Basic behind a control character":       {"Digest realm=\"a\tb\"", `Basic realm="x"`},
		"Basic behind a header that is cut off":  {`Digest realm="x`, `Basic realm="y"`},
		"Basic among a hundred unknown schemes":  {strings.Repeat("Odd x=y, ", 100) + "Basic"},
		"Basic with a comma missing before NTLM": {`Basic realm="x" NTLM`},
	} {
		group = append(group, scenario{name: name, reg: asks(nil, values...), scheme: "basic", want: Verified, message: accepted, asked: basic2})
	}
	for name, values := range map[string][]string{
		"Bearer and Basic in two headers": {bearerTo, `Basic realm="x"`},
		"Basic and Bearer in one header":  {`Basic realm="x", ` + bearerTo},
		"Bearer without quotes":           {`bearer realm=https://auth.example/token,service=fake`},
		"Bearer with quoted pairs":        {`Bearer realm="https://auth.example\/token" , service="fa\ke"`},
		"Bearer with a scope of its own":  {bearerTo + `,scope="repository:samples/app:pull,push",error="insufficient_scope"`},
		"Bearer with two realms":          {bearerTo + `,realm="https://other.example/token"`},
	} {
		group = append(group, scenario{name: name, reg: asks(nil, values...), auth: gives(nil), scheme: "bearer", want: Verified, message: accepted, asked: proof3})
	}
	return group
}
