package acceptance

import (
	"strings"
	"testing"
)

// With --confirm the user is asked once for each login and program, and Ctrl-C ends the forward.
func TestForward_confirm(t *testing.T) {
	t.Parallel()
	s := newHome(t)
	for _, registry := range []string{"a.example", "b.example"} {
		s.must(s.secret(), "regshape", "auth", "login", registry, "-u", "alice", "--password-stdin", "--skip-verify")
	}
	far := "HOME=" + s.path("far")
	term := s.terminal("regshape", "auth", "forward", "--all", "--confirm", "--", "env", far)
	term.Await("Lending all logins to env ")
	get := func(registry string) <-chan outcome {
		answer := make(chan outcome, 1)
		go func() { answer <- s.run(registry, "env", far, "docker-credential-regshape", "get") }()
		return answer
	}
	const question = "Lend the login of %s to acceptance.test (uid "
	for _, c := range []struct{ registry, key, want string }{
		{"a.example", "n\n", "not found"},
		{"a.example", "", "not found"},
		{"b.example", "Yes\n", `"Username":"alice"`},
		{"b.example", "", `"Username":"alice"`},
		{"none.example", "", "not found"},
	} {
		answer := get(c.registry)
		if c.key != "" {
			term.Await(strings.ReplaceAll(question, "%s", c.registry))
			term.Input(c.key)
		}
		if o := <-answer; !strings.Contains(o.out, c.want) {
			t.Errorf("%s: got %q, want %q", c.registry, s.redact(o.text()), c.want)
		}
	}
	term.Input("\x03")
	term.wantExit(0, s.secret())
	if n := strings.Count(term.Text(), "[y/N]"); n != 2 {
		t.Errorf("it asked %d times, want 2:\n%s", n, term.Text())
	}
	if o := s.run("b.example", "env", far, "docker-credential-regshape", "get"); !strings.Contains(o.out, "not found") {
		t.Errorf("after the end: %s", s.redact(o.text()))
	}
}
