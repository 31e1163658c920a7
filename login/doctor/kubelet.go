package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store/printable"
	"regshape/store/trust"
)

// checkKubelet checks what setup --kubelet has made, and asks its program as the kubelet would.
func checkKubelet(e *app.Env, state *storeState) []finding {
	n, err := lookup.ReadNode(state.loc)
	if err != nil {
		return []finding{badError(e, err.Error(), err, lookup.SetupFile(state.loc))}
	}
	if n == nil {
		return []finding{bad("the kubelet does not use this store", state.loc.Config, e.Own("auth", "setup", "--kubelet", "--bin-dir", "DIR", "--config", "PATH"))}
	}
	again := e.Own("auth", "setup", "--kubelet", "--bin-dir", filepath.Dir(n.Program), "--config", n.Config)
	found := append(kubeletProgram(e, n, again), kubeletFile(e, n, again)...)
	var missed []string
	const nobody = "regshape-doctor.invalid" // which two labels keep from every pattern
	asked := nobody
	for _, c := range state.found {
		host := lookup.KubeletHost(c)
		switch {
		case host == "":
		case !n.Provider.Matches(host):
			missed = append(missed, host)
		case !c.Renews() && !c.IsPattern() && !c.Expired(e.Now()) && c.Address().Scope() == "":
			asked = host // nothing is started or renewed for it
		}
	}
	if len(missed) > 0 {
		slices.Sort(missed)
		found = append(found, bad("the kubelet does not ask for images of "+terminal.Some(slices.Compact(missed)), n.File(), again))
	}
	switch answered, err := play(e.Ctx, n, asked); {
	case err != nil:
		found = append(found, bad("the kubelet would get no answer: "+err.Error(), n.Program, again))
	case answered != (asked != nobody):
		found = append(found, bad("the kubelet would not get the login for "+asked, n.Program, again))
	case asked == nobody:
		found = append(found, good("the kubelet's program runs, and was asked for none of the logins", n.Program))
	default:
		found = append(found, good("the kubelet's program answers for "+asked, n.Program))
	}
	return found
}

// kubeletProgram checks the program that the kubelet starts.
func kubeletProgram(e *app.Env, n *lookup.Node, again string) []finding {
	if err := (trust.Program{Words: []string{n.Program}}).Guarded(); err != nil {
		return []finding{bad(err.Error(), n.Program, again)}
	}
	self, err := os.Executable()
	if err != nil {
		return []finding{badError(e, "the path of this program is unknown: "+err.Error(), err, "")}
	}
	mine, err := os.ReadFile(self)
	theirs, theirErr := os.ReadFile(n.Program)
	if err := errors.Join(err, theirErr); err != nil {
		return []finding{badError(e, err.Error(), err, n.Program)}
	}
	if !bytes.Equal(mine, theirs) {
		return []finding{bad("the kubelet's program is another build than this one", n.Program, again)}
	}
	return nil
}

// kubeletFile checks that the kubelet's file still has the entry that setup recorded.
func kubeletFile(e *app.Env, n *lookup.Node, again string) []finding {
	file := n.File()
	d, err := authfile.Read(file, authfile.Docker)
	if errors.As(err, new(*authfile.SyntaxError)) {
		return []finding{note("the file is not JSON and was not checked; the command shows what belongs there", file, again+" --dry-run")}
	}
	if err == nil {
		var named []string
		var now authfile.Provider
		if named, _, err = d.Providers(n.Provider.Name); err == nil && len(named) == 1 &&
			json.Unmarshal([]byte(named[0]), &now) == nil && reflect.DeepEqual(now, n.Provider) {
			return nil
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return []finding{bad("the kubelet's file does not have the entry that setup wrote", file, again)}
	}
	return []finding{badError(e, err.Error(), err, file)}
}

// play asks the program for an image of a registry, with the recorded environment alone, and
// reports whether it has a login.
func play(ctx context.Context, n *lookup.Node, host string) (answered bool, err error) {
	const limit = time.Minute // the kubelet's
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := json.Marshal(map[string]string{"apiVersion": n.Provider.APIVersion, "kind": "CredentialProviderRequest", "image": host + "/regshape-doctor:1"})
	if err != nil {
		return false, err
	}
	cmd := exec.CommandContext(ctx, n.Program) //nolint:gosec // what setup has recorded, in a file of root's
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, v := range n.Provider.Env {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	var out, problem bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &out, &problem
	if err := cmd.Run(); err != nil {
		if problem.Len() > 0 {
			return false, errors.New(printable.Line(problem.String(), 1000))
		}
		return false, err
	}
	var answer struct {
		Kind string                     `json:"kind"`
		Auth map[string]json.RawMessage `json:"auth"`
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || answer.Kind != "CredentialProviderResponse" {
		return false, fmt.Errorf("%s printed no CredentialProviderResponse", n.Program)
	}
	return len(answer.Auth) > 0, nil
}
