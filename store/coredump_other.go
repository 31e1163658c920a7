//go:build unix && !linux

package store

func notDumpable() {}
