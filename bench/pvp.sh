#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# pvp.sh [--quick] [--json FILE] [...]: the benchmark with both directions. Installs what is missing
# (gnuplot and Open vSwitch are only wished for), builds, and hands over to pvp.py; --help lists its
# options.
set -euo pipefail

top=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
limit=3600 # seconds, whatever happens; a default run takes about 15 minutes

for arg in "$@"; do
	if [[ $arg == --help || $arg == -h ]]; then
		exec python3 "$top/bench/pvp.py" --help
	fi
done
if ((EUID != 0)); then
	echo "pvp.sh: run as root: CPUs, memory and sockets are reserved" >&2
	exit 1
fi
{
	"$top/config/install-deps.sh" </dev/null
	"$top/config/install-deps.sh" --bench </dev/null ||
		echo "pvp.sh: going on without what could not be installed"
	if [[ ! -f $top/build/build.ninja ]]; then
		meson setup "$top/build" "$top" >/dev/null
	fi
	ninja -C "$top/build" --quiet | sed '/^ninja: no work to do\.$/d'
} >&2
exec timeout --foreground --kill-after=30 "$limit" python3 "$top/bench/pvp.py" "$@"
