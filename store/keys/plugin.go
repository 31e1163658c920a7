package keys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"regshape/store"
	"regshape/store/printable"
	"regshape/store/process"
	"regshape/store/trust"
)

// PluginUI is how age plugins talk to the user. A nil func stands for a missing terminal:
// a plugin that calls it fails with an error that says so. What they are given is
// printable and names the plugin. Display may be called from another goroutine.
type PluginUI struct {
	Display func(text string)
	Ask     func(prompt string, secret bool) (string, error)
	Confirm func(prompt, yes, no string) (bool, error) // no may be ""
	Explain func(err error) string                     // an error with its hint; nil for the error alone
}

func (ui *PluginUI) explain(err error) string {
	if ui.Explain == nil {
		return err.Error()
	}
	return ui.Explain(err)
}

// conversation is one plugin's use of a PluginUI. It remembers what went wrong there:
// age tells the plugin only that something did, and nobody else.
type conversation struct {
	ui   *PluginUI
	name string

	mu  sync.Mutex
	err error
}

func (c *conversation) program() string { return "age-plugin-" + c.name }

func (c *conversation) failed(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	return err
}

func (c *conversation) needsTerminal() error {
	return c.failed(fmt.Errorf("%s has to ask you something and needs a terminal", c.program()))
}

// client never returns nil, which age would follow.
func (c *conversation) client() *plugin.ClientUI {
	ui := c.ui
	if ui == nil {
		ui = &PluginUI{}
	}
	prompt := func(text string) string { return c.program() + ": " + oneLine(text) }
	return &plugin.ClientUI{
		DisplayMessage: func(_, message string) error {
			if ui.Display == nil {
				return c.needsTerminal()
			}
			ui.Display(prompt(message))
			return nil
		},
		RequestValue: func(_, message string, secret bool) (string, error) {
			if ui.Ask == nil {
				return "", c.needsTerminal()
			}
			answer, err := ui.Ask(prompt(message), secret)
			if err != nil {
				return "", c.failed(err)
			}
			return answer, nil
		},
		Confirm: func(_, message, yes, no string) (bool, error) {
			if ui.Confirm == nil {
				return false, c.needsTerminal()
			}
			answer, err := ui.Confirm(prompt(message), oneLine(yes), oneLine(no))
			if err != nil {
				return false, c.failed(err)
			}
			return answer, nil
		},
		WaitTimer: func(string) {
			if ui.Display != nil {
				ui.Display("waiting for " + c.program() + ": does the device want to be touched?")
			}
		},
	}
}

// PluginError is an error of an age plugin, as opposed to a damaged file.
type PluginError struct{ Err error }

func (e *PluginError) Error() string { return e.Err.Error() }

// Unwrap returns what the plugin said, or why it did not run.
func (e *PluginError) Unwrap() error { return e.Err }

// explain says what a plugin's error means to the user.
func (c *conversation) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	asking := c.err
	c.err = nil
	var missing *plugin.NotFoundError
	switch {
	case err == nil:
		return nil
	case asking != nil:
		return &PluginError{asking}
	case errors.Is(err, age.ErrIncorrectIdentity):
		return err
	case errors.As(err, &missing):
		return &PluginError{fmt.Errorf("%s is not on PATH: install it", c.program())}
	}
	text := strings.TrimPrefix(err.Error(), c.name+" plugin: ")
	return &PluginError{fmt.Errorf("%s failed: %s", c.program(), oneLine(text))}
}

// oneLine makes a plugin's words fit for a terminal and an error: one line, of a length
// that can be read, and without what looks like a key.
func oneLine(text string) string {
	const limit = 300
	if showsKey(text) {
		return "(hidden, as it holds a key)"
	}
	return printable.Line(text, limit)
}

// showsKey reports whether another program's words have the beginning of a key in them,
// characters that do not print left out.
func showsKey(text string) bool {
	upper := strings.ToUpper(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text))
	return slices.ContainsFunc([]string{"AGE-SECRET-KEY", "AGE-PLUGIN-", "REGSHAPE-KEY"}, func(tag string) bool {
		return strings.Contains(upper, tag)
	})
}

type pluginRecipient struct {
	plugin *plugin.Recipient
	talk   *conversation
}

var _ age.RecipientWithLabels = pluginRecipient{}

// Wrap runs the plugin.
func (r pluginRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := r.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels runs the plugin.
func (r pluginRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	hideFromPlugins()
	stanzas, labels, err := r.plugin.WrapWithLabels(fileKey)
	return stanzas, labels, r.talk.explain(err)
}

type pluginIdentity struct {
	plugin *plugin.Identity
	talk   *conversation
	named  *store.Location // the store that names the plugin; nil where the user does
}

var _ age.Identity = pluginIdentity{}

// Unwrap runs the plugin.
func (i pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if i.named != nil {
		if err := trust.Check(*i.named, pluginProgram(i.talk.name)); err != nil {
			return nil, &PluginError{err}
		}
	}
	hideFromPlugins()
	fileKey, err := i.plugin.Unwrap(stanzas)
	return fileKey, i.talk.explain(err)
}

// String hides the identity, which may be a secret, from every fmt verb.
func (i pluginIdentity) String() string { return "identity of " + i.talk.program() }

// GoString hides the identity.
func (i pluginIdentity) GoString() string { return i.String() }

// hideFromPlugins takes out of this process's own environment what no child process may
// see, and age's debug switch, which prints file keys. Package plugin runs a program with
// that environment and takes no other.
func hideFromPlugins() {
	environ := os.Environ() // once: what comes in between is not to be lost
	kept := process.ChildEnvironment(environ)
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if name == "AGEDEBUG" || !slices.Contains(kept, kv) {
			_ = os.Unsetenv(name) // fails for malformed names alone
		}
	}
}

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

// Program returns the plugin that a slot needs; ok is false if there is none.
func (w Recipient) Program() (p trust.Program, ok bool) {
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
	if err != nil { // one in the current directory is not started either
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
