//go:build !linux

package testenv

// InMemory is nothing: only Linux has such a place for sure.
func InMemory() []string { return nil }
