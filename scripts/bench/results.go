package main

import (
	"cmp"
	"slices"
)

// results is what a run of the benchmark has found.
type results struct {
	empty      *operation
	operations []*operation // of all tools
	unlocked   *operation   // nil where it was not measured
	rounds     int
	dir        string // what the stores lie below
	binary     int64  // bytes of the stripped program
	inits      []initCost
	traced     bool
	notes      []string // what was not measured, and why
}

// find returns the operation, or nil where it was not measured.
func (r *results) find(tool string, a action, size int) *operation {
	i := slices.IndexFunc(r.operations, func(o *operation) bool {
		return o.tool == tool && o.action == a && o.size == size
	})
	if i < 0 {
		return nil
	}
	return r.operations[i]
}

// sizes returns with how many credentials an action of regshape was measured.
func (r *results) sizes(a action) []int {
	var sizes []int
	for _, o := range r.operations {
		if o.tool == ours && o.action == a {
			sizes = append(sizes, o.size)
		}
	}
	slices.SortFunc(sizes, cmp.Compare)
	return sizes
}
