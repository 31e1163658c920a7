package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
)

// errChangedMeanwhile means a file that is no longer what the plan was made from.
var errChangedMeanwhile = errors.New("another program changed it meanwhile; run setup again")

// plannedEdit is an edit to be made.
type plannedEdit struct {
	Edit
	Before, After []byte
	hidesFiles    bool // podman does not read auth.json any more
}

// action is the word for the edit in the JSON.
func (x plannedEdit) action() string {
	if x.Existed {
		return "edited"
	}
	return "created"
}

// hosts are the keys of docker's credHelpers that --host asks for.
func (s *setup) hosts() ([]string, error) {
	var keys []string
	for _, spelling := range s.Hosts {
		address, err := app.RegistryArg{Argument: spelling}.Target("setup --host")
		if err != nil {
			return nil, err
		}
		if address.Scope() != "" {
			return nil, &app.UsageError{
				Message: "docker knows helpers of whole registries, not of a namespace",
				Hint:    fmt.Sprintf("run 'regshape auth setup --host %s'", address.Host()),
			}
		}
		// Docker asks by exactly these: Docker Hub's URL, else the host.
		if key := address.Bare().String(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// plan finds out what has to be edited, and writes nothing. Files that are as they should
// be are left out.
func (s *setup) plan(hosts []string) ([]plannedEdit, error) {
	w := s.Where()
	docker, podman := s.Docker || len(hosts) > 0, s.Podman
	if !docker && !podman {
		docker, podman = hasDocker(w), hasPodman(w)
		if !docker && !podman {
			s.say("Neither docker nor podman is here: docker's file is set up, which crane, helm and others read too.")
			docker = true
		}
	}
	var edits []plannedEdit
	// Podman's comes first: it is the one that may turn out to have no effect.
	for _, part := range []struct {
		wanted bool
		plan   func() (plannedEdit, error)
	}{
		{podman, func() (plannedEdit, error) { return s.planPodman() }},
		{docker, func() (plannedEdit, error) { return PlanDocker(w, s.helper, hosts) }},
	} {
		if !part.wanted {
			continue
		}
		x, err := part.plan()
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(x.Before, x.After) {
			x.Splice(x.Before, x.After)
			x.Folders = missingFolders(x.File)
			edits = append(edits, x)
		}
	}
	return edits, nil
}

func hasDocker(w authfile.Env) bool {
	config := authfile.DockerConfig(w)
	return anyProgram("docker") || isThere(config) || config != "" && isThere(filepath.Dir(config))
}

// hasPodman looks for all that read registries.conf.
func hasPodman(w authfile.Env) bool {
	dropIn := authfile.RegistriesDropIn(w)
	return anyProgram("podman", "skopeo", "buildah") || dropIn != "" && isThere(filepath.Dir(filepath.Dir(dropIn)))
}

func anyProgram(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	})
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// PlanDocker edits docker's config.json: the helper for everything or, with hosts, for
// these alone. Without a change, after is before.
func PlanDocker(w authfile.Env, helper string, hosts []string) (plannedEdit, error) {
	path := authfile.DockerConfig(w)
	if path == "" {
		return plannedEdit{}, errors.New("there is no home folder for docker's file: set HOME, or name the file with --docker-config")
	}
	x := plannedEdit{Edit: Edit{Tool: "docker", File: path, Existed: true, Helper: helper}}
	d, err := authfile.Read(path, authfile.Docker)
	if errors.Is(err, fs.ErrNotExist) {
		x.Existed = false
		d, err = authfile.Parse(path, nil, authfile.Docker)
	}
	if err != nil {
		return plannedEdit{}, fmt.Errorf("docker's file cannot be edited: %w", err)
	}
	x.Before = d.Bytes()
	x.After = x.Before
	former := d.CredsStore()
	if len(hosts) == 0 && former == helper {
		return x, nil
	}
	if len(hosts) == 0 {
		x.Store = &former
		d.SetCredsStore(helper)
	} else {
		x.Hosts = map[string]string{}
		for _, host := range hosts {
			own, there := hostHelper(d, host)
			if there && own == helper || !there && former == helper {
				continue
			}
			x.Hosts[host] = own
			d.SetCredHelper(host, helper)
		}
	}
	if err := d.Err(); err != nil {
		return plannedEdit{}, fmt.Errorf("docker's file cannot be edited: %w", err)
	}
	x.After = d.Bytes()
	return x, nil
}

// hostHelper is the member of credHelpers for a host.
func hostHelper(d *authfile.Document, host string) (helper string, there bool) {
	for _, c := range d.CredHelpers() {
		if c.Host == host {
			return c.Helper, true
		}
	}
	return "", false
}
