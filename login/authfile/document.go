package authfile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Format says how a document is laid out.
type Format int

const (
	// Docker is docker's config.json: "auths", "credsStore", "credHelpers" and
	// many members of other concern. Docker Desktop, dev containers, the value of
	// DOCKER_AUTH_CONFIG, Singularity's and Apptainer's docker-config.json and
	// microagent's auth.json have the same layout and the same constant.
	Docker Format = iota
	// Containers is auth.json as containers-auth.json(5) describes it. Its
	// readers know no "credsStore"; one that stands there is still reported.
	Containers
	// DockercfgFormat is the older ~/.dockercfg: the object itself maps a host to
	// its entry, and there are no helpers.
	DockercfgFormat
)

// The names that are matched without regard to case.
const (
	nameAuths       = "auths"
	nameCredsStore  = "credsStore"
	nameCredHelpers = "credHelpers"
)

// Guess is the format of a file that no tool is known for: by its name, else by what is in
// it. Without any sign of docker's or of the older format it is the one given.
func Guess(path string, otherwise Format) Format {
	switch strings.ToLower(filepath.Base(path)) {
	case ".dockercfg", "dockercfg":
		return DockercfgFormat
	case "config.json", "docker-config.json", ".dockerconfigjson":
		return Docker
	case "auth.json":
		return Containers
	}
	d, err := Read(path, Containers)
	if err != nil {
		return otherwise
	}
	flat := len(d.root.Members) > 0
	for i := range d.root.Members {
		m := &d.root.Members[i]
		for _, name := range [...]string{nameAuths, nameCredsStore, nameCredHelpers} {
			flat = flat && !strings.EqualFold(nameOf(m), name)
		}
		flat = flat && m.Value.Value.Kind() == '{'
	}
	_, hub := d.Lookup("https://index.docker.io/v1/") // which podman does not write
	switch {
	case flat:
		return DockercfgFormat
	case hub || d.CredsStore() != "":
		return Docker
	}
	return otherwise
}

var (
	// ErrDuplicate means that a name to be edited stands twice in the document,
	// or in two spellings that docker takes for one.
	ErrDuplicate = errors.New("the name stands there more than once")
	// ErrUserName means a user name that the base64 form cannot hold: an empty
	// one, or one with a colon (RFC 7617 section 2).
	ErrUserName = errors.New("the user name is empty or has a colon in it")
	// ErrSecret means a secret that readers of the file would change.
	ErrSecret = errors.New("the secret begins or ends with a NUL, which readers cut off")
	// ErrFormat means an edit that this kind of file has no place for.
	ErrFormat = errors.New("this kind of file has no credential helpers")
	// ErrText means a name that is not valid UTF-8.
	ErrText = errors.New("not valid UTF-8")
)

// Document is one parsed file. Its edits refuse rather than guess: the first
// refusal stays, later edits do nothing, and Err reports it. A Document is not
// safe for concurrent use.
type Document struct {
	name   string
	format Format
	blank  []byte // the whole text, if it held no value at all; else nil
	value  hujson.Value
	root   *hujson.Object
	err    error

	// hollow holds the white space of objects that were empty before the first
	// insertion, so that removing it again gives the same text.
	hollow map[*hujson.Object]hujson.Extra
	// made holds objects that an edit has made, and what stood in their place:
	// nil if nothing did, else a null.
	made map[*hujson.Object]hujson.ValueTrimmed
}

