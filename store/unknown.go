package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// mergeUnknown returns the JSON object known with the fields of before that the struct
// T does not have. Fields of T that known leaves out stay out: they were cleared.
func mergeUnknown[T any](before, known []byte) ([]byte, error) {
	var merged, fields map[string]json.RawMessage
	if err := json.Unmarshal(before, &merged); err != nil {
		return nil, fmt.Errorf("re-read fields: not a JSON object")
	}
	if err := json.Unmarshal(known, &fields); err != nil {
		return nil, fmt.Errorf("re-read fields: not a JSON object")
	}
	t := reflect.TypeFor[T]()
	for name := range merged {
		// encoding/json matches names without regard to case, so this does too.
		if f, has := t.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) }); has && f.IsExported() {
			delete(merged, name)
		}
	}
	for name, value := range fields {
		merged[name] = value
	}
	return json.Marshal(merged)
}
