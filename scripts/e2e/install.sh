#!/bin/sh
# Installs what the end-to-end tests run against, on Debian: real docker, podman,
# skopeo and buildah clients, a real docker-registry, htpasswd for its accounts, and
# nginx to stand in front of it. It starts no service, and installs nothing when all is
# there. Clients that Debian does not have are built with Go into bin/clients.
set -eu

build_clients() {
	echo "install.sh: building crane"
	cd "$(dirname "$0")/clients"
	mkdir -p ../../../bin/clients
	CGO_ENABLED=0 "${GO:-go}" build -trimpath -ldflags '-s -w' -o ../../../bin/clients/ \
		github.com/google/go-containerregistry/cmd/crane
}

# Where Debian puts nginx; not every user has the folder on PATH.
PATH=$PATH:/usr/sbin

missing=
need() { # need PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need docker-registry docker-registry
need podman podman
need skopeo skopeo
need buildah buildah
need htpasswd apache2-utils
need nginx nginx-light

# Newer Debians have the client in a package of its own, without the engine.
docker=
command -v docker >/dev/null 2>&1 || docker="docker.io"

if [ -z "$missing$docker" ]; then
	echo "install.sh: docker, podman, skopeo, buildah, docker-registry, htpasswd and nginx are here"
	build_clients
	exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
	echo "install.sh: no apt-get here; install by hand:$missing $docker" >&2
	exit 1
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "install.sh: needs root or sudo to install:$missing $docker" >&2
		exit 1
	fi
	sudo=sudo
fi

# Debian starts the services of a package it installs unless this file says no
# (invoke-rc.d(8)). One that is there already is somebody's decision: it stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 0755 "$policy"
	# shellcheck disable=SC2064 # the values of now are meant
	trap "$sudo rm -f $policy" EXIT
	trap 'exit 1' HUP INT TERM
fi

$sudo apt-get -qq update </dev/null
if [ -n "$docker" ] && apt-cache show docker-cli >/dev/null 2>&1; then
	docker="docker-cli"
fi
echo "install.sh: installing$missing $docker"
# One word a package, so no quotes.
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
	$missing $docker </dev/null

for program in docker podman skopeo buildah docker-registry htpasswd nginx; do
	if ! command -v "$program" >/dev/null 2>&1; then
		echo "install.sh: $program is still missing" >&2
		exit 1
	fi
done
build_clients
