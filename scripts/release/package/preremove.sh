#!/bin/sh
# dpkg calls this with "remove", or "upgrade"; rpm with the number of versions that stay.
set -e
case "$1" in
remove | 0)
	cat <<'END'
regshape: every user of 'regshape auth setup' should have run 'regshape auth setup --undo'
before this removal. Those who have not now edit by hand:
  ~/.docker/config.json: remove "credsStore": "regshape", and from "credHelpers"
      every entry that names regshape
  ~/.config/containers/registries.conf.d/50-regshape.conf: remove this file, and
      what else is called -regshape.conf there and below $XDG_CONFIG_HOME
Until then podman fails and docker finds no logins: the helper is missing.
END
	;;
esac
