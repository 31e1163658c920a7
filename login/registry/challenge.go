package registry

import (
	"maps"
	"slices"
	"strings"
)

// challenge is one challenge of a WWW-Authenticate header (RFC 9110 §11.6.1).
// Scheme and parameter names are lower-case; it has a token68 or parameters, never
// both.
type challenge struct {
	scheme  string
	token68 string
	params  map[string]string
}

// parseChallenges reads the values of all WWW-Authenticate headers of a response.
// One value may hold several challenges. Servers get the grammar wrong in many
// ways (missing commas, unquoted URLs, spaces around "="), so what can be
// understood is used and the rest is skipped; of a repeated parameter the first one
// counts.
func parseChallenges(values []string) []challenge {
	var out []challenge
	for _, v := range values {
		p := challengeParser{s: v}
		out = append(out, p.parse()...)
	}
	return out
}

type challengeParser struct {
	s string
	i int
}

func (p *challengeParser) parse() []challenge {
	var out []challenge
	for {
		p.skip(", \t")
		if p.i == len(p.s) {
			return out
		}
		name := p.token()
		if name == "" {
			if !p.junk() {
				return out
			}
			continue
		}
		end := p.i
		p.skip(" \t")
		if p.peek() == '=' {
			p.i++
			p.skip(" \t")
			value, ok := p.value()
			if !ok {
				return out
			}
			if len(out) > 0 {
				out[len(out)-1].set(name, value)
			}
			continue
		}
		c := challenge{scheme: strings.ToLower(name)}
		if p.i > end {
			c.token68 = p.token68()
		}
		out = append(out, c)
	}
}

func (c *challenge) set(name, value string) {
	name = strings.ToLower(name)
	if c.token68 != "" || strings.ContainsFunc(value, isControl) {
		return
	}
	if _, dup := c.params[name]; dup {
		return
	}
	if c.params == nil {
		c.params = map[string]string{}
	}
	c.params[name] = value
}

func (p *challengeParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *challengeParser) skip(set string) {
	for p.i < len(p.s) && strings.IndexByte(set, p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *challengeParser) token() string {
	from := p.i
	for p.i < len(p.s) && isTokenByte(p.s[p.i]) {
		p.i++
	}
	return p.s[from:p.i]
}

// token68 takes a token68 only where the whole list element is one; otherwise the
// position stays, since "realm=x" starts like a token68 too.
func (p *challengeParser) token68() string {
	j := p.i
	for j < len(p.s) && (isAlnum(p.s[j]) || strings.IndexByte("-._~+/", p.s[j]) >= 0) {
		j++
	}
	if j == p.i {
		return ""
	}
	for j < len(p.s) && p.s[j] == '=' {
		j++
	}
	out, from := p.s[p.i:j], p.i
	p.i = j
	p.skip(" \t")
	if p.i == len(p.s) || p.s[p.i] == ',' {
		return out
	}
	p.i = from
	return ""
}

// value reads a quoted string, or anything up to a comma or a blank. It fails on a
// quoted string without an end: what follows cannot be distinguished from its content.
func (p *challengeParser) value() (string, bool) {
	if p.peek() != '"' {
		from := p.i
		for p.i < len(p.s) && strings.IndexByte(", \t\"", p.s[p.i]) < 0 {
			p.i++
		}
		return p.s[from:p.i], true
	}
	var b strings.Builder
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; c {
		case '"':
			p.i++
			return b.String(), true
		case '\\':
			if p.i++; p.i == len(p.s) {
				return "", false
			}
			b.WriteByte(p.s[p.i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// junk skips what cannot start a list element, quoted strings as a whole.
func (p *challengeParser) junk() bool {
	if p.peek() == '"' {
		_, ok := p.value()
		return ok
	}
	for p.i < len(p.s) && p.s[p.i] != ',' {
		p.i++
	}
	return true
}

// String formats the challenge in the form that every parser reads.
func (c challenge) String() string {
	if c.token68 != "" {
		return c.scheme + " " + c.token68
	}
	names := slices.Sorted(maps.Keys(c.params))
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for i, name := range names {
		names[i] = name + `="` + escape.Replace(c.params[name]) + `"`
	}
	return strings.TrimRight(c.scheme+" "+strings.Join(names, ","), " ")
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isTokenByte(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }
