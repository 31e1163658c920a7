package authfile

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// findExact returns the last member of that name, or -1, and how many there are: none without
// an object.
func findExact(o *hujson.Object, name string) (index, count int) {
	return find(o, func(s string) bool { return s == name })
}

// findFold is findExact for the names that encoding/json matches in any case.
func findFold(o *hujson.Object, name string) (index, count int) {
	return find(o, func(s string) bool { return strings.EqualFold(s, name) })
}

func find(o *hujson.Object, match func(string) bool) (index, count int) {
	index = -1
	if o == nil {
		return index, count
	}
	for i := range o.Members {
		if match(nameOf(&o.Members[i])) {
			index = i
			count++
		}
	}
	return index, count
}

// objectAt returns the object that member i of the root holds, or nil.
func (d *Document) objectAt(i int) *hujson.Object {
	if i < 0 {
		return nil
	}
	o, _ := d.root.Members[i].Value.Value.(*hujson.Object)
	return o
}

// container returns the object that member i of the root holds and that member;
// it makes them where they are missing or null.
func (d *Document) container(i int, name string) (*hujson.Object, *hujson.ObjectMember) {
	o := d.objectAt(i)
	if o == nil {
		o = new(hujson.Object)
		if i < 0 {
			i = d.insert(d.root, nil, name, o)
			d.made[o] = nil
		} else {
			d.made[o] = d.root.Members[i].Value.Value
			d.root.Members[i].Value.Value = o
		}
	}
	return o, &d.root.Members[i]
}

// unmake takes an empty object away that container has made.
func (d *Document) unmake(o *hujson.Object, i int) bool {
	before, ok := d.made[o]
	if !ok {
		return false
	}
	delete(d.made, o)
	if before == nil {
		d.cut(d.root, i)
	} else {
		d.root.Members[i].Value.Value = before
	}
	return true
}

// setString gives member i of an object a string, or adds it where i is -1. A
// string that decodes to the same is left as it is written.
func (d *Document) setString(o *hujson.Object, owner *hujson.ObjectMember, i int, name, value string) {
	if i < 0 {
		d.insert(o, owner, name, hujson.String(value))
		return
	}
	old, ok := o.Members[i].Value.Value.(hujson.Literal)
	if !ok || old.Kind() != '"' || old.String() != value {
		o.Members[i].Value.Value = hujson.String(value)
	}
}

// insert adds a member at the end, with white space like its siblings', and
// returns its index. The owner is the member that holds the object; nil for the
// root.
func (d *Document) insert(o *hujson.Object, owner *hujson.ObjectMember, name string, v hujson.ValueTrimmed) int {
	m := hujson.ObjectMember{
		Name:  hujson.Value{Value: hujson.String(name)},
		Value: hujson.Value{Value: v},
	}
	if n := len(o.Members); n > 0 {
		last := &o.Members[n-1]
		m.Name.BeforeExtra = lineStart(last.Name.BeforeExtra)
		m.Name.AfterExtra = bytes.Clone(last.Name.AfterExtra)
		m.Value.BeforeExtra = afterColon(last)
		if n == 1 && len(m.Name.BeforeExtra) == 0 {
			// A lone member tells nothing of commas; the colon is the best hint.
			m.Name.BeforeExtra = bytes.Clone(m.Value.BeforeExtra)
		}
	} else {
		if _, seen := d.hollow[o]; !seen {
			d.hollow[o] = o.AfterExtra
		}
		m.Name.BeforeExtra, o.AfterExtra, m.Value.BeforeExtra = d.layout(o, owner)
	}
	o.Members = append(o.Members, m)
	return len(o.Members) - 1
}

// layout gives the white space for the first member of an empty object: before
// the member, after it, and after its colon.
func (d *Document) layout(o *hujson.Object, owner *hujson.ObjectMember) (before, after, colon hujson.Extra) {
	if owner == nil {
		// Docker and podman indent with a tab, so an empty file becomes theirs.
		end := lineStart(o.AfterExtra)
		if !bytes.Contains(end, []byte("\n")) {
			end = hujson.Extra(d.newline())
		}
		return slices.Concat(end, hujson.Extra("\t")), end, hujson.Extra(" ")
	}
	end := lineStart(owner.Name.BeforeExtra)
	if !bytes.Contains(end, []byte("\n")) {
		return nil, nil, afterColon(owner)
	}
	return slices.Concat(end, d.indent()), end, afterColon(owner)
}

// indent returns what one level adds, judged by the first member of the root.
func (d *Document) indent() hujson.Extra {
	level := bytes.TrimLeft(lineStart(d.root.Members[0].Name.BeforeExtra), "\r\n")
	base := bytes.TrimLeft(lineStart(d.root.AfterExtra), "\r\n")
	return bytes.TrimPrefix(level, base)
}

// newline returns the line ending of the text around the root.
func (d *Document) newline() string {
	if bytes.Contains(d.value.BeforeExtra, []byte("\r\n")) || bytes.Contains(d.value.AfterExtra, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// cut removes member i. The white space of the place stays with the place, so
// that cutting what insert has added gives the text of before.
func (d *Document) cut(o *hujson.Object, i int) {
	n := len(o.Members)
	switch {
	case n == 1:
		o.AfterExtra = d.hollow[o]
		delete(d.hollow, o)
	case i == 0:
		o.Members[1].Name.BeforeExtra = o.Members[0].Name.BeforeExtra
	case i == n-1:
		// White space there would be written with a comma behind it.
		o.Members[n-2].Value.AfterExtra = nil
	}
	o.Members = slices.Delete(o.Members, i, i+1)
}

// lineStart returns the last line break and the indentation behind it, so that
// an empty line between two members is not copied; without one, all of it.
func lineStart(b hujson.Extra) hujson.Extra {
	i := bytes.LastIndexByte(b, '\n')
	if i > 0 && b[i-1] == '\r' {
		i--
	}
	return bytes.Clone(b[max(i, 0):])
}

// afterColon returns the white space between colon and value, on one line.
func afterColon(m *hujson.ObjectMember) hujson.Extra {
	if bytes.Contains(m.Value.BeforeExtra, []byte("\n")) {
		return hujson.Extra(" ")
	}
	return bytes.Clone(m.Value.BeforeExtra)
}
