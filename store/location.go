package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/adrg/xdg"

	"regshape/store/durable"
)

// Options choose which store to use.
type Options struct {
	Dir     string // one directory for data, key and config (REGSHAPE_STORE); "" for the XDG directories
	Profile string // "" for the default profile (REGSHAPE_PROFILE)
	SudoUID string // the environment's SUDO_UID, "" outside sudo

	// Notice, unless nil, is called once for each problem that a run found and passed over.
	// It may be called by several goroutines.
	Notice func(error)
}

// Location is where one store keeps its files. No directory needs to exist.
type Location struct {
	Data, State, Config string // absolute paths

	above   []string // of a profile: the store directories around it
	home    string   // must exist before directories are made below it; "" with Options.Dir
	noHome  bool     // the environment names no home, so a directory is only a guess
	sudoUID string
	notice  func(error)
	noticed *sync.Map // reported problems
}

func (l Location) passedOver(err error) {
	if l.notice == nil {
		return
	}
	if _, reported := l.noticed.LoadOrStore(err.Error(), true); !reported {
		l.notice(err)
	}
}

// Locate finds the directories of a store. It creates nothing.
func Locate(o Options) (Location, error) {
	var loc Location
	if o.Dir != "" {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return Location{}, fmt.Errorf("find the store directory: %w", err)
		}
		loc = Location{Data: dir, State: dir, Config: dir}
	} else {
		loc = Location{
			noHome:  noHome(),
			Data:    below(xdg.DataHome),
			State:   below(xdg.StateHome),
			Config:  below(xdg.ConfigHome),
			home:    filepath.Clean(xdg.Home),
			sudoUID: o.SudoUID,
		}
	}
	loc.notice, loc.noticed = o.Notice, new(sync.Map)
	if o.Profile == "" {
		return loc, nil
	}
	if err := CheckProfile(o.Profile); err != nil {
		return Location{}, err
	}
	for _, dir := range []*string{&loc.Data, &loc.State, &loc.Config} {
		profiles := filepath.Join(*dir, "profiles")
		loc.above = append(loc.above, *dir, profiles)
		*dir = filepath.Join(profiles, o.Profile)
	}
	return loc, nil
}

// below is regshape's directory in one of the user's, which is "" without a home: then no
// directory of whoever owns the current one is taken for it.
func below(dir string) string {
	if !filepath.IsAbs(dir) {
		dir = string(filepath.Separator) + dir
	}
	return filepath.Join(dir, "regshape")
}

// HomeVariable is the environment variable that names the home directory on a system.
func HomeVariable(goos string) string {
	if goos == "windows" {
		return "USERPROFILE"
	}
	return "HOME"
}

// Home is the user's home directory, "" where the environment names none. A relative path is
// none: it would be a directory of whoever owns the current one.
func Home() string {
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	return home
}

// noHome reports whether a directory depends on a home that the environment does not name.
func noHome() bool {
	named := func(name string) bool { return filepath.IsAbs(os.Getenv(name)) } // a relative one is ignored
	return Home() == "" && (!named("XDG_DATA_HOME") || !named("XDG_STATE_HOME") || !named("XDG_CONFIG_HOME"))
}

// CheckProfile accepts [a-z0-9][a-z0-9._-]{0,63} that does not end with a dot: Windows drops
// that dot, and would take two profiles for one.
func CheckProfile(name string) error {
	ok := name != "" && len(name) <= 64 && !strings.ContainsRune("._-", rune(name[0]))
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c))
	}
	if !ok || strings.HasSuffix(name, ".") {
		return errors.New("a profile name is 1 to 64 of a-z, 0-9, '.', '_' and '-', begins with a letter or digit, and does not end with a dot: choose another")
	}
	return nil
}

// KeyFile is where the key source "file" keeps the key line.
func (l Location) KeyFile() string { return filepath.Join(l.State, "key") }

