package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"regshape/store"
)

// maxAgeFile bounds, in bytes, what is read of an age file; ours are under 4 KiB.
const maxAgeFile = 1 << 20

var (
	errNotAge     = errors.New("not an age file: give one, or restore it from a backup")
	errDamagedAge = errors.New("it is damaged: restore it from a backup")
)

// SealBackup writes the key line as an age file with armor, which the age program opens,
// too. The error may be [ErrFIPS] or that of ctx.
func SealBackup(ctx context.Context, w io.Writer, k store.RootKey, to Recipient) error {
	if err := checkFIPS(); err != nil {
		return err
	}
	data, err := encrypt(ctx, k.Line()+"\n", to)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	a := armor.NewWriter(&text)
	if _, err := a.Write(data); err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return err
	}
	_, err = w.Write(text.Bytes())
	return err
}

// OpenBackup reads an age file, with armor or without, of at most 1 MiB, that holds a key
// line. Errors are [ErrNoSlot], [ErrWrongPassphrase], [store.ErrKeyDamaged], [ErrFIPS],
// that of ctx, or say what is wrong with the file and quote nothing of it.
func OpenBackup(ctx context.Context, data []byte, o Opener) (store.RootKey, error) {
	if err := checkFIPS(); err != nil {
		return store.RootKey{}, err
	}
	f, err := readAgeFile(data)
	if err != nil {
		return store.RootKey{}, fmt.Errorf("the backup cannot be opened: %w", err)
	}
	var line []byte
	if f.passphrase() {
		line, err = f.openAsking(ctx, o.Passphrase)
	} else {
		line, err = f.openWith(ctx, o.Identities)
	}
	if err != nil {
		return store.RootKey{}, fmt.Errorf("the backup cannot be opened: %w", err)
	}
	k, err := store.ParseKeyLine(string(line))
	if err != nil {
		return store.RootKey{}, fmt.Errorf("the backup: %w", err)
	}
	return k, nil
}

// openWith tries identities, those first that need no plugin.
func (f ageFile) openWith(ctx context.Context, ids []age.Identity) ([]byte, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: it is encrypted to an age recipient, whose identity is needed", ErrNoSlot)
	}
	reason := fmt.Errorf("%w: it is encrypted to another age identity than given", ErrNoSlot)
	for _, t := range trials(Opener{Identities: ids}, []slotFile{{file: f}}) {
		line, err := f.open(ctx, t.identity)
		if err == nil {
			return line, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			reason = fmt.Errorf("%w; %w", reason, err)
		}
	}
	return nil, reason
}

// openAsking asks for the passphrase.
func (f ageFile) openAsking(ctx context.Context, ask func() (string, error)) ([]byte, error) {
	if ask == nil {
		return nil, errCannotAsk
	}
	if err := checkMemory(f.logN); err != nil {
		return nil, err
	}
	passphrase, err := ask()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil { // it is empty
		return nil, ErrWrongPassphrase
	}
	line, err := f.open(ctx, id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		err = ErrWrongPassphrase
	}
	return line, err
}

// ageFile is an age file without armor whose header has been looked at.
type ageFile struct {
	data []byte
	logN int // log2 of scrypt's N, 0 without a passphrase
}

func (f ageFile) passphrase() bool { return f.logN > 0 }

// readAgeFile takes off the armor and reads the header as far as is needed to know what
// opening the file takes. age's own errors would quote the file, which may be secret.
func readAgeFile(data []byte) (ageFile, error) {
	if len(data) > maxAgeFile {
		return ageFile{}, fmt.Errorf("%w: it is larger than %d bytes", errNotAge, maxAgeFile)
	}
	if !isAgeFile(data) {
		return ageFile{}, errNotAge
	}
	if !bytes.HasPrefix(data, []byte(ageIntro)) {
		var err error
		if data, err = io.ReadAll(armor.NewReader(bytes.NewReader(data))); err != nil || !bytes.HasPrefix(data, []byte(ageIntro)) {
			return ageFile{}, errDamagedAge
		}
	}
	logN, err := scryptWork(data)
	return ageFile{data, logN}, err
}

const ageIntro = "age-encryption.org/v1\n"

func isAgeFile(data []byte) bool {
	return bytes.HasPrefix(data, []byte(ageIntro)) || bytes.HasPrefix(bytes.TrimSpace(data), []byte(armor.Header))
}

// open decrypts the file. The error is [age.ErrIncorrectIdentity] where it is not
// encrypted to id.
func (f ageFile) open(ctx context.Context, id age.Identity) ([]byte, error) {
	if f.passphrase() {
		defer debug.FreeOSMemory() // scrypt's memory, before the next one asks for as much
	}
	plaintext, err := interruptible(ctx, func() ([]byte, error) {
		r, err := age.Decrypt(bytes.NewReader(f.data), id)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	})
	var noMatch *age.NoIdentityMatchError
	var failed *PluginError
	switch {
	case err == nil:
		return plaintext, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &noMatch):
		return nil, age.ErrIncorrectIdentity
	case errors.As(err, &failed):
		return nil, failed
	}
	return nil, errDamagedAge // the cause may quote the file
}

// encrypt returns an age file without armor.
func encrypt(ctx context.Context, plaintext string, to Recipient) ([]byte, error) {
	if to.recipient == nil {
		return nil, errors.New("there is nothing to encrypt to")
	}
	if to.kind == typePassphrase {
		defer debug.FreeOSMemory() // see open
	}
	data, err := interruptible(ctx, func() ([]byte, error) {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, to.recipient)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(w, strings.NewReader(plaintext)); err != nil {
			return nil, err
		}
		err = w.Close() // writes the last part
		return sealed.Bytes(), err
	})
	var failed *PluginError
	if errors.As(err, &failed) {
		return nil, failed
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt with age: %w", err)
	}
	return data, nil
}

// interruptible returns when ctx ends, and leaves work to itself then: age takes no
// context, a plugin may wait for a touch forever, and it ends when this
// process does, because its input ends.
func interruptible(ctx context.Context, work func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := work()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
