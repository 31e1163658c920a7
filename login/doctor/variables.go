package doctor

import (
	"fmt"
	"os"
	"strings"

	"regshape/login/app"
	"regshape/store/printable"
)

// variablesCheck lists environment variables that people expect to count and do not,
// and those that change what regshape does now. Of the latter only paths and profile
// names are shown.
type variablesCheck struct{}

func (variablesCheck) name() string { return "variables" }

func (variablesCheck) run(e *app.Env) []finding {
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
			", on purpose: they name no registry, so their secret could go to any", "", printable.Shell(append([]string{"unset"}, ignored...)...)))
	}
	for _, v := range []struct {
		name, effect string
		secret       bool
	}{
		{"REGSHAPE_STORE", "the store is below this folder", false},
		{"REGSHAPE_PROFILE", "the store of this profile is used", false},
		{"REGSHAPE_KEY_FILE", "the key is read from this file", false},
		{"REGSHAPE_USERNAME", "it is the user name for the registry of the command line", true},
		{"REGSHAPE_PASSWORD", "it is the password for the registry of the command line", true},
		{"REGISTRY_AUTH_FILE", "logins are read from and written to this file alone", false},
		{"SINGULARITY_AUTHFILE", "logins are read from and written to this file alone, unless REGISTRY_AUTH_FILE is set", false},
		{"DOCKER_CONFIG", "docker's configuration is in this folder", false},
		{dockerAuthVariable, "its logins come before those of every helper", true},
	} {
		value := e.Getenv(v.name)
		switch {
		case value == "":
		case v.secret:
			found = append(found, note(v.name+" is set: "+v.effect, "$"+v.name, ""))
		default:
			found = append(found, note(fmt.Sprintf("%s is %s: %s", v.name, value, v.effect), "$"+v.name, ""))
		}
	}
	return found
}

// sudoCheck says whose store a run under sudo works on.
type sudoCheck struct{ seen *storeLook }

func (sudoCheck) name() string { return "sudo" }

func (c sudoCheck) run(e *app.Env) []finding {
	uid := e.Getenv("SUDO_UID")
	if uid == "" {
		return nil
	}
	// The check of the files says so where that would put root's files into another's home.
	return []finding{note(fmt.Sprintf("under sudo: uid %s called, and this run as uid %d uses the store in %s", uid, os.Geteuid(), c.seen.loc.Data),
		c.seen.loc.Data, "")}
}
