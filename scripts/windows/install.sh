#!/bin/sh
# Installs what `make windows` needs, on Debian: wine, a C compiler for Windows, and a
# registry with htpasswd for its accounts.
set -eu
sh "$(dirname "$0")/../debian.sh" /usr/lib/wine/wine64=wine64 \
	x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64-win32 docker-registry htpasswd=apache2-utils
