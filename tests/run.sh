#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh [PATTERN]: the README's second command. Installs what is missing, builds, then runs the
# unit tests, tests/integration/ and tests/vm/, or those whose name contains PATTERN. Every test
# program prints TAP on standard output. The last line is "N passed, N failed, N skipped"; exit
# status 0 only if none failed and at least one passed. Full outputs stay in build/test-logs.
#
# A test program has a limit of 60 s (unit) or 300 s (integration, vm); one that needs more says so
# in a comment line of its own: "# time limit: 600 s".
set -euo pipefail

top=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
build=$top/build
logs=$build/test-logs
unit_limit=60
integration_limit=300

passed=0
failed=0
skipped=0
failed_logs=()
running= # pid of the test program's timeout

die() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 1
}

on_exit() {
	local rc=$?

	if [[ -n $running ]]; then
		# timeout hands it on to the test's process group.
		kill -s TERM "$running" 2>/dev/null || :
		wait "$running" 2>/dev/null || :
	fi
	exit "$rc"
}

build() {
	if [[ ! -f $build/build.ninja ]]; then
		meson setup "$build" "$top" >/dev/null || return
	fi
	# Only warnings and errors are of interest.
	ninja -C "$build" --quiet | sed '/^ninja: no work to do\.$/d'
}

time_limit() {
	local own

	own=$(sed -n 's/^# time limit: \([0-9]\+\) s$/\1/p' "$1" | head -n 1)
	echo "${own:-$2}"
}

# run_file NAME LIMIT COMMAND: runs one test program and counts its results.
run_file() {
	local name=$1 limit=$2 line rc=0 plan='' seen=0 file_failed=0 start=$SECONDS tap log

	shift 2
	tap=$logs/${name//\//-}.tap
	log=$logs/${name//\//-}.log
	: >"$tap"
	timeout --kill-after=10 "$limit" "$@" >"$tap" 2>"$log" </dev/null &
	running=$!
	# Not a pipe: something that a failed test leaves running would keep it open for ever.
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		1..*)
			plan=${line#1..}
			plan=${plan%%[!0-9]*}
			if [[ $plan == 0 ]]; then
				skipped=$((skipped + 1))
				echo "$name: $line"
			fi
			;;
		'not ok'*)
			seen=$((seen + 1)) failed=$((failed + 1)) file_failed=$((file_failed + 1))
			echo "$name: $line"
			;;
		ok | 'ok '*)
			seen=$((seen + 1))
			shopt -s nocasematch
			if [[ $line =~ '# skip' ]]; then
				skipped=$((skipped + 1))
			else
				passed=$((passed + 1))
			fi
			shopt -u nocasematch
			echo "$name: $line"
			;;
		esac
	done < <(exec tail --sleep-interval=0.1 --pid="$running" --lines=+1 --follow "$tap" 2>/dev/null)
	wait "$running" 2>/dev/null || rc=$?
	# timeout made a process group: what is left in it belongs to nobody any more.
	kill -s KILL -- "-$running" 2>/dev/null || :
	running=

	# What no "not ok" line tells.
	line=
	if (((rc == 124 || rc == 137) && SECONDS - start >= limit)); then
		line="not ended after $limit s: killed"
	elif [[ -z $plan ]]; then
		line="printed no plan (exit status $rc)"
	elif ((seen != plan)); then
		line="$seen results, $plan planned (exit status $rc)"
	elif ((rc != 0 && file_failed == 0)); then
		line="exit status $rc"
	fi
	if [[ -n $line ]]; then
		failed=$((failed + 1)) file_failed=$((file_failed + 1))
		echo "$name: not ok - $line"
	fi
	((file_failed == 0)) || failed_logs+=("$tap" "$log")
}

run_matching() {
	local pattern=$1 program name

	for program in "$build"/tests/test-*; do
		# Beside the programs, meson keeps folders of their objects.
		[[ -f $program && -x $program ]] || continue
		name=unit/${program##*/test-}
		[[ $name == *"$pattern"* ]] || continue
		run_file "$name" "$unit_limit" "$program"
	done
	for program in "$top"/tests/integration/*.{sh,py} "$top"/tests/vm/*.py; do
		[[ -f $program && -x $program ]] || continue
		name=${program#"$top"/tests/}
		[[ $name == *"$pattern"* ]] || continue
		run_file "$name" "$(time_limit "$program" "$integration_limit")" "$program"
	done
}

show_failures() {
	local file

	for file in "${failed_logs[@]}"; do
		[[ -s $file ]] || continue
		printf '\n--- %s\n' "${file#"$top/"}"
		tail -n 100 "$file"
	done
}

main() {
	if (($# > 1)) || [[ ${1:-} == -* ]]; then
		echo "usage: run.sh [PATTERN]" >&2
		exit 2
	fi
	((EUID == 0)) || die "run as root: the tests make network namespaces and containers"
	"$top/config/install-deps.sh"
	build || die "the build failed"
	rm -rf "$logs"
	mkdir -p "$logs"
	trap on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	export VFRING_TOP=$top VFRING_BUILD=$build
	run_matching "${1:-}"
	show_failures
	echo
	echo "$passed passed, $failed failed, $skipped skipped"
	((failed == 0 && passed > 0))
}

main "$@"
