package app

import (
	"io"
	"time"

	"regshape/store/printable"
)

// WriteJSON writes a result for programs. What is exact is a secret that was asked for.
func WriteJSON(w io.Writer, v any, exact ...string) error {
	text, err := printable.JSON(v, exact...)
	if err == nil {
		_, err = printable.Raw(w).Write(text)
	}
	return err
}

// Stamp is a time for JSON: in UTC and whole seconds, as all others.
func Stamp(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Second)
	return &t
}
