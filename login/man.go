package login

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/app"
	"regshape/login/lookup"
)

// ManPages returns the man pages, section 1, by file name: of the program, each command, and
// the programs that others start. All but those are generated from the grammar.
func ManPages(b app.Build) (map[string][]byte, error) {
	var g grammar
	parser, err := newParser(&g, &app.Env{Call: app.Call{Out: io.Discard, Err: io.Discard, Build: b}}, func(int) {})
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	pages := map[string][]byte{}
	add := func(name, title string, write func(p *manPage)) {
		day, _, _ := strings.Cut(b.Date, "T")
		var p manPage
		p.macro("TH", strings.ToUpper(name), "1", day, "regshape "+b.Version, "Container registry logins")
		p.section("Name")
		p.text(name + " - " + title)
		write(&p)
		pages[name+".1"] = p.out.Bytes()
	}
	program := parser.Model.Node
	leaves := commandsBelow(program)
	add("regshape", "log in to container registries once, for every tool", func(p *manPage) { p.program(program, leaves) })
	for _, node := range leaves {
		help := strings.TrimSuffix(oneLine(node.Help), ".")
		add(pageName(node), strings.ToLower(help[:1])+help[1:], func(p *manPage) { p.command(node) })
	}
	add("docker-credential-regshape", "the credential helper of regshape", (*manPage).helper)
	add(lookup.ProviderProgram, "the image credential provider of regshape", (*manPage).provider)
	return pages, nil
}

// commandsBelow lists the commands that can be run, in the order of the grammar.
func commandsBelow(node *kong.Node) []*kong.Node {
	var found []*kong.Node
	for _, child := range node.Children {
		switch {
		case child.Hidden || child.Type != kong.CommandNode:
		case len(child.Children) > 0:
			found = append(found, commandsBelow(child)...)
		default:
			found = append(found, child)
		}
	}
	return found
}

func pageName(node *kong.Node) string {
	return "regshape-" + strings.ReplaceAll(commandPath(node), " ", "-")
}

// manPage is a page in man(7).
type manPage struct{ out bytes.Buffer }

func (p *manPage) program(program *kong.Node, leaves []*kong.Node) {
	p.section("Synopsis")
	p.text("regshape [flags] COMMAND")
	p.section("Description")
	for paragraph := range strings.SplitSeq(description, "\n\n") {
		p.macro("PP")
		p.text(paragraph)
	}
	p.section("Commands")
	for _, node := range leaves {
		p.item(commandPath(node), oneLine(node.Help)+" See "+pageName(node)+"(1).")
	}
	p.section("Flags")
	p.flags(program)
	p.section("Environment")
	for _, v := range []struct{ name, what string }{
		{"REGSHAPE_USERNAME, REGSHAPE_PASSWORD", "User name and password for the registry on the command line."},
		{"REGSHAPE_STORE, REGSHAPE_PROFILE", "Like --store and --profile; the helper reads them too."},
		{"REGSHAPE_KEY_FILE", "A file that holds the store's key line; it takes precedence over the store's config."},
		{"DOCKER_CONFIG, DOCKER_AUTH_CONFIG", "Docker's configuration directory, and logins as JSON."},
		{"REGISTRY_AUTH_FILE, APPTAINER_AUTHFILE, APPTAINER_AUTH_FILE, SINGULARITY_AUTHFILE, SINGULARITY_AUTH_FILE", "Like --authfile; the first that is set."},
		{"XDG_DATA_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME", "Where the store's files are; see FILES."},
	} {
		p.item(v.name, v.what)
	}
	p.section("Files")
	for _, f := range []struct{ name, what string }{
		{"$XDG_DATA_HOME/regshape/v1", "The encrypted logins (~/.local/share)."},
		{"$XDG_STATE_HOME/regshape/key", "The key, unless it is kept elsewhere (~/.local/state)."},
		{"$XDG_CONFIG_HOME/regshape/config", "Which key the store uses, and where it is (~/.config)."},
	} {
		p.item(f.name, f.what)
	}
	p.manual(program)
	p.seeAlso("docker-credential-regshape", "regshape-auth-login", "regshape-auth-setup", "regshape-auth-doctor")
}

