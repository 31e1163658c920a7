// Command windows runs the tests of the product for Windows under wine, and then, as the
// programs that they are, regshape.exe and docker-credential-regshape.exe (programs_test.go).
//
//	go run ./scripts/windows                                # all, from the top of the tree
//	go run ./scripts/windows ./store/keys                   # one package of those in targets.go
//	go run ./scripts/windows -run TestSlots ./store/keys    # some tests
//
// It ends with how many cases ran, and which were left out and why. A run of everything with
// REGSHAPE_WRITE=1 writes that into README.md beside this file.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
)

const (
	wineserver = "/usr/lib/wine/wineserver64" // Debian's wine for 64-bit programs is not on PATH
	compiler   = "x86_64-w64-mingw32-gcc"
)

// wine starts a program. Debian's wine64 reserves no addresses, so a heap at a random address
// would be where Windows has its shared data (0x7ffe0000) once in 2000 starts: "Internal error".
var wine = []string{"setarch", "-R", "/usr/lib/wine/wine64"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "windows:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("windows", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "run the tests that match, whatever targets.go says")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(fastest(), "regshape-windows-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	env := environ(work)
	defer func() { _ = testenv.Command(env, wineserver, "-k", "-w").Run() }() // there may be none yet
	if err := prefix(ctx, env, work); err != nil {
		return err
	}
	begun := time.Now()
	results, errs := make([]result, len(chosen)), make([]error, len(chosen))
	var wait sync.WaitGroup
	turn := make(chan struct{}, 2) // tests wait for processes most of the time
	for i, t := range chosen {
		if *only != "" {
			t.run, t.skip = *only, nil
		}
		wait.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if results[i], errs[i] = t.test(ctx, env, stderr); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", t.pkg, errs[i])
			}
			fmt.Fprintln(stderr, results[i].row())
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	report, failed := table(results, time.Since(begun))
	if _, err := io.WriteString(stdout, report); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	if *only == "" && flags.NArg() == 0 {
		return page.Publish("scripts/windows/README.md", "windows", report)
	}
	return nil
}

// fastest is where a sync costs nothing, if there is such a place.
func fastest() string {
	for _, kv := range testenv.InMemory() {
		return strings.TrimPrefix(kv, "TMPDIR=")
	}
	return ""
}

// environ is the environment of programs that run in the Windows below work.
func environ(work string) []string {
	return testenv.Go("HOME="+work, "WINEPREFIX="+filepath.Join(work, "wine"), "WINEARCH=win64", "WINEDEBUG=-all",
		// No browser, no .NET, no entries in the menus of whoever runs this.
		"WINEDLLOVERRIDES=bcryptprimitives=n;mscoree,mshtml,winemenubuilder.exe=")
}

// prefix makes that Windows, with what [wine] lacks.
func prefix(ctx context.Context, env []string, work string) error {
	if err := os.Mkdir(filepath.Join(work, "wine"), 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(work, "log")) // no pipe: the wineserver would keep it open
	if err != nil {
		return err
	}
	defer log.Close()
	dll := filepath.Join(work, "wine/drive_c/windows/system32/bcryptprimitives.dll")
	for _, words := range [][]string{
		// It stays until -k, and so do wine's services, which keep the output open of what has started
		// them. It makes the files, and what others may read on Linux "Everyone" may read on Windows.
		{"sh", "-c", "umask 077; exec " + wineserver + " -p"},
		slices.Concat(wine, []string{"wineboot", "--init"}),
		{compiler, "-shared", "-O2", "-Wall", "-Werror", "-s", "-o", dll, "scripts/windows/dll/bcryptprimitives.c", "-ladvapi32"},
	} {
		cmd := testenv.CommandContext(ctx, env, words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			out, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s: %w; scripts/windows/install.sh installs what is needed\n%s", strings.Join(words, " "), err, out)
		}
	}
	return nil
}

// result is what a run of the tests of a package has done.
type result struct {
	target
	ran, failed int
	left        map[string]string // case -> why
	took        time.Duration
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
}

// why is what a test says, or a script.
var why = regexp.MustCompile(`^\s*(?:\S+_test\.go:\d+: |> .*\bskip ')(.*?)'?\s*$`)

