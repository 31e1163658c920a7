package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"regshape/scripts/testenv"
)

// listed is what the go command says of a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// subject is the packages that are broken, and their mutants.
type subject struct {
	packages []mutated // the first by name, of which the others are parts, comes first
	mutants  []mutant
}

// mutated is a package with what is put into its files.
type mutated struct {
	dir, name string
	files     []*sourceFile
}

// load reads the files of packages that this system builds, tests aside, and finds what
// can be changed in them.
func load(ctx context.Context, patterns ...string) (subject, error) {
	args := []string{"list", "-deps", "-export", "-json=Dir,ImportPath,Export,GoFiles,DepOnly"}
	out, err := goCommand(ctx, append(args, patterns...)...)
	if err != nil {
		return subject{}, err
	}
	exports := map[string]string{}
	var targets []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return subject{}, fmt.Errorf("read the output of go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			targets = append(targets, p)
		}
	}
	slices.SortFunc(targets, func(a, b listed) int { return cmp.Compare(a.ImportPath, b.ImportPath) })
	var s subject
	f := newFinder()
	for _, target := range targets {
		p, err := f.searchPackage(target, exports)
		if err != nil {
			return subject{}, err
		}
		s.packages = append(s.packages, p)
	}
	s.mutants = f.found
	return s, nil
}

// searchPackage finds the mutants of a package. exports has the compiled form of what it imports.
func (f *finder) searchPackage(target listed, exports map[string]string) (p mutated, err error) {
	p.dir = target.Dir
	fset := token.NewFileSet()
	var syntax []*ast.File
	for _, name := range target.GoFiles {
		file := &sourceFile{path: filepath.Join(filepath.Base(p.dir), name), full: filepath.Join(p.dir, name), fset: fset}
		data, err := os.ReadFile(file.full)
		if err != nil {
			return p, err
		}
		file.source = string(data)
		if file.syntax, err = parser.ParseFile(fset, file.full, data, parser.SkipObjectResolution); err != nil {
			return p, err
		}
		p.name = file.syntax.Name.Name
		syntax = append(syntax, file.syntax)
		p.files = append(p.files, file)
	}
	f.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	if f.pkg, err = config.Check(target.ImportPath, fset, syntax, f.info); err != nil {
		return p, err
	}
	if len(f.found) > 0 {
		f.prefix = p.name + "."
	}
	for _, file := range p.files {
		f.search(file)
	}
	return p, nil
}

// compile builds the tests of each package, and of its users, over the changed files of all of
// them, which are below work: the tree itself is not touched.
func (s subject) compile(ctx context.Context, work string, users []string) (suites []suite, err error) {
	replaced := map[string]string{}
	write := func(dir, name, text string) error {
		changed := filepath.Join(work, fmt.Sprintf("%d-%s", len(replaced), name))
		replaced[filepath.Join(dir, name)] = changed
		return os.WriteFile(changed, []byte(text), 0o600)
	}
	for _, p := range s.packages {
		for _, file := range p.files {
			err = errors.Join(err, write(p.dir, filepath.Base(file.full), file.schemata()))
		}
		code := strings.NewReplacer("PACKAGE", p.name, "COUNT", strconv.Itoa(len(s.mutants)+1)).Replace(selection)
		err = errors.Join(err, write(p.dir, "mutants_selected.go", code))
	}
	overlay, jsonErr := json.Marshal(map[string]any{"Replace": replaced})
	if err = errors.Join(err, jsonErr); err != nil {
		return nil, err
	}
	list := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return nil, err
	}
	for i, p := range s.packages {
		suites = append(suites, suite{dir: p.dir, turn: -i})
	}
	for _, dir := range users {
		suites = append(suites, suite{dir: dir, turn: 1})
	}
	for i := range suites {
		suites[i].binary = filepath.Join(work, fmt.Sprint(i, ".test"))
		if _, err := goCommand(ctx, "test", "-c", "-vet=off", "-overlay", list, "-o", suites[i].binary, suites[i].dir); err != nil {
			return nil, err
		}
	}
	return suites, nil
}

