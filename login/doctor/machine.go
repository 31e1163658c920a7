package doctor

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store/printable"
)

// checkClock compares the clock with times that are certainly past. With a clock that is
// behind, certificates and tokens are not valid yet.
func checkClock(e *app.Env, state *storeState) []finding {
	const slack = time.Minute // machines that share a home directory may differ by this
	past, what := time.Time{}, ""
	if built, err := time.Parse(time.RFC3339, e.Build.Date); err == nil {
		past, what = built, "this program was built"
	}
	for _, cred := range state.found {
		if cred.Updated.After(past) {
			past, what = cred.Updated, "the newest login was stored"
		}
	}
	now := e.Now()
	if now.Add(slack).Before(past) {
		return []finding{bad(fmt.Sprintf("the clock says %s, but %s at %s: certificates and tokens will fail",
			now.UTC().Format(time.RFC3339), what, past.UTC().Format(time.RFC3339)), "", setClock(runtime.GOOS))}
	}
	return []finding{good("the clock is not behind", "")}
}

// setClock is the command to set the clock from the network.
func setClock(goos string) string {
	switch goos {
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	case "windows":
		return "w32tm /resync"
	}
	return "sudo timedatectl set-ntp true"
}

// checkVariables lists environment variables that are ignored although users may expect
// otherwise, and those that change what regshape does. It shows only paths and profile names.
func checkVariables(e *app.Env, _ *storeState) []finding {
	var ignored []string
	for _, tool := range []string{"SINGULARITY_DOCKER", "APPTAINER_DOCKER", "DOCKER"} {
		for _, part := range []string{"_USERNAME", "_PASSWORD"} {
			if e.Getenv(tool+part) != "" {
				ignored = append(ignored, tool+part)
			}
		}
	}
	var found []finding
	if len(ignored) > 0 {
		found = append(found, note("regshape does not read "+strings.Join(ignored, ", ")+
			", on purpose: without a registry their secret could be sent to any", "", printable.Shell(append([]string{"unset"}, ignored...)...)))
	}
	_, authfileVariable := authfile.AuthfileVariable(e.Where())
	for _, v := range []struct {
		name, effect string
		secret       bool
	}{
		{"REGSHAPE_STORE", "the store is below this directory", false},
		{"REGSHAPE_PROFILE", "the store of this profile is used", false},
		{"REGSHAPE_KEY_FILE", "the key is read from this file", false},
		{"REGSHAPE_USERNAME", "the user name for the registry on the command line", true},
		{"REGSHAPE_PASSWORD", "the password for the registry on the command line", true},
		{authfileVariable, "logins are read from and written to this file only", false},
		{"DOCKER_CONFIG", "docker's configuration is in this directory", false},
		{dockerAuthVariable, "its logins take precedence over those of every helper", true},
	} {
		value := e.Getenv(v.name)
		switch {
		case v.name == "", value == "":
		case v.secret:
			found = append(found, note(v.name+" is set: "+v.effect, "$"+v.name, ""))
		default:
			found = append(found, note(fmt.Sprintf("%s is %s: %s", v.name, value, v.effect), "$"+v.name, ""))
		}
	}
	return found
}

// checkSudo reports whose store is used under sudo.
func checkSudo(e *app.Env, state *storeState) []finding {
	uid := e.Getenv("SUDO_UID")
	if uid == "" {
		return nil
	}
	// checkFiles reports root's files in another user's home directory.
	return []finding{note(fmt.Sprintf("under sudo: called by uid %s, running as uid %d, with the store in %s", uid, os.Geteuid(), state.loc.Data),
		state.loc.Data, "")}
}
