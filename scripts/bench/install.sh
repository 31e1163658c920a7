#!/bin/sh
# Installs what `make bench` compares with, on Debian: docker's helpers for pass and the
# Secret Service with what stands behind them.
set -eu

if ! command -v pass >/dev/null 2>&1 || ! command -v docker-credential-pass >/dev/null 2>&1; then
	echo "install.sh: note: once it finds pass and docker-credential-pass, a docker without any login uses them" >&2
fi
# pass needs tree for what docker's helper asks first.
sh "$(dirname "$0")/../debian.sh" \
	docker-credential-pass=golang-docker-credential-helpers pass gpg=gnupg tree \
	docker-credential-secretservice=golang-docker-credential-helpers dbus-run-session=dbus-daemon \
	gnome-keyring-daemon=gnome-keyring
