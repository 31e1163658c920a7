package registry

import "regshape/store/printable"

// Printable is [printable.Line].
func Printable(s string, max int) string { return printable.Line(s, max) }
