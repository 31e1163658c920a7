package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// Imported is a login that the store has. It is part of the JSON of import.
type Imported struct {
	Registry string `json:"registry"`
	Username string `json:"username"`
	From     string `json:"from"` // the file's path or the helper's program
}

// Failure is a login that was not moved or not removed, or a source that could not
// be read; then Registry is "". It is part of the JSON of import.
type Failure struct {
	Registry string `json:"registry,omitempty"`
	Username string `json:"username,omitempty"`
	From     string `json:"from"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

// Report is what became of the logins of one source or several.
type Report struct {
	Moved, already []Imported
	Failed         []Failure
	markers        int      // entries without a login, which stay
	removed        int      // logins removed from their source, or in a dry run to be
	emptied        []string // files that logins were removed from
	left           []string // files that still hold, unencrypted, what the store has
	replaced       []replaced
}

// keptHint is about a login that there is a reason to leave where it is.
const keptHint = "what was not moved or removed stays where it is, and works there as before; 'regshape auth login' stores a login anew"

// fail adds what was not done with the logins of a source, or with the source itself.
func (r *Report) fail(src Source, failures ...*Failure) {
	for _, f := range failures {
		f.From = src.Name
		f.Hint = cmp.Or(f.Hint, keptHint)
		r.Failed = append(r.Failed, *f)
	}
}

// imported is a login of a source that the store has.
func (l Login) imported(src Source) Imported {
	return Imported{l.Address.Name(), l.Username, src.Name}
}

// replaced is a file that was replaced under one of its names.
type replaced struct {
	path string
	authfile.Names
}

// note adds a file. Where it was replaced under several names, the last says how many are
// left.
func (r *Report) note(f replaced) {
	for i := range r.replaced {
		if x := &r.replaced[i]; x.Device == f.Device && x.Inode == f.Inode {
			x.Others = f.Others
			return
		}
	}
	if f.Inode != 0 {
		r.replaced = append(r.replaced, f)
	}
}

// result is the JSON of import.
type result struct {
	Status  string     `json:"status"` // "success"; "error" beside Reason and Message where something failed
	Moved   []Imported `json:"moved"`
	Already []Imported `json:"already"` // the store had them, byte for byte
	Failed  []Failure  `json:"failed"`
	Removed bool       `json:"removed"`          // logins were removed from their source
	DryRun  bool       `json:"dry_run"`          // nothing was changed; moved is what would be
	Reason  string     `json:"reason,omitempty"` // "import"
	Message string     `json:"message,omitempty"`
}

// Add adds what was done with another source.
func (r *Report) Add(other Report) {
	r.Moved = append(r.Moved, other.Moved...)
	r.already = append(r.already, other.already...)
	r.Failed = append(r.Failed, other.Failed...)
	r.markers += other.markers
	r.removed += other.removed
	r.left = append(r.left, other.left...)
	r.emptied = append(r.emptied, other.emptied...)
	for _, f := range other.replaced {
		r.note(f)
	}
}

func (r *Report) result(o Options) result {
	result := result{
		Status: "success", Removed: r.removed > 0 && !o.DryRun, DryRun: o.DryRun,
		// A list without anything is [], not null.
		Moved:   append([]Imported{}, r.Moved...),
		Already: append([]Imported{}, r.already...),
		Failed:  append([]Failure{}, r.Failed...),
	}
	if len(r.Failed) > 0 {
		result.Status, result.Reason, result.Message = "error", "import", "not every login could be moved"
	}
	return result
}

// text is what was done: one line for each login, then a summary.
func (r *Report) text(e *app.Env, o Options) string {
	var b strings.Builder
	from, verb := "from", "moved"
	if o.DryRun {
		from, verb = "would be moved from", "would be moved"
	}
	for _, l := range r.Moved {
		fmt.Fprintf(&b, "%s: %s, %s %s\n", l.Registry, printable.Line(l.Username, 120), from, lookup.Tilde(e, l.From))
	}
	for _, l := range r.already {
		fmt.Fprintf(&b, "%s: %s, already there, from %s\n", l.Registry, printable.Line(l.Username, 120), lookup.Tilde(e, l.From))
	}
	parts := []string{terminal.Count(len(r.Moved), "login") + " " + verb}
	if n := len(r.already); n > 0 {
		parts = append(parts, fmt.Sprintf("%d already there", n))
	}
	switch {
	case o.DryRun && o.remove:
		parts = append(parts, terminal.Count(r.removed, "login")+" would be removed where found")
	case r.removed > 0:
		parts = append(parts, fmt.Sprintf("%d removed where found", r.removed))
	}
	if n := len(r.Failed); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not done", n))
	}
	if r.markers > 0 {
		parts = append(parts, terminal.Count(r.markers, "entry")+" without a login left alone")
	}
	b.WriteString(strings.Join(parts, ", "))
	if o.DryRun {
		b.WriteString("; nothing was changed")
	}
	b.WriteString(".\n")
	if len(r.Moved)+len(r.already)+len(r.Failed) == 0 {
		return "No logins were found to import.\n"
	}
	return b.String()
}

// Text is what a warning says of a failure.
func (f Failure) Text(e *app.Env) string {
	text := lookup.Tilde(e, f.From) + ": " + f.Message
	switch {
	case f.Registry == "" && (strings.HasPrefix(f.Message, f.From) || strings.Contains(f.Message, f.From+":")):
		return f.Message // what a helper or the system says names it
	case f.Registry == "":
		return text
	case f.Username != "":
		return f.Registry + " (" + printable.Line(f.Username, 120) + "), from " + text
	}
	return f.Registry + ", from " + text
}

// warnings says what failed and what is left unencrypted.
func (r *Report) warnings(e *app.Env, o Options) {
	for _, f := range r.Failed {
		e.Warn("%s.", f.Text(e))
	}
	if !o.DryRun && !o.remove {
		for _, path := range r.left {
			e.Warn("still in plaintext in %s: '%s' removes it.", lookup.Tilde(e, path), removeCommand(e, path))
		}
	}
	hints := map[string]bool{"": true}
	for _, f := range r.Failed {
		if !hints[f.Hint] {
			hints[f.Hint] = true
			e.Hint(f.Hint)
		}
	}
}

// removeCommand is the command that removes the logins from a file. Only those of other
// tools are found without being named.
func removeCommand(e *app.Env, path string) string {
	if slices.ContainsFunc(lookup.Places(e), func(p lookup.Place) bool { return p.Path == path }) {
		return e.Own("auth", "import", "--remove")
	}
	return e.Own("auth", "import", "--remove", "--from", path)
}