func (p *manPage) command(node *kong.Node) {
	p.section("Synopsis")
	p.text(node.FullPath() + " " + synopsis(node))
	p.section("Description")
	p.text(oneLine(node.Help))
	if len(node.Positional) > 0 {
		p.section("Arguments")
		for _, arg := range node.Positional {
			p.item(arg.Summary(), oneLine(arg.Help))
		}
	}
	p.section("Flags")
	p.flags(node)
	p.manual(node)
	p.seeAlso("regshape")
}

func synopsis(node *kong.Node) string {
	var words []string
	for _, arg := range node.Positional {
		words = append(words, arg.Summary())
	}
	return strings.Join(append(words, "[flags]"), " ")
}

func (p *manPage) helper() {
	p.section("Synopsis")
	p.text("docker-credential-regshape store|get|erase|list|version")
	p.section("Description")
	for _, paragraph := range []string{
		"Serves docker, podman, skopeo, buildah, crane, helm and other tools that use the Docker credential-helper protocol, " +
			"on standard input and output, from the store that regshape(1) manages. It never prompts and opens no connection to a registry; it may start the program of a login that renews itself.",
		"regshape auth setup configures the tools to call it. Called as docker-credential-regshape-NAME, for example through a link of that name, it serves the profile NAME.",
	} {
		p.macro("PP")
		p.text(paragraph)
	}
	p.section("Exit status")
	p.item("0", "Success.")
	p.item("1", "Failed, or not found; one line on standard output says which.")
	p.seeAlso("regshape", "regshape-auth-setup")
}

func (p *manPage) provider() {
	p.section("Synopsis")
	p.text(lookup.ProviderProgram)
	p.section("Description")
	p.text("Serves the kubelet of a node, which starts it with a CredentialProviderRequest on standard input, from the store that regshape(1) manages. " +
		"regshape auth setup --kubelet configures the kubelet. Called as " + lookup.ProviderProgram + "-NAME, it serves the profile NAME.")
	p.section("Exit status")
	p.item("0", "Success, also without a login for the image.")
	p.item("1", "Failed; one line on standard error says why.")
	p.seeAlso("regshape", "regshape-auth-setup", "regshape-auth-doctor")
}

func (p *manPage) flags(node *kong.Node) {
	for _, flag := range flagsOf(node) {
		name := "--" + flag.Name
		if flag.Short != 0 {
			name = "-" + string(flag.Short) + ", " + name
		}
		if !flag.IsBool() && !flag.IsCounter() {
			name += "=" + flag.FormatPlaceHolder()
		}
		p.item(name, oneLine(flag.Help))
	}
}

func (p *manPage) manual(node *kong.Node) {
	m := manualOf(node)
	p.section("Exit status")
	for _, c := range exitCodes(m) {
		p.item(fmt.Sprint(c.code), strings.ToUpper(c.meaning[:1])+c.meaning[1:]+".")
	}
	p.section("Examples")
	for _, e := range m.Examples {
		p.item(e[0], strings.ToUpper(e[1][:1])+e[1][1:]+".")
	}
}

func (p *manPage) seeAlso(pages ...string) {
	p.section("See also")
	p.text(strings.Join(pages, "(1), ") + "(1)")
}

func (p *manPage) section(title string) { p.macro("SH", strings.ToUpper(title)) }

func (p *manPage) item(term, text string) {
	p.macro("TP")
	p.out.WriteString(`\fB` + roff(term) + "\\fR\n")
	p.text(text)
}

func (p *manPage) text(text string) { p.out.WriteString(roff(text) + "\n") }

// macro writes a request; its words may contain spaces.
func (p *manPage) macro(name string, words ...string) {
	p.out.WriteString("." + name)
	for _, w := range words {
		p.out.WriteString(` "` + strings.ReplaceAll(roff(w), `"`, `\(dq`) + `"`)
	}
	p.out.WriteString("\n")
}

// roff escapes what is special to troff, also the hyphen, so that flags can be copied.
func roff(text string) string {
	var b strings.Builder
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\n':
			b.WriteByte(' ')
		case r > 127: // troff reads Latin-1
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
