package repocheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"regshape/scripts/advice"
)

// Why an error text, or a type of error, needs neither an instruction nor a hint of its own.
const (
	neverShown = "never shown: callers handle it"
	cannotBe   = "cannot happen; the old state is kept"
	prefix     = "stands before its cause, which says more"
	ofHelper   = "in a HelperError"
	ofProgram  = "in a ProgramError"
	ofEntry    = "in the list of what import did not do, which has a hint"
	ofPlugin   = "in a PluginError"
	ofFinding  = "in a finding of doctor with a fix"
	ofRefusal  = "in a refusal of setup, which has a hint"
	ofResult   = "in a Result, which app has a hint for"
	ofUsage    = "in a UsageError with a hint"
	withHint   = "carries its hint"
	shownAs    = "shows its cause, whose kind has the hint"
)

// excused are the errors that the rule does not hold for: by the name of a variable or type, or
// by the text.
var excused = map[string]string{
	"store.ErrNotFound":                                neverShown,
	"store.errKeyChanged":                              neverShown,
	"store.errNoAnswer":                                neverShown,
	"source.errEmpty":                                  ofProgram,
	"source.errLines":                                  ofProgram,
	"source.errObject":                                 ofProgram,
	"source.errEncoding":                               ofProgram,
	"source.errEnded":                                  ofProgram,
	"store.errKeyNotAsked":                             neverShown,
	"store.errLeftBehind":                              "in a warning with the command",
	"re-read fields: not a JSON object":                cannotBe,
	"keys.errCacheBlocked":                             prefix,
	"keys.errNoItem":                                   neverShown,
	"the store's age identity is malformed":            cannotBe,
	"too much output":                                  neverShown,
	"OS keyring: the item is too large":                cannotBe,
	"there is nothing to encrypt to":                   cannotBe,
	"%s has to ask you something and needs a terminal": ofPlugin,
	"%s failed: %s":                                    ofPlugin,
	"no program is named":                              cannotBe,
	"there is no store":                                cannotBe,
	"app.ErrReported":                                  neverShown,
	"it did not answer within %v":                      ofFinding + ", or " + ofRefusal,
	"authfile.ErrFormat":                               cannotBe,
	"authfile.ErrNoEntry":                              neverShown,
	"authfile.ErrMembers":                              ofEntry,
	"importer.errNamespace":                            ofEntry,
	"authfile.ErrHelperTimeout":                        ofHelper,
	"authfile.ErrHelperAnswer":                         ofHelper,
	"authfile.ErrHelperFailed":                         ofHelper,
	"authfile.ErrRegistriesConf":                       prefix,
	"authfile.ErrDir":                                  prefix,
	"%s: the edit would damage the file":               cannotBe,
	"custody.errUnasked":                               "behind it stands the command",
	"get returned something else than was stored":      ofFinding,
	"list does not show what was stored":               ofFinding,
	"%s contains the secret unencrypted":               ofFinding,
	"get still returns it after erase":                 ofFinding,
	"doctor: ?":                                        ofFinding,
	"%s printed no CredentialProviderResponse":         ofFinding,
	"registry.errNoMatch":                              neverShown,
	"registry.errOutOfTime":                            neverShown,
	"registry.errSent":                                 neverShown,
	"registry.errRegular":                              ofResult,
	"registry.errRefused":                              ofResult,
	"registry.errOddHost":                              ofResult,
	"registry.errIssuer":                               ofUsage,
	"registry.errIssuerHTTP":                           ofUsage,
	"registry.errIssuerExtra":                          ofUsage,
	"setup: ?":                                         ofRefusal,
	"%s is a broken link or not executable":            ofRefusal,
	"%s, found on PATH, is another program":            ofRefusal,
	"lend.errStranger":                                 neverShown,
	"forward.errNotAllowed":                            neverShown,
	"forward.errDeclined":                              neverShown,
	"terminal.ErrInterrupted":                          "the user did it",

	"durable.ErrUnsafe":     "each text has it, see needText",
	"app.UsageError":        withHint,
	"app.StoreError":        shownAs,
	"app.Signal":            neverShown,
	"setup.refusal":         withHint,
	"custody.placeError":    shownAs,
	"registry.addressError": ofResult,
	"registry.failure":      ofResult,
}

// needText are the kinds whose every text has to say what to do.
var needText = []string{"durable.ErrUnsafe"}

