package login

import (
	"regshape/store"
	"regshape/store/keys"
)

func (e *env) locate() (store.Location, error) {
	return e.locateProfile(e.Profile)
}

func (e *env) locateProfile(profile string) (store.Location, error) {
	return store.Locate(store.Options{Dir: e.Store, Profile: profile, SudoUID: e.Getenv("SUDO_UID"), Notice: func(err error) { e.passedOver(err) }})
}

// passedOver warns of what is wrong with a store and stops nothing.
func (e *env) passedOver(err error) { e.warn("%s.", e.problem(err)) }

// openStore opens the store that the flags and the environment name.
func (e *env) openStore() (*store.Store, error) {
	loc, err := e.locate()
	if err != nil {
		return nil, err
	}
	return store.Open(loc, e.sources())
}

// sources knows where keys can be, also by the environment.
func (e *env) sources() keys.Sources {
	return keys.Sources{KeyFile: absolute(e.Getenv("REGSHAPE_KEY_FILE"))}
}