func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := testenv.CommandContext(ctx, testenv.Go("GOOS=linux", "CGO_ENABLED=0"), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// selection is the code that every mutant asks whether it is the one that runs. A mutant
// may never end: memory is bounded here, and time by whoever started the run. The record is
// mapped, for a test may forbid itself to write files.
const selection = `package PACKAGE

import (
	"os"
	"strconv"
	"syscall"
)

var (
	mutantRecord []byte
	mutantChosen = mutantChoose()
)

func mutantChoose() (n int) {
	f, err := os.OpenFile(os.Getenv("MUTANT_RECORD"), os.O_RDWR, 0)
	if err == nil {
		mutantRecord, err = syscall.Mmap(int(f.Fd()), 0, COUNT, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	} else if n, err = strconv.Atoi(os.Getenv("MUTANT")); err == nil {
		const most = 8 << 30
		err = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
	}
	if err != nil {
		panic(err)
	}
	return n
}

func mutantAt(id int) bool {
	if mutantRecord != nil {
		mutantRecord[id] = 1
	}
	return id == mutantChosen
}

func mutantOr[T any](id int, other, value T) T {
	if mutantAt(id) {
		return other
	}
	return value
}

func mutantErr(id int, err error) error { return mutantOr(id, nil, err) }

func mutantErr2[A any](id int) func(A, error) (A, error) {
	return func(a A, err error) (A, error) { return a, mutantErr(id, err) }
}

func mutantErr3[A, B any](id int) func(A, B, error) (A, B, error) {
	return func(a A, b B, err error) (A, B, error) { return a, b, mutantErr(id, err) }
}
`

// harness runs the tests of binaries that hold every mutant.
type harness struct {
	work     string
	mutants  int
	skip     *regexp.Regexp
	tests    []testCase
	patience time.Duration // what a run may take beyond its usual time
}

// suite is the tests of a package.
type suite struct {
	dir, binary string
	testdata    string // a copy; "" where the package has none
	turn        int    // parts come before the whole, and users after it
}

// testCase is a test as it runs over unchanged code.
type testCase struct {
	suite   suite
	name    string
	took    time.Duration
	reached []byte // 1 at the numbers of the mutants that it runs into
}

type verdict int

const (
	survived verdict = iota
	unreached
	killed
	hung // until it was killed
)

// prepare copies what the tests of a package read, and runs each of them alone, which also
// shows that it passes on its own.
func (h *harness) prepare(ctx context.Context, s suite) error {
	if data := filepath.Join(s.dir, "testdata"); exists(data) {
		s.testdata = s.binary + "-testdata"
		if err := os.CopyFS(s.testdata, os.DirFS(data)); err != nil {
			return err
		}
	}
	out, _, err := h.run(ctx, s, time.Minute, "-test.list=.", "MUTANT=0")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(out) {
		if strings.HasPrefix(name, "Benchmark") || h.skip.MatchString(name) {
			continue
		}
		record := filepath.Join(h.work, "reached-"+name)
		if err := os.WriteFile(record, make([]byte, h.mutants+1), 0o600); err != nil {
			return err
		}
		begin := time.Now()
		out, result, err := h.run(ctx, s, 5*time.Minute, "-test.run="+pattern(name), "MUTANT_RECORD="+record)
		if err != nil {
			return err
		}
		if result != survived {
			return fmt.Errorf("%s does not pass over unchanged code:\n%s", name, out)
		}
		reached, err := os.ReadFile(record)
		if err != nil {
			return err
		}
		h.tests = append(h.tests, testCase{s, name, time.Since(begin), reached})
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func pattern(names ...string) string { return "^(" + strings.Join(names, "|") + ")$" }

// quick is how long the tests of the first run of a mutant take together. Most mutants do
// not outlive it, and starting a process for each test would cost more than the tests.
const quick = 500 * time.Millisecond

// sort puts the quickest tests of a suite first.
func (h *harness) sort() {
	slices.SortFunc(h.tests, func(a, b testCase) int {
		return cmp.Or(cmp.Compare(a.suite.turn, b.suite.turn), cmp.Compare(a.took, b.took))
	})
}

// try runs the tests that reach a mutant, in their order, until one fails.
func (h *harness) try(ctx context.Context, id int) (verdict, string, error) {
	var batch []string
	var from suite
	var took time.Duration
	reached := false
	for i := 0; i <= len(h.tests); i++ {
		last := i == len(h.tests)
		if !last && h.tests[i].reached[id] == 0 {
			continue
		}
		if len(batch) > 0 && (last || h.tests[i].suite != from || took+h.tests[i].took > quick) {
			limit := h.patience + 4*took
			out, result, err := h.run(ctx, from, limit, "-test.failfast", "-test.run="+pattern(batch...), fmt.Sprint("MUTANT=", id))
			if err != nil || result != survived {
				return result, out, err
			}
			reached, batch, took = true, nil, 0
		}
		if !last {
			from = h.tests[i].suite
			batch = append(batch, h.tests[i].name)
			took += h.tests[i].took
		}
	}
	if !reached {
		return unreached, "", nil
	}
	return survived, "", nil
}

// run starts a binary with flags and variables, in an empty directory: a mutant may take a
// relative path for an absolute one, and must not meet the tree.
func (h *harness) run(ctx context.Context, s suite, limit time.Duration, words ...string) (string, verdict, error) {
	home, err := os.MkdirTemp(h.work, "run-")
	if err != nil {
		return "", survived, err
	}
	defer os.RemoveAll(home)
	here := filepath.Join(home, "module", "package")
	if err := os.MkdirAll(here, 0o700); err != nil {
		return "", survived, err
	}
	if s.testdata != "" {
		if err := os.Symlink(s.testdata, filepath.Join(here, "testdata")); err != nil {
			return "", survived, err
		}
	}
	limited, stop := context.WithTimeout(ctx, limit)
	defer stop()
	cmd := testenv.CommandContext(limited, testenv.Environ(home, testenv.GoSettings()...), s.binary)
	cmd.Dir = here
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			cmd.Args = append(cmd.Args, w)
		} else {
			cmd.Env = append(cmd.Env, w)
		}
	}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.String(), survived, nil
	case ctx.Err() != nil:
		return "", survived, ctx.Err()
	case limited.Err() != nil:
		return out.String(), hung, nil
	case errors.As(err, &exit):
		return out.String(), killed, nil
	}
	return "", survived, err
}
