package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"regshape/store"
)

// bus is a connection on which all calls end with one context.
type bus struct {
	ctx  context.Context
	conn *dbus.Conn
}

// openBus connects to the session's bus if there is one.
func openBus(ctx context.Context) (bus, error) {
	address, err := busAddress()
	if err != nil {
		return bus{}, err
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return bus{}, fmt.Errorf("%w: %w: D-Bus session %s: %w", store.ErrLocked, ErrNoKeyring, address, err)
	}
	return bus{ctx, conn}, nil
}

// busAddress finds the bus as libdbus does, but for the last resort there: that starts a
// bus of its own, which nobody else would be on, and which would stay behind. Over tcp the
// key would cross a network in clear, see openSession.
func busAddress() (string, error) {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address != "" && !strings.HasPrefix(address, "autolaunch:") {
		local := slices.DeleteFunc(strings.Split(address, ";"), func(one string) bool { return !strings.HasPrefix(one, "unix:") })
		if len(local) == 0 {
			return "", fmt.Errorf("%w: it is asked over a Unix socket only, and DBUS_SESSION_BUS_ADDRESS is not a unix: address", ErrNoKeyring)
		}
		return strings.Join(local, ";"), nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		socket := filepath.Join(dir, "bus")
		_, err := os.Stat(socket)
		if err == nil {
			return "unix:path=" + dbus.EscapeBusAddressValue(socket), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%w: %w: %w", store.ErrLocked, ErrNoKeyring, err)
		}
	}
	return "", fmt.Errorf("%w: %w: no D-Bus session (DBUS_SESSION_BUS_ADDRESS is not set)", store.ErrLocked, ErrNoKeyring)
}

// close ends the connection. That it cannot be closed concerns nobody any more.
func (b bus) close() { _ = b.conn.Close() }

func (b bus) call(object dbus.ObjectPath, method string, arguments ...any) *dbus.Call {
	return b.conn.Object(secretsName, object).CallWithContext(b.ctx, secretsIface+method, 0, arguments...)
}

// noObject is the service's way to say "none".
const noObject dbus.ObjectPath = "/"

func (b bus) defaultCollection() (dbus.ObjectPath, error) {
	var path dbus.ObjectPath
	if err := b.call(secretsPath, "Service.ReadAlias", "default").Store(&path); err != nil {
		return "", busError(err)
	}
	if path == noObject {
		return "", errNoCollection
	}
	return path, nil
}

// unlockedCollection returns the default collection, and [store.ErrLocked] where it is
// locked. To ask for that is to keep the service from asking the user.
func (b bus) unlockedCollection() (dbus.ObjectPath, error) {
	path, err := b.defaultCollection()
	if err != nil {
		return "", err
	}
	var value dbus.Variant
	err = b.conn.Object(secretsName, path).CallWithContext(b.ctx, "org.freedesktop.DBus.Properties.Get", 0,
		secretsIface+"Collection", "Locked").Store(&value)
	if err != nil {
		return "", busError(err)
	}
	locked, ok := value.Value().(bool)
	if !ok {
		return "", errors.New("the OS keyring does not say whether it is locked: check the desktop's password manager")
	}
	if locked {
		return "", errRingLocked
	}
	return path, nil
}

// search returns at least one item.
func (b bus) search(account string) ([]dbus.ObjectPath, error) {
	var items, locked []dbus.ObjectPath
	if err := b.call(secretsPath, "Service.SearchItems", attributes(account)).Store(&items, &locked); err != nil {
		return nil, busError(err)
	}
	switch {
	case len(items) > 0:
		return items, nil
	case len(locked) > 0:
		return nil, errRingLocked
	}
	return nil, errNoItem
}

// openSession has secrets cross the bus in clear. The bus is the user's own, and whoever
// can listen on it can as well ask the service for the secret.
func (b bus) openSession() (dbus.ObjectPath, error) {
	var output dbus.Variant
	var session dbus.ObjectPath
	if err := b.call(secretsPath, "Service.OpenSession", "plain", dbus.MakeVariant("")).Store(&output, &session); err != nil {
		return "", busError(err)
	}
	return session, nil
}

// prompt shows the service's dialog and waits until it is done with or the context ends.
func (b bus) prompt(path dbus.ObjectPath) error {
	signals := make(chan *dbus.Signal, 16)
	b.conn.Signal(signals)
	err := b.conn.AddMatchSignalContext(b.ctx, dbus.WithMatchObjectPath(path), dbus.WithMatchInterface(secretsIface+"Prompt"))
	if err != nil {
		return busError(err)
	}
	if err := b.call(path, "Prompt.Prompt", "").Err; err != nil {
		return busError(err)
	}
	for {
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case s, open := <-signals:
			if !open {
				return errors.New("the connection to the OS keyring broke off: try again")
			}
			if s.Path == path && s.Name == secretsIface+"Prompt.Completed" {
				return nil
			}
		}
	}
}

var (
	errRingLocked   = fmt.Errorf("%w: the OS keyring is locked", store.ErrLocked)
	errNoCollection = errors.New("the OS keyring has no default collection: make one in the desktop's password manager (Seahorse, KWalletManager, KeePassXC)")
)

// refusePrompt is about a service that does what it was asked to only after it has asked
// the user: it is not told to, and so drops the request.
func refusePrompt(prompt dbus.ObjectPath) error {
	if prompt != noObject {
		return fmt.Errorf("%w: the OS keyring wants to ask you first: unlock it on the desktop", store.ErrLocked)
	}
	return nil
}

// busError says what a failed call means.
func busError(err error) error {
	failed, ok := errors.AsType[dbus.Error](err)
	switch {
	case !ok:
	case failed.Name == secretsIface+"Error.IsLocked":
		return errRingLocked
	case failed.Name == "org.freedesktop.DBus.Error.ServiceUnknown",
		failed.Name == "org.freedesktop.DBus.Error.NameHasNoOwner",
		strings.HasPrefix(failed.Name, "org.freedesktop.DBus.Error.Spawn."):
		return fmt.Errorf("no program offers the OS keyring on this D-Bus session: start gnome-keyring, KWallet or KeePassXC with its Secret Service: %w", err)
	}
	return fmt.Errorf("OS keyring: check the desktop's password manager: %w", err)
}
