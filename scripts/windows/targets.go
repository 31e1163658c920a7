package main

import (
	"fmt"
	"path"
	"slices"
)

// target is a package whose tests run under wine.
type target struct {
	pkg   string
	run   string            // those of -run; "" for all
	skip  map[string]string // tests that are left out, and why. Those that skip themselves say so
	linux bool              // it runs here, and starts programs under wine
}

// Why tests are left out that do not say so themselves.
const (
	slow   = "slow under wine, and nothing in it is about Windows"
	inFile = "it puts another key into the key file; on Windows the key is in Credential Manager"
	links  = "wine makes symbolic links, and does not follow them"
	names  = "its file names do not exist on Windows"
	paths  = "it expects the paths of Unix"
	home   = "without XDG variables Windows asks the system for the directories, not HOME"
	words  = "it expects what a Unix shell is told"
	modes  = "Windows has no modes"
)

// targets are the packages with tests that Windows can run, those that take longest first.
var targets = []target{
	{pkg: "./store", skip: map[string]string{
		"TestRotate_failingDisk":      slow,
		"TestFailingDiskLosesNothing": slow,
		"TestLies":                    slow,
		"TestRotate_underWriters":     slow,
		"TestRotate_atOnce":           slow,
		"TestLostKey":                 inFile,
		"TestLostKey_wrongAndDamaged": inFile,
		"TestLostKey_emptyStore":      inFile,
		"TestReset":                   inFile,
		"TestProfiles_separate":       inFile,
		"TestForget":                  names,
		"TestSweep_keepsStrays":       names,
		"TestLocation_fileNames":      paths,
		"TestLocate_unnamedHome":      home,
		"TestLocate_relativeHome":     home,
		"TestLocate_missingHome":      home,
		"TestReadFile_closes":         modes,
	}},
	{pkg: "."},
	{pkg: "./scripts/windows", linux: true},
	{pkg: "./store/durable"},
	{pkg: "./store/process"},
	{pkg: "./store/printable"},
	{pkg: "./store/trust", skip: map[string]string{"TestCheck_storePath": links}},
	{pkg: "./store/source", skip: map[string]string{"TestGet_manyOfPattern": slow}},
	{pkg: "./store/lend"},
	{pkg: "./store/keys", skip: map[string]string{"TestOpenRefusesUnsafeFiles": links}},
	{pkg: "./credhelper"},
	{pkg: "./credhelper/kubelet"},
	{pkg: "./login/account"},
	{pkg: "./login/app", skip: map[string]string{
		"TestOwnCommandsRepeatFlags": paths,
		"TestAdvice":                 words,
		"TestAdvice_otherTools":      words,
		"TestFileAdvice":             words,
		"TestFileAdvice_storeAlone":  words,
		"TestPathLine":               words,
	}},
	{pkg: "./login/authfile"},
	{pkg: "./login/custody"},
	{pkg: "./login/doctor"},
	{pkg: "./login/forward"},
	{pkg: "./login/importer"},
	{pkg: "./login/lookup"},
	{pkg: "./login/redact"},
	{pkg: "./login/registry"},
	{pkg: "./login/setup"},
	{pkg: "./login/terminal"},
	{pkg: "./login"},
}

// choose returns the targets of these packages, or all.
func choose(packages []string) (chosen []target, err error) {
	for _, pkg := range packages {
		i := slices.IndexFunc(targets, func(t target) bool { return path.Clean(t.pkg) == path.Clean(pkg) })
		if i < 0 {
			return nil, fmt.Errorf("%s is not in targets.go", pkg)
		}
		chosen = append(chosen, targets[i])
	}
	if len(packages) == 0 {
		chosen = targets
	}
	return chosen, nil
}
