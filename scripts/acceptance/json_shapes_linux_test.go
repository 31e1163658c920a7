package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// shapes are the JSON values that login/README.md documents, as its table spells them: a field
// with "?" may be absent, "…" is any text or any key, "a/b" one of these words.
type shapes struct {
	rows     map[string]documented // by command, without "auth"
	outcomes []string              // what OUTCOME stands for
}

// documented is a row of the table.
type documented struct {
	name  string
	forms []any
}

// Entries of the table that are not commands.
const (
	shapesDocument = "login/README.md"

	anyFailure = "any failure"
	optional   = "?"
	anything   = "…"
)

// readShapes reads the table of login/README.md.
func readShapes(t *testing.T) shapes {
	t.Helper()
	text, err := os.ReadFile(shapesDocument)
	if err != nil {
		t.Fatal(err)
	}
	between := func(begin, end string) string {
		_, rest, found := strings.Cut(string(text), begin)
		part, rest, closed := strings.Cut(rest, end)
		if !found || !closed || strings.Contains(rest, begin) {
			t.Fatalf("%s: want %q once, and %q after it", shapesDocument, begin, end)
		}
		return part
	}
	s := shapes{rows: map[string]documented{}}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(between(`## What "verified" means`, "\n## "), -1) {
		s.outcomes = append(s.outcomes, m[1])
	}
	_, table, _ := strings.Cut(between("<!-- json:begin -->\n", "<!-- json:end -->\n"), "| --- | --- |\n")
	for line := range strings.Lines(strings.TrimSpace(table)) {
		commands, cell, _ := strings.Cut(line, " | ")
		d := documented{name: strings.Trim(commands, "| ")}
		for _, m := range regexp.MustCompile("`([[{][^`]*)`").FindAllStringSubmatch(cell, -1) {
			var form any
			if err := json.Unmarshal([]byte(m[1]), &form); err != nil {
				t.Fatalf("%s: %v in %s", shapesDocument, err, m[1])
			}
			d.forms = append(d.forms, form)
		}
		var names []string
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(commands, -1) {
			names = append(names, m[1])
		}
		if d.name == anyFailure {
			names = []string{anyFailure}
		}
		if len(names) == 0 || len(d.forms) == 0 {
			t.Fatalf("%s: no command or no JSON in %q", shapesDocument, line)
		}
		for _, name := range names {
			if _, twice := s.rows[name]; twice {
				t.Errorf("%s: the table has two rows for %s", shapesDocument, name)
			}
			s.rows[name] = d
		}
	}
	return s
}

// row is the name of a command in the table.
func row(command string) string {
	if command == "overview" {
		return "regshape" // alone
	}
	return strings.TrimPrefix(command, "auth ")
}

// wordOf returns the word of the table that matches a text: itself, OUTCOME, or "…" for any.
func (s shapes) wordOf(doc, text string) (word string, ok bool) {
	words := strings.Split(doc, "/")
	switch {
	case doc == "TIME":
		at, err := time.Parse(time.RFC3339, text)
		return doc, err == nil && at.UTC().Format(time.RFC3339) == text
	case doc == anything:
		return doc, text != ""
	case slices.Contains(words, text):
		return text, true
	}
	return "OUTCOME", slices.Contains(words, "OUTCOME") && slices.Contains(s.outcomes, text)
}

// fit compares a value with its shape and records in seen what the value covers: each
// field by its path, each word, and that an optional field can be absent.
func (s shapes) fit(doc, got any, path string, seen map[string]bool) error {
	seen[path] = true
	switch doc := doc.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, want an object", path, got)
		}
		return s.fitFields(doc, object, path, seen)
	case []any:
		list, ok := got.([]any)
		if !ok {
			return fmt.Errorf("%s is %v, want a list", path, got)
		}
		for _, one := range list {
			if err := s.fit(doc[0], one, path+"[]", seen); err != nil {
				return err
			}
		}
	case string:
		text, isText := got.(string)
		word, ok := s.wordOf(doc, text)
		if !isText || !ok {
			return fmt.Errorf("%s is %#v, want %s", path, got, doc)
		}
		seen[path+" = "+word], seen[path+" = "+text] = true, true
	case float64:
		if number, ok := got.(json.Number); !ok || strings.ContainsAny(number.String(), ".eE") {
			return fmt.Errorf("%s is %#v, want a whole number", path, got)
		}
	case bool:
		if _, ok := got.(bool); !ok {
			return fmt.Errorf("%s is %#v, want true or false", path, got)
		}
	}
	return nil
}

func (s shapes) fitFields(doc, got map[string]any, path string, seen map[string]bool) error {
	for name, value := range got {
		for _, spelling := range []string{name, name + optional, anything} {
			if field, documented := doc[spelling]; documented {
				if err := s.fit(field, value, path+"."+spelling, seen); err != nil {
					return err
				}
				break
			} else if spelling == anything {
				return fmt.Errorf("%s.%s is not documented", path, name)
			}
		}
	}
	for spelling := range doc {
		name, may := strings.CutSuffix(spelling, optional)
		if _, there := got[name]; there || spelling == anything {
			continue
		}
		if !may {
			return fmt.Errorf("%s.%s is absent", path, name)
		}
		seen[path+"."+spelling+" absent"] = true
	}
	return nil
}

// path is where a form begins.
func (d documented) path(form int) string { return fmt.Sprintf("%s, form %d: ", d.name, form+1) }

// all lists everything that a shape documents.
func (d documented) all(doc any, path string) []string {
	list := []string{path}
	switch doc := doc.(type) {
	case map[string]any:
		for name, field := range doc {
			list = append(list, d.all(field, path+"."+name)...)
			if strings.HasSuffix(name, optional) {
				list = append(list, path+"."+name+" absent")
			}
		}
	case []any:
		list = append(list, d.all(doc[0], path+"[]")...)
	case string:
		for _, word := range strings.Split(doc, "/") {
			list = append(list, path+" = "+word)
		}
	}
	return list
}

// oneValue reads standard output, which must be one JSON value and a line feed.
func oneValue(out string) (value any, err error) {
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	if !strings.HasSuffix(out, "\n") {
		return nil, errors.New("no line feed at the end")
	}
	return value, nil
}

// unseen lists what is documented and was not seen.
func (s shapes) unseen(seen map[string]bool) []string {
	var missing []string
	for _, d := range s.rows {
		for i, form := range d.forms {
			for _, one := range d.all(form, d.path(i)) {
				if !seen[one] && !slices.Contains(missing, one) {
					missing = append(missing, one)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}
