#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The README's first command with every kind of container, mapped and copied, and that it leaves
# nothing behind.
set -uo pipefail

top=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/../.." && pwd)
count=0
failed=0

# result STATUS NAME LOG
result() {
	count=$((count + 1))
	if (($1 == 0)); then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		sed 's/^/# /' "$3"
		failed=1
	fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

nothing_left() {
	! ip netns list | grep -q vfring-qs &&
		[[ ! -e /sys/class/net/vf-wire0 ]] &&
		[[ ! -e /run/vfring/web0.sock ]] &&
		[[ ! -e /run/vfring-quickstart ]]
}

for runtime in podman bwrap unshare; do
	if [[ $runtime != unshare ]] && ! command -v "$runtime" >/dev/null; then
		count=$((count + 1))
		echo "ok $count - quickstart with $runtime # SKIP $runtime is not installed"
		continue
	fi
	for mapping in auto rx off; do
		VFRING_CONTAINER=$runtime timeout 120 "$top/config/quickstart.sh" --check \
			--mapping "$mapping" >"$log" 2>&1
		result $? "quickstart --check with $runtime, mapping = $mapping" "$log"
		nothing_left
		result $? "nothing is left behind" "$log"
	done
done

# Ctrl-C during the table: a success, and as clean. timeout hands the signal on; a program that bash
# starts in the background would ignore it.
table="wire0:0 *web0 *mapped *mapped"
pid=$(mktemp)
(
	until grep -q "$table" "$log"; do
		sleep 0.1
	done
	kill -INT "$(<"$pid")"
) &
watcher=$!
# shellcheck disable=SC2016 # for the inner shell
setsid --wait bash -c 'echo $$ >"$0"; exec timeout --signal INT --preserve-status "$@"' \
	"$pid" 90 "$top/config/quickstart.sh" >"$log" 2>&1
result $? "quickstart until Ctrl-C" "$log"
kill "$watcher" 2>/dev/null
rm -f "$pid"
grep -q "$table" "$log"
result $? "it shows the table" "$log"
nothing_left
result $? "nothing is left behind" "$log"

echo "1..$count"
exit "$failed"
