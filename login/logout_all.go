package login

import (
	"fmt"
	"slices"

	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/printable"
)

// logoutAllResult is the JSON of logout --all.
type logoutAllResult struct {
	Status     string   `json:"status"`     // "success"
	Registries []string `json:"registries"` // empty for a locked store, whose names nobody can read
	Count      int      `json:"count"`      // entries removed
	Still      []string `json:"still"`      // foreign places that have logins, and what a reset moved aside
}

// all empties regshape's own store, locked or not. Foreign places are named.
func (c *logoutCmd) all(e *env) error {
	if c.Argument != "" || c.Flag != "" {
		return &usageError{"--all takes no registry", "run 'regshape auth logout --all' or 'regshape auth logout REGISTRY'"}
	}
	s, err := e.openStore()
	if err != nil {
		return &storeError{"", "remove credentials", err}
	}
	r := logoutAllResult{Status: "success", Registries: []string{}, Still: []string{}}
	if found, _, err := s.List(e.ctx); err == nil { // the names are worth having, not more
		for _, c := range found {
			r.Registries = append(r.Registries, shown(store.ParseAddress(c.ServerURL)))
		}
	}
	if r.Count, err = s.EraseAll(e.ctx); err != nil {
		return &storeError{"", "remove credentials", err}
	}
	for _, p := range e.places() {
		if d, err := authfile.Read(p.path, p.format); err == nil && slices.ContainsFunc(d.Entries(), isLogin) {
			r.Still = append(r.Still, p.path)
		}
	}
	aside := s.Location().Aside()
	r.Still = append(r.Still, aside...)
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	for _, name := range r.Registries {
		if _, err := fmt.Fprintf(e.Out, "Removing login credentials for %s.\n", name); err != nil {
			return err
		}
	}
	if unnamed := r.Count - len(r.Registries); unnamed > 0 {
		_, err = fmt.Fprintf(e.Out, "Removing %d entries that cannot be opened.\n", unnamed)
	} else if r.Count == 0 {
		_, err = fmt.Fprintln(e.Out, "Not logged in to any registry.")
	}
	for _, path := range r.Still {
		if !slices.Contains(aside, path) {
			e.warn("%s still has logins of its own.", path)
		}
	}
	if len(aside) > 0 {
		e.warn("'key reset' moved logins aside, which a key found later opens. To delete them: %s", deleteAside(aside))
	}
	return err
}

// deleteAside is the command that deletes what a reset moved aside.
func deleteAside(aside []string) string {
	return printable.Shell(append([]string{"rm", "-r", "--"}, aside...)...)
}

func isLogin(entry authfile.Entry) bool { return !entry.Marker && entry.Err == nil }