// StagedKeyFile is where that source keeps the key that the store is about to switch to.
func (l Location) StagedKeyFile(kid string) string { return l.KeyFile() + ".next-" + kid }

// SlotsDir is where the key source "slots" keeps the store's age identity, once for each
// slot. It is named after the identity's recipient.
func (l Location) SlotsDir(recipient string) string {
	id := sha256.Sum256([]byte(recipient))
	return filepath.Join(l.v1(), "slots", hex.EncodeToString(id[:8]))
}

// SealedKeyFile is where that source keeps the key line, encrypted to the store's own
// age recipient.
func (l Location) SealedKeyFile(kid string) string {
	return filepath.Join(l.v1(), "key-"+kid+".age")
}

func (l Location) namesFile() string { return filepath.Join(l.State, "names") }

func (l Location) configFile() string { return filepath.Join(l.Config, "config") }

func (l Location) stagedConfig(token string) string { return l.configFile() + ".next-" + token }

func (l Location) copiesDir(token string) string { return filepath.Join(l.v1(), copiesPrefix+token) }

func (l Location) markerDir(kid string) string {
	return filepath.Join(l.Generation(kid), markerName)
}

func (l Location) v1() string { return filepath.Join(l.Data, "v1") }

// Generation returns the directory of the entries sealed under a kid.
func (l Location) Generation(kid string) string { return filepath.Join(l.v1(), "g-"+kid) }

// generations lists the kids that have a directory.
func (l Location) generations() ([]string, error) {
	entries, err := durable.ReadDir(l.v1())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the store: %w", err)
	}
	var kids []string
	for _, e := range entries {
		if kid, ok := strings.CutPrefix(e.Name(), "g-"); ok {
			kids = append(kids, kid)
		}
	}
	return kids, nil
}

// checkOwned refuses directories of the store that belong to another user or that others can
// write to. Directories that do not exist are fine.
func (l Location) checkOwned() error {
	tops, below := l.dirs()
	for _, dir := range tops {
		if err := durable.CheckTopDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range below {
		if err := durable.CheckDirIfAny(dir); err != nil {
			return err
		}
	}
	return nil
}

// dirs returns the directories that every store has, each once: those that the environment or
// the user names, and those that regshape makes below.
func (l Location) dirs() (tops, below []string) {
	tops, below = []string{l.Data, l.State, l.Config}, []string{l.v1()}
	if len(l.above) > 0 { // in pairs: a top directory, and profiles below it
		below = append(below, tops...)
		tops = nil
		for pair := range slices.Chunk(l.above, 2) {
			tops, below = append(tops, pair[0]), append(below, pair[1])
		}
	}
	return each(tops), each(below)
}

// each drops duplicates.
func each(dirs []string) (once []string) {
	for _, dir := range dirs {
		if !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

// checkWritable refuses to create root's files in the home of the user who called sudo, and
// anything below a home that does not exist.
func (l Location) checkWritable() error {
	if l.home == "" {
		return nil
	}
	variable := HomeVariable(runtime.GOOS)
	if home := os.Getenv(variable); l.noHome && home != "" {
		return fmt.Errorf("%w: %s is not an absolute path: %q", ErrNoHome, variable, home)
	}
	if l.noHome {
		return ErrNoHome
	}
	below := slices.ContainsFunc([]string{l.Data, l.State, l.Config}, func(dir string) bool {
		return strings.HasPrefix(dir, l.home+string(filepath.Separator))
	})
	info, err := os.Stat(l.home)
	if errors.Is(err, fs.ErrNotExist) {
		if below {
			return fmt.Errorf("%w: %s does not exist", ErrNoHome, l.home)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("check the home directory: %w", err)
	}
	if uid, known := durable.OwnerOf(info); l.sudoUID != "" && known && os.Geteuid() == 0 && uid != 0 {
		return fmt.Errorf("%w: under sudo this would put root's files into %s, which belongs to uid %d: run it without sudo, or with sudo -H",
			durable.ErrUnsafe, l.home, uid)
	}
	return nil
}
