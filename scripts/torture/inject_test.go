//go:build torture && linux && amd64

package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// plan is what an injecting process is to do.
type plan struct {
	Dir    string // the store's folder
	Kinds  []string
	When   int           // the number of the call of these kinds, from 1; 0 for none
	Action string        // "kill", "stop", "jump" or an error's name
	Shift  time.Duration // with "jump": how much later it is for the program from that call on
}

// outcome is what it reports.
type outcome struct {
	Calls  []call // all, up to the end
	Hit    *call  // the one that was met; nil where the program made fewer
	Exit   int    // of the program; -1 where it was killed
	Output string
}

const (
	reportFD   = 3 // the injecting process writes here: a line "stopped", and the outcome
	continueFD = 4 // and goes on after "stop" when this ends
)

// inject runs the command of its arguments under a tracer. It is a process of its own, as
// waiting for traced threads would take other children's ends away.
func inject() int {
	report, goOn := os.NewFile(reportFD, "report"), os.NewFile(continueFD, "continue")
	unix.CloseOnExec(reportFD)
	unix.CloseOnExec(continueFD)
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv("TORTURE_PLAN")), &p); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	var o outcome
	n := 0
	var shift func() time.Duration
	if p.Action == jump {
		shift = func() time.Duration {
			if n < p.When {
				return 0
			}
			return p.Shift
		}
	}
	t := tracer{dir: p.Dir, shift: shift, meet: func(_ int, c call) verdict {
		o.Calls = append(o.Calls, c)
		if !slices.Contains(p.Kinds, c.Kind) {
			return verdict{}
		}
		if n++; n != p.When {
			return verdict{}
		}
		o.Hit = &c
		switch err, isError := errorNames[p.Action]; {
		case isError:
			return verdict{err: err, done: c.doneAllTheSame(err)}
		case p.Action == kill:
			return verdict{kill: true}
		case p.Action == jump:
			return verdict{}
		}
		// Only the thread in this call stops; the others run into their own stops, and
		// stay there as long as nobody waits for them.
		_, _ = io.WriteString(report, "stopped\n")
		_, _ = io.Copy(io.Discard, goOn)
		return verdict{}
	}}
	var output strings.Builder
	cmd := testenv.Command(testenv.Inherited(), os.Args[1], os.Args[2:]...)
	// With files for pipes nothing has to be copied, which would need a wait.
	out, err := os.CreateTemp("", "torture-output-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	defer os.Remove(out.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, out
	ws, err := t.run(cmd)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture: trace:", err)
		return 1
	}
	o.Exit = ws.ExitStatus()
	if _, err := out.Seek(0, io.SeekStart); err == nil {
		_, _ = io.Copy(&output, out)
	}
	o.Output = output.String()
	if err := json.NewEncoder(report).Encode(o); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return 0
}

// injected runs a command to its end under a plan.
func injected(t *testing.T, p plan, command *exec.Cmd) outcome {
	t.Helper()
	i, err := startInjection(p, command)
	if err != nil {
		t.Fatal(err)
	}
	o, err := i.end()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// injection is an injecting process that was started.
type injection struct {
	cmd     *exec.Cmd
	reports io.ReadCloser
	goOn    io.Closer
	decoder *json.Decoder
}

func startInjection(p plan, command *exec.Cmd) (*injection, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	reports, reportTo, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	continueFrom, goOn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reportTo.Close()
	defer continueFrom.Close()
	env := append(slices.Clone(command.Env), testenv.Prepared, roleVariable+"=inject", "TORTURE_PLAN="+string(text))
	i := &injection{cmd: testenv.Command(env, os.Args[0], command.Args...), reports: reports, goOn: goOn}
	i.cmd.ExtraFiles = []*os.File{reportTo, continueFrom}
	i.cmd.Stdin, i.cmd.Stderr = command.Stdin, os.Stderr
	return i, i.cmd.Start()
}

// stopped waits until the program stands at its call, and says false if it ended before.
func (i *injection) stopped() (bool, error) {
	word := make([]byte, len("stopped\n"))
	if _, err := io.ReadFull(i.reports, word[:1]); err != nil || word[0] == '{' {
		i.decoder = json.NewDecoder(io.MultiReader(strings.NewReader("{"), i.reports))
		return false, err
	}
	_, err := io.ReadFull(i.reports, word[1:])
	return true, err
}

// end lets the program go on, waits for its end, and returns the outcome.
func (i *injection) end() (o outcome, err error) {
	defer i.reports.Close()
	_ = i.goOn.Close()
	if i.decoder == nil {
		i.decoder = json.NewDecoder(i.reports)
	}
	err = i.decoder.Decode(&o)
	if waitErr := i.cmd.Wait(); waitErr != nil {
		err = waitErr
	}
	return o, err
}
