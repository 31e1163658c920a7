package keys

import (
	"context"
	"errors"
	"time"

	"github.com/godbus/dbus/v5"
)

func systemRing() ring { return secretService{100 * time.Millisecond} }

// secretService is the Secret Service of the desktop, as
// https://specifications.freedesktop.org/secret-service-spec/ has it. It is spoken here
// and not through a library, since those raise the unlock dialog from every call, wait
// for it without end, and trust the types of what the service answers.
//
// The connection is made for one call: closing it also ends a session and a prompt that
// were opened over it.
type secretService struct {
	pause time.Duration // before it is asked again for what is not there
}

const (
	secretsName  = "org.freedesktop.secrets"
	secretsPath  = "/org/freedesktop/secrets"
	secretsIface = "org.freedesktop.Secret."
)

// secret is what the service calls a Secret, (oayays).
type secret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

func attributes(account string) map[string]string {
	return map[string]string{"service": ringService, "account": account}
}

func (s secretService) get(ctx context.Context, account string) (value string, err error) {
	err = s.insist(ctx, func() error {
		value, err = getItem(ctx, account)
		return err
	})
	return value, err
}

func (s secretService) set(ctx context.Context, account, value string) error {
	return s.insist(ctx, func() error { return setItem(ctx, account, value) })
}

func (s secretService) remove(ctx context.Context, account string) error {
	return s.insist(ctx, func() error { return removeItems(ctx, account) })
}

// insist asks a few times more when something is not there. After a row of writes, GNOME
// Keyring 42 was seen to deny for a moment that it has a default collection, in about one
// of some hundred calls; the next ones found it.
func (s secretService) insist(ctx context.Context, f func() error) error {
	err := f()
	for range 3 {
		if !errors.Is(err, errNoItem) && !errors.Is(err, errNoCollection) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.pause):
		}
		err = f()
	}
	return err
}

func getItem(ctx context.Context, account string) (string, error) {
	b, err := openBus(ctx)
	if err != nil {
		return "", err
	}
	defer b.close()
	if _, err := b.unlockedCollection(); err != nil {
		return "", err
	}
	items, err := b.search(account)
	if err != nil {
		return "", err
	}
	session, err := b.openSession()
	if err != nil {
		return "", err
	}
	var s secret
	if err := b.call(items[0], "Item.GetSecret", session).Store(&s); err != nil {
		return "", busError(err)
	}
	return string(s.Value), nil
}

func setItem(ctx context.Context, account, value string) error {
	b, err := openBus(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	collection, err := b.unlockedCollection()
	if err != nil {
		return err
	}
	session, err := b.openSession()
	if err != nil {
		return err
	}
	properties := map[string]dbus.Variant{
		secretsIface + "Item.Label":      dbus.MakeVariant("regshape store key " + account),
		secretsIface + "Item.Attributes": dbus.MakeVariant(attributes(account)),
	}
	s := secret{Session: session, Parameters: []byte{}, Value: []byte(value), ContentType: "text/plain"}
	var item, prompt dbus.ObjectPath
	if err := b.call(collection, "Collection.CreateItem", properties, s, true).Store(&item, &prompt); err != nil {
		return busError(err)
	}
	return refusePrompt(prompt)
}

func removeItems(ctx context.Context, account string) error {
	b, err := openBus(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.unlockedCollection(); err != nil {
		return err
	}
	items, err := b.search(account)
	if err != nil {
		return err
	}
	for _, item := range items {
		var prompt dbus.ObjectPath
		if err := b.call(item, "Item.Delete").Store(&prompt); err != nil {
			return busError(err)
		}
		if err := refusePrompt(prompt); err != nil {
			return err
		}
	}
	return nil
}

func (secretService) unlock(ctx context.Context) error {
	b, err := openBus(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	collection, err := b.defaultCollection()
	if err != nil {
		return err
	}
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	if err := b.call(secretsPath, "Service.Unlock", []dbus.ObjectPath{collection}).Store(&done, &prompt); err != nil {
		return busError(err)
	}
	if prompt != noObject {
		if err := b.prompt(prompt); err != nil {
			return err
		}
	}
	_, err = b.unlockedCollection() // the user may have dismissed the dialog
	return err
}
