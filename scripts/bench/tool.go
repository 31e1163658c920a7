package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"regshape/scripts/testenv"
)

// action is what a tool is asked to do.
type action string

const (
	actGet   action = "get"
	actMiss  action = "get-miss" // get of an address that is not stored
	actStore action = "store"
	actErase action = "erase"
	actList  action = "list"
	// actKubelet is what regshape is asked by a kubelet, for an image of the registry that get is about.
	actKubelet action = "kubelet"
)

// actions returns all of them, in the order of the tables.
func actions() []action { return []action{actGet, actMiss, actStore, actErase, actList, actKubelet} }

// The names of the tools, in the tables.
const (
	ours      = "regshape"
	plaintext = "plaintext"
	passTool  = "pass"
	secretsvc = "secretservice"
)

// toolNames returns all of them, in the order of the tables.
func toolNames() []string { return []string{ours, plaintext, passTool, secretsvc} }

// tool is one of what is compared: a program that speaks the helper protocol.
type tool struct {
	name    string
	program string
	silent  bool // exits with 0 and names no user where it has no credential
}

// What the operations write and remove, beside what the store was filled with.
const (
	extraAddress = "extra.example.com" // always there: what is timed is its replacement
	goneAddress  = "gone.example.com"  // there only for the erase that is timed
	credential   = `{"ServerURL":"%s","Username":"` + benchUser + `","Secret":"` + benchSecret + `"}`
)

// operations lists what is timed of one tool on one store, after checking that each of it
// does what it should. dir takes the files for stdin; env leads the tool to its store.
func (t tool) operations(ctx context.Context, dir string, size int, env ...string) ([]*operation, error) {
	var errs []error
	op := func(what string, a action, text string) *operation {
		word := a
		if a == actMiss {
			word = actGet
		}
		o := &operation{
			tool: t.name, action: a, size: size, fails: a == actMiss && !t.silent,
			command: []string{t.program, string(word)}, env: testenv.Environ(dir, env...),
			input: filepath.Join(dir, fmt.Sprintf("stdin-%s-%d-%s", t.name, size, what)),
		}
		errs = append(errs, os.WriteFile(o.input, []byte(text), 0o600))
		return o
	}
	get := op("get", actGet, address(size/2))
	miss := op("miss", actMiss, "nowhere.example.com")
	store := op("store", actStore, fmt.Sprintf(credential, extraAddress))
	erase := op("erase", actErase, goneAddress)
	list := op("list", actList, "unused")
	before := op("before", actStore, fmt.Sprintf(credential, goneAddress))
	gone := op("gone", actMiss, goneAddress)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	erase.before = before
	for _, o := range []*operation{store, get, miss, list, erase, gone} {
		if err := o.check(ctx); err != nil {
			return nil, err
		}
	}
	return []*operation{get, miss, store, erase, list}, nil
}

// check runs o once and looks at what it answers.
func (o *operation) check(ctx context.Context) error {
	if err := o.prepare(ctx); err != nil {
		return fmt.Errorf("%s does not work: %w", o.before, err)
	}
	began := time.Now()
	out, err := o.output(ctx)
	o.estimate = time.Since(began)
	known := strings.Contains(out, `"`+benchUser+`"`)
	if (err != nil) != o.fails || known != (o.action == actGet || o.action == actList || o.action == actKubelet) {
		return fmt.Errorf("%s does not work: %v, %d bytes of output", o, err, len(out)) //nolint:errorlint // err may be nil
	}
	return nil
}

// programs are paths of what is built for the run.
type programs struct{ helper, kubelet, plaintext, empty, peak string }

// peakSource runs a program and prints the most memory it held, in KiB as Linux counts it.
const peakSource = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin = os.Stdin
	if err := cmd.Run(); cmd.ProcessState == nil {
		panic(err)
	}
	fmt.Println(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
`

// build builds regshape under its second name, the plaintext reader and an empty
// program, all with the same flags, below dir. The working directory must be the top of the tree.
func build(ctx context.Context, dir string) (programs, error) {
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	p := programs{
		helper:    filepath.Join(dir, "docker-credential-regshape"+suffix),
		kubelet:   filepath.Join(dir, "regshape-credential-provider"+suffix),
		plaintext: filepath.Join(dir, "plaintext"+suffix),
		empty:     filepath.Join(dir, "empty"+suffix),
	}
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		return p, err
	}
	empty, peak := filepath.Join(source, "empty.go"), filepath.Join(source, "peak.go")
	err := errors.Join(os.WriteFile(empty, []byte("package main\n\nfunc main() {}\n"), 0o600), os.WriteFile(peak, []byte(peakSource), 0o600))
	if err != nil {
		return p, err
	}
	list := [][2]string{{".", p.helper}, {"./scripts/bench/plaintext", p.plaintext}, {empty, p.empty}}
	if runtime.GOOS == "linux" {
		p.peak = filepath.Join(dir, "peak")
		list = append(list, [2]string{peak, p.peak})
	}
	for _, b := range list {
		linked := filepath.Join(source, "linked")
		cmd := testenv.CommandContext(ctx, testenv.Go("CGO_ENABLED=0"), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", linked, b[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("go build: %w\n%s", err, out)
		}
		// As installed: a program that was written in one go starts faster than what the
		// linker leaves, whose pages the kernel keeps in smaller pieces.
		program, err := os.ReadFile(linked)
		if err == nil {
			err = os.WriteFile(b[1], program, 0o700)
		}
		if err != nil {
			return p, err
		}
	}
	return p, os.Link(p.helper, p.kubelet)
}
