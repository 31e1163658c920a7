#!/bin/sh
# Installs what the end-to-end tests run against, on Debian: real docker, podman,
# skopeo and buildah clients, docker's engine, a real docker-registry, htpasswd for its
# accounts, nginx to stand in front of it, and what makes namespaces. It starts no
# service, and installs nothing when all is there. Clients that Debian does not have are
# built with Go into bin/clients.
set -eu

# Built again when their versions or our own programs have changed. With an empty cache
# Go needs nine minutes of CPU time for them, seven of these for helm.
build_clients() {
	cd "$(dirname "$0")/clients"
	out=../../../bin/clients
	old=
	for program in crane regctl helm orasprobe ggcrprobe; do
		if [ ! -x "$out/$program" ] ||
			[ -n "$(find . -type f -newer "$out/$program" -print -quit)" ]; then
			old="$old $program"
		fi
	done
	if [ -z "$old" ]; then
		echo "install.sh: the clients in bin/clients are up to date"
		return
	fi
	echo "install.sh: building$old"
	mkdir -p "$out"
	packages=
	for program in $old; do
		case $program in
		crane) packages="$packages github.com/google/go-containerregistry/cmd/crane" ;;
		regctl) packages="$packages github.com/regclient/regclient/cmd/regctl" ;;
		helm) packages="$packages helm.sh/helm/v4/cmd/helm" ;;
		*) packages="$packages ./$program" ;;
		esac
	done
	# One word a package, so no quotes.
	# shellcheck disable=SC2086
	CGO_ENABLED=0 "${GO:-go}" build -trimpath -ldflags '-s -w' -o "$out/" $packages
	# Go leaves a file alone that would not change.
	for program in $old; do touch "$out/$program"; done
}

# Where Debian puts nginx, dockerd and ip; not every user has the folders on PATH.
PATH=$PATH:/usr/sbin:/sbin

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
need dockerd docker.io
need ip iproute2
need unshare util-linux
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"

# Newer Debians have the client in a package of its own, beside the engine's.
docker=
command -v docker >/dev/null 2>&1 || docker="docker.io"

if [ -z "$missing$docker" ]; then
	echo "install.sh: what Debian has is here"
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

for program in docker dockerd podman skopeo buildah docker-registry htpasswd nginx ip unshare; do
	if ! command -v "$program" >/dev/null 2>&1; then
		echo "install.sh: $program is still missing" >&2
		exit 1
	fi
done
build_clients