// Parse reads a document. The name is its path, or "$DOCKER_AUTH_CONFIG", and
// serves for messages only. Text without any value is an empty document, as it
// is for docker. The error is a *SyntaxError: not JSON, no object, or one of
// "auths", "credsStore" and "credHelpers" of a type that docker would not load.
func Parse(name string, data []byte, f Format) (*Document, error) {
	d := &Document{
		name:   name,
		format: f,
		hollow: map[*hujson.Object]hujson.Extra{},
		made:   map[*hujson.Object]hujson.ValueTrimmed{},
	}
	data = bytes.Clone(data)
	if len(bytes.Trim(data, " \t\r\n")) == 0 {
		d.blank = append([]byte{}, data...)
		d.root = new(hujson.Object)
		d.value = hujson.Value{Value: d.root, AfterExtra: hujson.Extra(data)}
		if len(data) == 0 {
			d.value.AfterExtra = hujson.Extra("\n") // a new file ends as text files do
		}
		return d, nil
	}
	value, err := parseStandard(name, data)
	if err != nil {
		return nil, err
	}
	root, ok := value.Value.(*hujson.Object)
	if !ok {
		return nil, syntaxErrorAt(name, data, value.StartOffset, "not a JSON object")
	}
	d.value, d.root = value, root
	if err := d.checkTypes(data); err != nil {
		return nil, err
	}
	return d, nil
}

// checkTypes refuses what docker would refuse to load, outside the entries.
func (d *Document) checkTypes(data []byte) error {
	if d.format == DockercfgFormat {
		return nil
	}
	wrong := func(v *hujson.Value, what string) error {
		return syntaxErrorAt(d.name, data, v.StartOffset, what)
	}
	for i := range d.root.Members {
		m := &d.root.Members[i]
		kind := m.Value.Value.Kind()
		switch name := nameOf(m); {
		case kind == 'n':
		case strings.EqualFold(name, nameAuths) && kind != '{':
			return wrong(&m.Value, "auths is not an object")
		case strings.EqualFold(name, nameCredsStore) && kind != '"':
			return wrong(&m.Value, "credsStore is not a string")
		case strings.EqualFold(name, nameCredHelpers):
			helpers, ok := m.Value.Value.(*hujson.Object)
			if !ok {
				return wrong(&m.Value, "credHelpers is not an object")
			}
			for j := range helpers.Members {
				v := &helpers.Members[j].Value
				if k := v.Value.Kind(); k != '"' && k != 'n' {
					return wrong(v, "a value of credHelpers is not a string")
				}
			}
		}
	}
	return nil
}

// Name returns the name given to Parse, or the path given to Read.
func (d *Document) Name() string { return d.name }

// Format returns the format given to Parse.
func (d *Document) Format() Format { return d.format }

// Bytes returns the text of the document, edits included. Without an edit it is
// the text that was parsed.
func (d *Document) Bytes() []byte {
	if d.blank != nil && len(d.root.Members) == 0 {
		return bytes.Clone(d.blank)
	}
	return d.value.Pack()
}

// Err returns the first refused edit, or nil.
func (d *Document) Err() error { return d.err }

// refuse records why an edit was not made, unless another one was refused before. The
// subject may be a fixed name or a host, never a value.
func (d *Document) refuse(subject string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %q: %w", d.name, subject, err)
	}
}

// nameOf returns the decoded name of a member.
func nameOf(m *hujson.ObjectMember) string {
	lit, _ := m.Name.Value.(hujson.Literal)
	// Few names have escapes, and decoding JSON for each of them makes an edit of many
	// entries slow: without this 10,000 removals took 26 s longer.
	if n := len(lit); n >= 2 && lit[0] == '"' && bytes.IndexByte(lit, '\\') < 0 && utf8.Valid(lit) {
		return string(lit[1 : n-1])
	}
	return lit.String()
}

// objectsNamed returns the objects that make up one member of the root. Like
// encoding/json it lets several spellings add up, and a null start afresh.
func (d *Document) objectsNamed(name string) []*hujson.Object {
	var objects []*hujson.Object
	for i := range d.root.Members {
		m := &d.root.Members[i]
		if !strings.EqualFold(nameOf(m), name) {
			continue
		}
		if o, ok := m.Value.Value.(*hujson.Object); ok {
			objects = append(objects, o)
		} else {
			objects = nil
		}
	}
	return objects
}