// Every error text of the program says what to do, or is of a kind that a hint is for.
func TestAdvice(t *testing.T) {
	var all source
	module, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"store", "login", "credhelper"} {
		// By its whole path: go test keeps results until a file changes that it knows of, and
		// not that this package has changed its directory.
		err := filepath.WalkDir(filepath.Join(module, root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				all.read(t, path, nil)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all.errors) < 150 || len(all.hinted) < 30 {
		t.Fatalf("only %d errors and %d hints were found", len(all.errors), len(all.hinted))
	}
	unused := maps.Clone(excused)
	for _, e := range all.unadvised(unused) {
		t.Error(e)
	}
	for name := range unused {
		t.Errorf("%q is excused, and there is no such error without advice", name)
	}
}

// What the rule is for is found, and nothing else.
func TestAdvice_detects(t *testing.T) {
	for text, want := range map[string]string{
		`var ErrX = errors.New("it broke")`:                                                "x.ErrX",
		`var ErrX = errors.New("it broke: mend it, then try again")`:                       "",
		`var ErrHinted = errors.New("it broke")`:                                           "",
		`var ErrHushed = errors.New("it broke")`:                                           "x.ErrHushed",
		`var ErrExcused = errors.New("it broke")`:                                          "",
		`func f() error { return fmt.Errorf("%s broke", "it") }`:                           "%s broke",
		`func f() error { return fmt.Errorf("read it: %w", err) }`:                         "",
		`func f() error { return fmt.Errorf("%w: it broke", durable.ErrUnsafe) }`:          "%w: it broke",
		`func f() error { return fmt.Errorf("%w: it broke: use it", durable.ErrUnsafe) }`:  "",
		`func f() error { return fmt.Errorf("%w: it broke: %w", durable.ErrUnsafe, err) }`: "",
		`func f() error { return errors.New("it " + what + " broke") }`:                    "it ? broke",
		`type Broken struct{}; func (b *Broken) Error() string`:                            "x.Broken",
		`type Hinted struct{}; func (Hinted) Error() string`:                               "",
		`var _ = &app.UsageError{Message: "wrong", Hint: ""}`:                              "UsageError without a hint: wrong",
		`var _ = &app.UsageError{Message: "wrong"}`:                                        "UsageError without a hint: wrong",
		`var _ = UsageError{"wrong", "use another"}`:                                       "",
		`var _ = &refusal{"wrong", ""}`:                                                    "refusal without a hint: wrong",
		`func f() { e.Say("it broke"); log(errors.New("it broke: run it")) }`:              "",
	} {
		var all source
		all.read(t, "login/app/hint.go", `package app
			func hint(err error) string {
				var hinted *x.Hinted
				switch {
				case errors.Is(err, x.ErrHinted), errors.As(err, &hinted):
					return "mend it"
				case errors.Is(err, x.ErrHushed):
					return ""
				}
				return ""
			}`)
		all.read(t, "x/x.go", "package x\n"+text)
		got := strings.Join(all.unadvised(map[string]string{"x.ErrExcused": "", "never": ""}), "; ")
		if _, found, _ := strings.Cut(got, ": "); found != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// source is what the files say of errors.
type source struct {
	errors []errorText
	wraps  []wrap
	hinted map[string]bool // kinds that there is a hint for, as package.Name
	// targets are the types of variables for errors.As in the file that is read.
	targets map[string]string
}

// wrap is an error that is made of others.
type wrap struct {
	errorText
	of []string // the variables, as package.Name; "" for what is not one of a package
}

// errorText is an error that is not made of another one. Its name is that of its variable or
// type, as package.Name, or else its text.
type errorText struct {
	at         token.Position
	name, text string
}

// unadvised lists the errors that say nothing of what to do; those excused are taken off that list.
func (s *source) unadvised(excused map[string]string) (found []string) {
	all := slices.Clone(s.errors)
	for _, w := range s.wraps {
		// One of these alone is as good as a text of its own.
		if !slices.ContainsFunc(w.of, func(name string) bool { return !slices.Contains(needText, name) }) {
			all = append(all, w.errorText)
		}
	}
	for _, e := range all {
		_, known := excused[e.name]
		switch {
		case advice.Given(e.text), s.hinted[e.name]:
		case known:
			defer delete(excused, e.name) // others may have the same text
		default:
			found = append(found, e.at.String()+": "+e.name)
		}
	}
	return found
}

func (s *source) read(t *testing.T, path string, text any) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if s.hinted == nil {
		s.hinted = map[string]bool{}
	}
	s.targets = map[string]string{}
	pkg := f.Name.Name
	variables := map[ast.Expr]string{}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for i, value := range v.Values {
						variables[value] = pkg + "." + v.Names[i].Name
					}
				}
			}
		case *ast.FuncDecl:
			if d.Recv != nil && d.Name.Name == "Error" {
				name := pkg + "." + strings.TrimPrefix(exprText(d.Recv.List[0].Type), "*")
				s.errors = append(s.errors, errorText{set.Position(d.Pos()), name, ""})
			}
		}
	}
	add := func(n ast.Node, name, text string) {
		if name == "" {
			name = text
		}
		if name == "?" {
			name = pkg + ": ?"
		}
		s.errors = append(s.errors, errorText{set.Position(n.Pos()), name, text})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if kind := strings.TrimPrefix(exprText(n.Type), "*"); kind != "" {
				if !strings.Contains(kind, ".") {
					kind = pkg + "." + kind
				}
				s.targets[n.Names[0].Name] = kind
			}
		case *ast.CallExpr:
			fun := exprText(n.Fun)
			switch {
			case fun == "errors.New", fun == "fmt.Errorf" && !strings.Contains(literal(n.Args[0]), "%w"):
				add(n, variables[n], literal(n.Args[0]))
			case fun == "fmt.Errorf":
				text := literal(n.Args[0])
				s.wraps = append(s.wraps, wrap{errorText{set.Position(n.Pos()), text, text}, wrapped(n, pkg)})
			}
		case *ast.CompositeLit:
			name := exprText(n.Type)[strings.LastIndexByte(exprText(n.Type), '.')+1:]
			if message, hint := fields(n); (name == "UsageError" || name == "refusal") && hint == "" {
				add(n, name+" without a hint: "+message, "")
			}
		case *ast.CaseClause:
			if strings.HasPrefix(filepath.Base(path), "hint") && !returnsNothing(n.Body) {
				for _, condition := range n.List {
					s.hints(condition)
				}
			}
		case *ast.IfStmt:
			if strings.HasPrefix(filepath.Base(path), "hint") && !returnsNothing(n.Body.List) {
				s.hints(n.Init)
				s.hints(n.Cond)
			}
		}
		return true
	})
}

