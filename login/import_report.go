package login

import (
	"fmt"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/store/printable"
)

// importedLogin is a login that the store has. It is part of the JSON of import.
type importedLogin struct {
	Registry string `json:"registry"`
	Username string `json:"username"`
	From     string `json:"from"` // the file's path or the helper's program
}

// importFailure is a login that was not moved or not removed, or a source that could not
// be read; then Registry is "". It is part of the JSON of import.
type importFailure struct {
	Registry string `json:"registry,omitempty"`
	Username string `json:"username,omitempty"`
	From     string `json:"from"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// importReport is what became of the logins of one source or several.
type importReport struct {
	moved, already []importedLogin
	failed         []importFailure
	markers        int      // entries that hold no login and stay
	removed        int      // logins taken out of their source, or in a dry run to be
	left           []string // files that still hold, unencrypted, what the store has
	names          furtherNames
}

// furtherNames are files that were replaced under one of their names, in that order.
type furtherNames []struct {
	path string
	authfile.Names
}

// note adds a file. Where it was replaced under several names, the last says how many are
// left.
func (f *furtherNames) note(path string, n authfile.Names) {
	for i := range *f {
		if x := &(*f)[i]; x.Device == n.Device && x.Inode == n.Inode {
			x.Others = n.Others
			return
		}
	}
	if n.Inode != 0 {
		*f = append(*f, struct {
			path string
			authfile.Names
		}{path, n})
	}
}

// update edits a file of another tool, and warns of the names under which its old content
// stays.
func (e *env) update(path string, f authfile.Format, edit func(*authfile.Document) error) error {
	names := authfile.NamesOf(path)
	changed, err := authfile.Update(path, f, 0o600, edit)
	if text := e.furtherName(path, names); changed && text != "" {
		e.warn("%s: %s.", e.tilde(path), text)
	}
	return err
}

// furtherName says that a file's old content is still there under another name, and what
// finds it; "" where there is none. It cannot be found by the name that was replaced.
func (e *env) furtherName(path string, n authfile.Names) string {
	if n.Others == 0 {
		return ""
	}
	where := "/"
	if home := e.where().Home; home != "" && strings.HasPrefix(throughLinks(path), home+"/") {
		where = "~ -xdev" // other file systems have other files of that number
	}
	what := "another name of the file (a hard link) still has its old content"
	if n.Others > 1 {
		what = fmt.Sprintf("%d other names of the file (hard links) still have its old content", n.Others)
	}
	return fmt.Sprintf("%s, with the logins that were in it; 'find %s -inum %d' finds it", what, where, n.Inode)
}

// importResult is the JSON of import.
type importResult struct {
	Status  string          `json:"status"` // "success"; "error" beside Reason and Message where something failed
	Moved   []importedLogin `json:"moved"`
	Already []importedLogin `json:"already"` // the store had them, byte for byte
	Failed  []importFailure `json:"failed"`
	Removed bool            `json:"removed"`          // logins were taken out of their source
	DryRun  bool            `json:"dry_run"`          // nothing was changed; moved is what would be
	Reason  string          `json:"reason,omitempty"` // "import"
	Message string          `json:"message,omitempty"`
}

func (r *importReport) add(other importReport) {
	r.moved = append(r.moved, other.moved...)
	r.already = append(r.already, other.already...)
	r.failed = append(r.failed, other.failed...)
	r.markers += other.markers
	r.removed += other.removed
	r.left = append(r.left, other.left...)
	for _, n := range other.names {
		r.names.note(n.path, n.Names)
	}
}

func (r *importReport) result(o importOptions) importResult {
	result := importResult{
		Status: "success", Removed: r.removed > 0 && !o.dryRun, DryRun: o.dryRun,
		// A list without anything is [], not null.
		Moved:   append([]importedLogin{}, r.moved...),
		Already: append([]importedLogin{}, r.already...),
		Failed:  append([]importFailure{}, r.failed...),
	}
	if len(r.failed) > 0 {
		result.Status, result.Reason, result.Message = "error", "import", "not every login could be moved"
	}
	return result
}

// text is what was done: one line for each login, then a summary.
func (r *importReport) text(e *env, o importOptions) string {
	var b strings.Builder
	from, verb := "from", "moved"
	if o.dryRun {
		from, verb = "would be moved from", "would be moved"
	}
	for _, l := range r.moved {
		fmt.Fprintf(&b, "%s: %s, %s %s\n", l.Registry, printable.Line(l.Username, 120), from, e.tilde(l.From))
	}
	for _, l := range r.already {
		fmt.Fprintf(&b, "%s: %s, already there, from %s\n", l.Registry, printable.Line(l.Username, 120), e.tilde(l.From))
	}
	parts := []string{count(len(r.moved), "login") + " " + verb}
	if n := len(r.already); n > 0 {
		parts = append(parts, fmt.Sprintf("%d already there", n))
	}
	switch {
	case o.dryRun && o.remove:
		parts = append(parts, count(r.removed, "login")+" would be removed where found")
	case r.removed > 0:
		parts = append(parts, fmt.Sprintf("%d removed where found", r.removed))
	}
	if n := len(r.failed); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not done", n))
	}
	if r.markers > 0 {
		parts = append(parts, count(r.markers, "entry")+" without a login left alone")
	}
	b.WriteString(strings.Join(parts, ", "))
	if o.dryRun {
		b.WriteString("; nothing was changed")
	}
	b.WriteString(".\n")
	if len(r.moved)+len(r.already)+len(r.failed) == 0 {
		return "No logins were found to import.\n"
	}
	return b.String()
}

// warnings tells what failed and what is left unencrypted.
func (r *importReport) warnings(e *env, o importOptions) {
	hints := map[string]bool{"": true}
	for _, f := range r.failed {
		if f.Registry == "" {
			reason := f.Message
			if !strings.HasPrefix(reason, f.From) { // a helper's own words name it
				reason = e.tilde(f.From) + ": " + reason
			}
			e.warn("%s.", reason)
			continue
		}
		who := f.Registry
		if f.Username != "" {
			who += " (" + printable.Line(f.Username, 120) + ")"
		}
		e.warn("%s, from %s: %s.", who, e.tilde(f.From), f.Message)
	}
	if !o.dryRun && !o.remove {
		for _, path := range r.left {
			e.warn("still in plaintext in %s: '%s' takes it out.", e.tilde(path), e.takingOut(path))
		}
	}
	for _, f := range r.failed {
		if !hints[f.Hint] {
			hints[f.Hint] = true
			e.hint(f.Hint)
		}
	}
}

// takingOut is the command that takes the logins out of a file. Only those of other tools
// are found without being named.
func (e *env) takingOut(path string) string {
	if slices.ContainsFunc(e.places(), func(p place) bool { return p.path == path }) {
		return e.own("auth", "import", "--remove")
	}
	return e.own("auth", "import", "--remove", "--from", path)
}

// count is "1 login", "2 logins", "2 entries".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// tilde is how messages name a file: below the home it begins with "~/".
func (e *env) tilde(path string) string {
	home := e.where().Home
	if rest, ok := strings.CutPrefix(path, home+"/"); ok && home != "" {
		path = "~/" + rest
	}
	return printable.Line(path, 300)
}
