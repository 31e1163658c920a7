package keys

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age/plugin"

	"regshape/store"
	"regshape/store/trust"
)

// Programs lists what the files of a store name to be started: the program that prints its
// key, or the plugins of its slots. A plugin that PATH does not lead to has only its name.
func Programs(loc store.Location, source store.KeySource) ([]trust.Program, error) {
	switch source.Source {
	case store.SourceCommand:
		return []trust.Program{Command{Words: source.Command}.Program()}, nil
	case store.SourceSlots:
		slots, err := Slots{Location: loc, Recipient: source.Recipient}.List()
		var names []string
		for _, slot := range slots {
			name, isPlugin := strings.CutPrefix(slot.Type, typePlugin)
			if isPlugin && validPlugin(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		var programs []trust.Program
		for _, name := range names {
			programs = append(programs, pluginProgram(name))
		}
		return programs, err
	}
	return nil, nil
}

// Program returns the plugin that a way in goes through; ok is false where there is none.
func (w Way) Program() (p trust.Program, ok bool) {
	name, ok := strings.CutPrefix(w.kind, typePlugin)
	if ok {
		p = pluginProgram(name)
	}
	return p, ok
}

// pluginProgram is the program that age starts for a plugin: that which PATH leads to.
func pluginProgram(name string) trust.Program {
	path, err := exec.LookPath("age-plugin-" + name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil { // one in the present directory is not started either
		path = "age-plugin-" + name
	}
	return trust.Program{Kind: trust.Plugin, Words: []string{path}}
}

// validPlugin reports whether a plugin can have that name.
func validPlugin(name string) bool {
	_, err := plugin.NewIdentityWithoutData(name, (&conversation{}).client())
	return err == nil
}

// pluginTrials pairs slots with the plugins that their file names choose: one whose
// identities hold no data of their own needs none to be given. The plugins have to be trusted.
func (s Slots) pluginTrials(ui *PluginUI, slots []slotFile) (all []trial) {
	for _, slot := range slots {
		name, isPlugin := strings.CutPrefix(slot.Type, typePlugin)
		if !isPlugin {
			continue
		}
		talk := &conversation{ui: ui, name: name}
		if id, err := plugin.NewIdentityWithoutData(name, talk.client()); err == nil { // else no plugin can have that name
			all = append(all, trial{slot, pluginIdentity{id, talk, &s.Location}})
		}
	}
	return all
}
