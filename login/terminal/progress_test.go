package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Output is not mixed with the line, and nothing of the line is left.
func TestProgress(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out bytes.Buffer
		p := &Progress{out: &out, live: live, doing: "Verifying"}
		w := p.Through(&out)
		p.Step(1, 20)
		_, _ = fmt.Fprintln(w, "Warning: odd.")
		p.Step(2, 20)
		p.End()
		text := out.String()
		if !live {
			if text != "Warning: odd.\n" {
				t.Errorf("without a terminal: got %q, want the warning only", text)
			}
			continue
		}
		blank := "\r" + strings.Repeat(" ", len("Verifying 1/20")) + "\r"
		if want := "Verifying 1/20" + blank + "Warning: odd.\nVerifying 1/20" + blank + "Verifying 2/20" + blank; text != want {
			t.Errorf("on a terminal: got\n%q\nwant\n%q", text, want)
		}
	}
	if (&Progress{}).Through(nil) != nil {
		t.Error("got a writer for nil, want nil")
	}
}