// test runs the tests of a package. Those that other tests are part of are not counted.
func (t target) test(ctx context.Context, env []string, stderr io.Writer) (result, error) {
	begun := time.Now()
	r := result{target: t, left: map[string]string{}}
	words := []string{"test", "-json", "-count=1", "-timeout", "5m", "-run", t.run, t.pkg}
	if t.linux {
		words = append(words, "-tags", "wine")
	} else {
		// In CI no test may do without a tool, but that Windows has none.
		env = append(slices.Clip(env), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0", "CI=")
		words = append(words, "-exec", strings.Join(wine, " "))
	}
	if len(t.skip) > 0 {
		if err := t.exist(ctx, env); err != nil {
			return r, err
		}
		maps.Copy(r.left, t.skip)
		words = append(words, "-skip", "^("+strings.Join(slices.Sorted(maps.Keys(t.skip)), "|")+")$")
	}
	cmd := testenv.CommandContext(ctx, env, "go", words...)
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return r, err
	}
	ends, output := map[string]string{}, map[string]*bytes.Buffer{}
	for lines := bufio.NewReader(pipe); err == nil; {
		var line []byte
		var e event
		line, err = lines.ReadBytes('\n')
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(stderr, "%s", line) // what the compiler says
			continue
		}
		if output[e.Test] == nil {
			output[e.Test] = new(bytes.Buffer)
		}
		output[e.Test].WriteString(e.Output)
		if slices.Contains([]string{"pass", "skip", "fail"}, e.Action) {
			ends[e.Test] = e.Action
		}
	}
	waitErr := cmd.Wait()
	r.took = time.Since(begun)
	for name, end := range ends {
		if end == "fail" {
			fmt.Fprintf(stderr, "%s", output[name])
		}
		part := func(other string) bool { return strings.HasPrefix(other, name+"/") }
		switch {
		case name == "" || slices.ContainsFunc(slices.Collect(maps.Keys(ends)), part):
		case end == "skip":
			r.left[name] = reason(output[name].String())
		default:
			r.ran++
			if end == "fail" {
				r.failed++
			}
		}
	}
	if waitErr != nil && r.failed == 0 {
		r.failed++ // of no case, such as a crash
	}
	if r.ran == 0 && waitErr == nil {
		return r, errors.New("no test ran")
	}
	return r, nil
}

// reason is the last that a test says before it gives up.
func reason(output string) (last string) {
	for line := range strings.Lines(output) {
		if m := why.FindStringSubmatch(line); m != nil {
			last = m[1]
		}
	}
	return cmp.Or(last, "without a reason")
}

// exist reports what is to be left out and is not there.
func (t target) exist(ctx context.Context, env []string) error {
	out, err := testenv.CommandContext(ctx, env, "go", "test", "-exec", strings.Join(wine, " "), "-list", ".", t.pkg).Output()
	for name := range t.skip {
		if err == nil && !slices.Contains(strings.Fields(string(out)), name) {
			err = fmt.Errorf("targets.go leaves out %s, which does not exist", name)
		}
	}
	return err
}

func (r result) row() string {
	return fmt.Sprintf("| %s | %d | %d | %d | %.0f |", r.pkg, r.ran, len(r.left), r.failed, r.took.Seconds())
}

// table writes the report in Markdown: a row for each package, and then what each leaves out.
func table(results []result, took time.Duration) (report string, failed int) {
	var b, left strings.Builder
	b.WriteString("| package | ran | left out | failed | seconds |\n| --- | ---: | ---: | ---: | ---: |\n")
	sum := result{target: target{pkg: "all"}, left: map[string]string{}, took: took}
	for _, r := range results {
		b.WriteString(r.row() + "\n")
		sum.ran, sum.failed = sum.ran+r.ran, sum.failed+r.failed
		reasons := map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(r.left)) {
			sum.left[r.pkg+name] = r.left[name]
			reasons[r.left[name]] = append(reasons[r.left[name]], "`"+name+"`")
		}
		var parts []string
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			parts = append(parts, strings.Join(reasons[why], ", ")+": "+why)
		}
		if len(parts) > 0 {
			fmt.Fprintf(&left, "- %s leaves out %s.\n", r.pkg, strings.Join(parts, "; "))
		}
	}
	b.WriteString(sum.row() + "\n\n" + left.String())
	return b.String(), sum.failed
}
