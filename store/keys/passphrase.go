package keys

import (
	"errors"

	"filippo.io/age"
)

// ErrWrongPassphrase means that a passphrase did not open what it was asked for.
var ErrWrongPassphrase = errors.New("the passphrase is wrong")

// workFactor is the log2 of scrypt's N for what is written here: about a second, and
// 256 MiB, for each guess. It is what the age program uses.
const workFactor = 18

// PassphraseWay is a passphrase, which scrypt turns into a key. It takes about a second
// and 256 MiB when something is encrypted, and says here already when that is not there.
// An empty passphrase is refused. The error may be [ErrFIPS].
func PassphraseWay(passphrase string) (Way, error) { return passphraseWay(passphrase, workFactor) }

func passphraseWay(passphrase string, logN int) (Way, error) {
	if err := checkFIPS(); err != nil {
		return Way{}, err
	}
	if passphrase == "" {
		return Way{}, errors.New("the passphrase is empty")
	}
	if err := checkMemory(logN); err != nil {
		return Way{}, err
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return Way{}, err
	}
	r.SetWorkFactor(logN)
	return Way{typePassphrase, r}, nil
}

var errCannotAsk = errors.New("it takes a passphrase, and there is no terminal to ask for it")
