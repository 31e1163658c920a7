package main

import (
	"bytes"
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
	"path/filepath"
	"strings"

	"regshape/scripts/testenv"
)

// listed is what the go command says of a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// subject is a package with its mutants.
type subject struct {
	dir     string
	name    string
	files   []*sourceFile
	mutants []mutant
}

// load reads the files of a package that this system builds, tests aside, and finds what
// can be changed in them.
func load(ctx context.Context, pattern string) (subject, error) {
	out, err := goCommand(ctx, "list", "-deps", "-export", "-json=Dir,ImportPath,Export,GoFiles,DepOnly", pattern)
	if err != nil {
		return subject{}, err
	}
	exports := map[string]string{}
	var target listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return subject{}, fmt.Errorf("read what go list says: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			if target.Dir != "" {
				return subject{}, fmt.Errorf("-package %s names more than one package", pattern)
			}
			target = p
		}
	}
	s := subject{dir: target.Dir}
	fset := token.NewFileSet()
	var syntax []*ast.File
	for _, name := range target.GoFiles {
		file := &sourceFile{path: filepath.Join(filepath.Base(s.dir), name), full: filepath.Join(s.dir, name), fset: fset}
		data, err := os.ReadFile(file.full)
		if err != nil {
			return s, err
		}
		file.source = string(data)
		if file.syntax, err = parser.ParseFile(fset, file.full, data, parser.SkipObjectResolution); err != nil {
			return s, err
		}
		s.name = file.syntax.Name.Name
		syntax = append(syntax, file.syntax)
		s.files = append(s.files, file)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	pkg, err := config.Check(target.ImportPath, fset, syntax, info)
	if err != nil {
		return s, err
	}
	f := newFinder(info, pkg)
	for _, file := range s.files {
		f.search(file)
	}
	s.mutants = f.found
	return s, nil
}

// compile builds the package's tests over the changed files, which are below work: the
// tree itself is not touched.
func (s subject) compile(ctx context.Context, work string) (binary string, err error) {
	replaced := map[string]string{}
	write := func(name, text string) error {
		changed := filepath.Join(work, name)
		replaced[filepath.Join(s.dir, name)] = changed
		return os.WriteFile(changed, []byte(text), 0o600)
	}
	for _, file := range s.files {
		err = errors.Join(err, write(filepath.Base(file.full), file.schemata()))
	}
	err = errors.Join(err, write("mutants_selected.go", strings.NewReplacer("PACKAGE", s.name, "COUNT", fmt.Sprint(len(s.mutants)+1)).Replace(selection)))
	overlay, jsonErr := json.Marshal(map[string]any{"Replace": replaced})
	if err = errors.Join(err, jsonErr); err != nil {
		return "", err
	}
	list := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(work, "mutants.test")
	_, err = goCommand(ctx, "test", "-c", "-vet=off", "-overlay", list, "-o", binary, s.dir)
	return binary, err
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
