package store

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// strangeDisk does something of its own around the steps of the real one.
type strangeDisk struct {
	osDisk
	linked  func(to string) error
	made    func(path string) error
	renamed func(from, to string) error // in place of the rename, unless nil
}

func (d strangeDisk) link(from, to string) error {
	err := d.osDisk.link(from, to)
	if d.linked != nil && err == nil {
		err = d.linked(to)
	}
	return err
}

func (d strangeDisk) mkdir(path string) error {
	err := d.osDisk.mkdir(path)
	if d.made != nil && err == nil {
		err = d.made(path)
	}
	return err
}

func (d strangeDisk) rename(from, to string) error {
	if d.renamed != nil {
		return d.renamed(from, to)
	}
	return d.osDisk.rename(from, to)
}

// mark tells its run what became of the store since it looked.
func TestMarkSeesWhatHappened(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	if err := s.mark(kid, twoToken); !errors.Is(err, ErrRotating) {
		t.Errorf("beside another marker: %v", err)
	}

	s, _, kid = markedStore(t)
	times := 0
	s.disk = strangeDisk{made: func(path string) error { // the end of another run removes the folder
		if times++; times < 3 {
			return os.Remove(path)
		}
		return nil
	}}
	if err := s.mark(kid, oneToken); err != nil || times != 3 {
		t.Errorf("the folder was gone twice: %v, made %d times", err, times)
	}
	s, _, kid = markedStore(t)
	s.disk = strangeDisk{made: func(path string) error { times++; return os.Remove(path) }}
	times = 0
	if err := s.mark(kid, oneToken); !errors.Is(err, errMoved) || times != 3 {
		t.Errorf("the folder is always gone: %v, made %d times", err, times)
	}
	s.disk = strangeDisk{linked: os.Remove} // taken back at once
	if err := s.mark(kid, oneToken); !errors.Is(err, errMoved) {
		t.Errorf("a marker that is gone at once: %v", err)
	}
	s.disk = strangeDisk{linked: func(string) error { // and a newer version marks the store, too
		return os.WriteFile(filepath.Join(s.loc.markerFolder(kid), twoToken), []byte("newer"), 0o600)
	}}
	if err := s.mark(kid, oneToken); !errors.Is(err, ErrNewer) {
		t.Errorf("beside a marker of a newer version: %v", err)
	}
	if err := os.Remove(filepath.Join(s.loc.markerFolder(kid), twoToken)); err != nil {
		t.Fatal(err)
	}
	spoiled := *s
	config, err := os.ReadFile(s.loc.configFile())
	if err != nil {
		t.Fatal(err)
	}
	spoiled.disk = strangeDisk{linked: func(string) error { return os.WriteFile(s.loc.configFile(), []byte("garbage"), 0o600) }}
	if err := os.RemoveAll(s.loc.markerFolder(kid)); err != nil {
		t.Fatal(err)
	}
	if err := spoiled.mark(kid, oneToken); err == nil || errors.Is(err, errMoved) {
		t.Errorf("with a config that becomes garbage: %v", err)
	}
	if err := os.WriteFile(s.loc.configFile(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	s.disk = osDisk{}
	if err := s.mark(NewRootKey().KID(), oneToken); !errors.Is(err, errMoved) {
		t.Errorf("in a generation that is gone: %v", err)
	}

	for what, change := range map[string]func(c *Config){
		"key":   func(c *Config) { c.KID = NewRootKey().KID() },
		"place": func(c *Config) { c.Key.Recipient = "age1x" },
	} {
		s, _, kid := markedStore(t)
		next := s.config
		change(&next)
		data, err := next.marshal()
		if err == nil {
			err = publish(osDisk{}, s.loc.configFile(), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.mark(kid, oneToken); !errors.Is(err, errMoved) {
			t.Errorf("the store has another %s: %v", what, err)
		}
	}
}

// Only the rename of its own config commits a transition.
func TestCommitThatWasTakenBack(t *testing.T) {
	s, _, _ := markedStore(t, oneToken)
	next := s.config
	next.KID = NewRootKey().KID()
	if err := s.commit(twoToken, next); !errors.Is(err, errMoved) {
		t.Errorf("without a staged config: %v", err)
	}
	moved := next
	moved.KID, moved.Key.Recipient = s.config.KID, "age1x"
	if err := s.commit(twoToken, moved); !errors.Is(err, errMoved) {
		t.Errorf("to another place, without a staged config: %v", err)
	}
	s.disk = strangeDisk{renamed: func(string, string) error { return syscall.EIO }}
	if err := s.commit(oneToken, next); !errors.Is(err, syscall.EIO) || errors.Is(err, errMoved) {
		t.Errorf("a rename that fails: %v", err)
	}
}

// The directory of the markers may go while it is looked at: its last marker did.
func TestMarkersWhileTheyGo(t *testing.T) {
	s := memoryStore(t, t.TempDir(), &memoryKey{})
	mustPut(t, s, "h.example", "secret")
	c, err := s.Custody()
	if err != nil {
		t.Fatal(err)
	}
	folder := s.loc.markerFolder(c.KID)
	stop := make(chan bool)
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = os.Mkdir(folder, 0o700), os.Remove(folder)
			}
		}
	}()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if tokens, err := s.markers(c.KID); err != nil || len(tokens) > 0 {
			t.Fatalf("got %v, %v", tokens, err)
		}
	}
}