// verbs are those of a format.
var verbs = regexp.MustCompile(`%[^a-zA-Z%]*[a-zA-Z]`)

// wrapped are the errors behind the %w of a format: those of variables of a package by name.
func wrapped(n *ast.CallExpr, pkg string) (names []string) {
	for i, verb := range verbs.FindAllString(literal(n.Args[0]), -1) {
		if verb != "%w" || i+1 >= len(n.Args) {
			continue
		}
		name := exprText(n.Args[i+1])
		if !strings.Contains(name, ".") {
			name = pkg + "." + name
		}
		names = append(names, name)
	}
	return names
}

// hints adds the kinds that a condition names.
func (s *source) hints(condition ast.Node) {
	if condition == nil {
		return
	}
	ast.Inspect(condition, func(n ast.Node) bool {
		switch e := n.(type) {
		case *ast.SelectorExpr:
			s.hinted[exprText(e)] = true
		case *ast.Ident:
			s.hinted[s.targets[e.Name]] = true
		}
		return true
	})
}

func returnsNothing(body []ast.Stmt) bool {
	return slices.ContainsFunc(body, func(statement ast.Stmt) bool {
		r, ok := statement.(*ast.ReturnStmt)
		return ok && len(r.Results) == 1 && exprText(r.Results[0]) == `""`
	})
}

// fields are the message and the hint of a literal.
func fields(n *ast.CompositeLit) (message, hint string) {
	for i, element := range n.Elts {
		if kv, ok := element.(*ast.KeyValueExpr); ok {
			switch strings.ToLower(exprText(kv.Key)) {
			case "message":
				message = literal(kv.Value)
			case "hint":
				hint = literal(kv.Value)
			}
		} else if i == 0 {
			message = literal(element)
		} else {
			hint = literal(element)
		}
	}
	return message, hint
}

var quotes = regexp.MustCompile("^[\"`]")

// exprText is a name or a literal as it is written, "" for anything else.
func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.BasicLit:
		return e.Value
	case *ast.StarExpr:
		return "*" + exprText(e.X)
	case *ast.SelectorExpr:
		return exprText(e.X) + "." + e.Sel.Name
	}
	return ""
}

// literal is the text of an expression, with "?" for what is not a literal.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if quotes.MatchString(e.Value) {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return "?"
}
