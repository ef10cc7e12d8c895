#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The README's first command: a switch, a wire and a container on one machine, without a NIC and
# without hugepages.
#
#	network namespace vfring-qs              host                     container
#	ping 10.77.0.2 -- wire0 == veth == vf-wire0 -- vfringd -- web0.sock -- testpmd icmpecho
#
# Everything it makes is removed again, however it ends; what a run killed with -9 left is removed
# by the next one.
set -euo pipefail

top=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
# shellcheck source=config/container.sh
source "$top/config/container.sh"

# What config/quickstart.ini says, too.
config=$top/config/quickstart.ini
host_if=vf-wire0
container=web0
socket=/run/vfring/web0.sock
container_cpu=0 # the worker polls on CPU 1

# The wire's other end.
netns=vfring-qs
wire_if=wire0
wire_addr=10.77.0.1/24
container_addr=10.77.0.2 # testpmd's icmpecho answers for every address
container_mac=02:00:00:00:77:02
# Each of these programs becomes the next: one process, without a shell in between.
ping_container=(ip netns exec "$netns" taskset -c "$container_cpu" ping -q "$container_addr")

# `vfringctl stats NAME` prints "name value" lines: those used here.
stat_mode=rx_mode # then rx_packets, rx_mapped, rx_copied; the same for tx

vfringd=$top/build/switch/vfringd
vfringctl=$top/build/switch/vfringctl
state_dir=/run/vfring-quickstart
lock_file=/run/vfring-quickstart.lock

nb_pings=5
nb_flood_pings=2000

check=0
mapping= # as the file says
counters=
child=   # what run() waits for
switch_pid=
ping_pid=
watching=0

usage() {
	cat <<EOF
usage: quickstart.sh [--check] [--mapping auto|rx|off]
  without --check: shows the switch's counters each second until Ctrl-C
  --check          $nb_pings pings and $nb_flood_pings flood pings; success only if none is lost and every
                   packet was mapped both ways (--mapping rx: to the container, off: none)
  --mapping off    copies each packet instead of lending the container's buffers to the wire; rx: transmit only
VFRING_CONTAINER=podman|bwrap|unshare chooses how the container is made.
EOF
}

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf 'quickstart: %s\n' "$*" >&2
	exit 1
}

# As root, what a log holds may be the only explanation.
die_with_log() {
	local log=$1

	shift
	printf '%s\n' "--- the end of $log" >&2
	tail -n 25 "$log" >&2 || :
	printf '%s\n' "---" >&2
	die "$@"
}

parse_options() {
	while (($# > 0)); do
		case $1 in
		--check) check=1 ;;
		--mapping=auto | --mapping=rx | --mapping=off) mapping=${1#*=} ;;
		--mapping)
			if [[ ! ${2:-} =~ ^(auto|rx|off)$ ]]; then
				usage >&2
				exit 2
			fi
			mapping=$2
			shift
			;;
		-h | --help)
			usage
			exit 0
			;;
		*)
			printf 'quickstart: unknown option %s\n' "$1" >&2
			usage >&2
			exit 2
			;;
		esac
		shift
	done
}

# Runs a program (no function) so that a signal to this script takes effect at once, not when the
# program ends; and so that the program ends with this script, even by kill -9.
run() {
	local rc=0

	setpriv --pdeathsig TERM "$@" {lock}>&- &
	child=$!
	wait "$child" || rc=$?
	child=
	return "$rc"
}

# wait_for LIMIT WHAT COMMAND...: until the command succeeds, while the switch runs.
wait_for() {
	local limit=$1 what=$2 deadline

	shift 2
	deadline=$((SECONDS + limit))
	until "$@"; do
		process_runs "$switch_pid" ||
			die_with_log "$state_dir/vfringd.log" "vfringd ended while waiting for $what"
		((SECONDS < deadline)) ||
			die_with_log "$state_dir/vfringd.log" "$what: not within $limit s"
		sleep 0.1
	done
}

# ---- one at a time, and after another ---------------------------------------------------------

# The lock file is removed at the end, so a lock may turn out to be on a file that is no more.
take_lock() {
	while :; do
		exec {lock}>>"$lock_file"
		# (Processes of a run that was just killed may hold it for a moment.)
		flock --timeout 1 "$lock" ||
			die "another quickstart.sh is running (it holds $lock_file)"
		if [[ /proc/self/fd/$lock -ef $lock_file ]]; then
			return 0
		fi
		exec {lock}>&-
	done
}

start_time() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# Field 22, counted behind the name, which may contain anything.
	read -ra stat <<<"${stat##*) }"
	echo "${stat[19]}"
}

# A pid may be another process' by now; a pid together with its start time is not.
is_our_switch() {
	local pid=$1 started=$2

	[[ $(start_time "$pid") == "$started" ]] &&
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *vfringd* ]]
}

# end_process PID LIMIT: TERM, then KILL.
end_process() {
	local pid=$1 deadline=$((SECONDS + $2))

	kill -s TERM "$pid" 2>/dev/null || return 0
	while process_runs "$pid"; do
		if ((SECONDS >= deadline)); then
			printf 'quickstart: process %s did not end within %s s: killed\n' "$pid" "$2" >&2
			kill -s KILL "$pid" 2>/dev/null || :
			deadline=$((SECONDS + 5)) # for the kernel to take it apart; then it is stuck there
			while process_runs "$pid" && ((SECONDS < deadline)); do
				sleep 0.05
			done
			return 0
		fi
		sleep 0.05
	done
}

remove_stale_switch() {
	local pid started

	[[ -f $state_dir/vfringd.pid ]] || return 0
	read -r pid started <"$state_dir/vfringd.pid" || return 0
	if is_our_switch "$pid" "$started"; then
		end_process "$pid" 5
	fi
}

remove_wire() {
	# The pair goes at once; with the namespace alone it would go some time later.
	if [[ -e /sys/class/net/$host_if ]]; then
		ip link delete "$host_if" || :
	fi
	if [[ -e /run/netns/$netns ]]; then
		ip netns delete "$netns" || :
	fi
	# The first namespace of a machine makes /run/netns a mount point.
	if [[ -e $state_dir/made-netns ]]; then
		umount /run/netns 2>/dev/null || : # busy: somebody else has one by now
	fi
}

socket_is_served() {
	[[ -S $socket ]] && [[ -n $(ss --no-header --listening --unix src "$socket") ]]
}

remove_files() {
	if ! socket_is_served; then
		rm -f "$socket"
	fi
	if [[ -e $state_dir/made-rundir ]]; then
		rmdir --ignore-fail-on-non-empty "${socket%/*}" 2>/dev/null || :
	fi
	rm -rf "$state_dir"
}

remove_leftovers() {
	# The container of a run that was killed has died with it (container.sh).
	remove_stale_switch
	remove_wire
	remove_files
	if socket_is_served; then
		die "another program serves $socket (a vfringd?): end it first"
	fi
}

# The only way out once the lock is held. Each step copes with its thing not being there.
clean_up() {
	local rc=$?

	trap '' INT TERM HUP PIPE
	trap - EXIT
	set +e
	if [[ -n $child ]]; then
		end_process "$child" 5
	fi
	if [[ -n $ping_pid ]]; then
		end_process "$ping_pid" 2
	fi
	container_stop "$container"
	if [[ -n $switch_pid ]]; then
		end_process "$switch_pid" 5
	fi
	remove_wire
	remove_files
	rm -f "$lock_file"
	exit "$rc"
}

on_signal() {
	# Ctrl-C is how the table is meant to be left.
	if ((watching)) && [[ $1 == INT ]]; then
		exit 0
	fi
	exit $((128 + $(kill -l "$1")))
}

# ---- steps ---------------------------------------------------------------------------------------

build() {
	local log=$state_dir/build.log

	if [[ ! -f $top/build/build.ninja ]]; then
		run meson setup "$top/build" "$top" >"$log" 2>&1 ||
			die_with_log "$log" "meson setup failed"
	fi
	run ninja -C "$top/build" >"$log" 2>&1 || die_with_log "$log" "the build failed"
}

no_ipv6() {
	local file=/proc/sys/net/ipv6/conf/$1/disable_ipv6

	if [[ -e $file ]]; then
		echo 1 >"$file"
	fi
}

in_netns() {
	ip netns exec "$netns" "$@"
}

# veth leaves checksums to a NIC that does not exist; what vfringd reads from the wire must be
# complete packets.
offloads_off=(tx off tso off gso off gro off)

make_wire() {
	if ! mountpoint -q /run/netns; then
		: >"$state_dir/made-netns"
	fi
	ip netns add "$netns"
	ip link add "$host_if" mtu 1500 type veth peer name "$wire_if" mtu 1500 netns "$netns"
	# Nobody but ping shall talk on this wire.
	no_ipv6 "$host_if"
	export -f no_ipv6
	in_netns bash -c "no_ipv6 $wire_if"
	if ! {
		ethtool -K "$host_if" "${offloads_off[@]}" &&
			in_netns ethtool -K "$wire_if" "${offloads_off[@]}"
	} >"$state_dir/ethtool.log" 2>&1; then
		die_with_log "$state_dir/ethtool.log" "ethtool cannot switch the offloads off"
	fi
	in_netns ip address add "$wire_addr" dev "$wire_if"
	in_netns ip link set lo up
	in_netns ip link set "$wire_if" up
	ip link set "$host_if" up
}

# The file as it is, or a copy with the mapping that was asked for.
choose_config() {
	if [[ -n $mapping ]]; then
		grep -q '^mapping[[:space:]]*=' "$config" || die "$config has no line 'mapping = ...'"
		sed "s/^mapping[[:space:]]*=.*/mapping = $mapping/" "$config" >"$state_dir/quickstart.ini"
		config=$state_dir/quickstart.ini
	fi
	instance=$(sed -n 's/^instance[[:space:]]*=[[:space:]]*\([^[:space:];]*\).*/\1/p' "$config")
	: "${instance:=vfring}"
	if [[ -z $mapping ]]; then
		mapping=$(sed -n 's/^mapping[[:space:]]*=[[:space:]]*\([a-z]*\).*/\1/p' "$config")
		: "${mapping:=auto}"
	fi
}

start_switch() {
	if [[ ! -d ${socket%/*} ]]; then
		mkdir -m 755 "${socket%/*}"
		: >"$state_dir/made-rundir"
	fi
	# A session of its own, so that Ctrl-C reaches it only through clean_up, in order. Should this
	# script be killed with -9, vfringd ends as for any TERM.
	setsid setpriv --pdeathsig TERM "$vfringd" -c "$config" \
		>"$state_dir/vfringd.log" 2>&1 </dev/null {lock}>&- &
	switch_pid=$!
	echo "$switch_pid $(start_time "$switch_pid")" >"$state_dir/vfringd.pid"
	wait_for 60 "vfringd's socket $socket" socket_is_served
	# The container's user, and nobody else, may connect.
	chgrp "$CONTAINER_UID" "$socket"
	chmod 660 "$socket"
}

# Sets counters: one look, so that its numbers belong together.
read_counters() {
	counters=$("$vfringctl" -i "$instance" stats "$container" 2>&1)
}

counter() {
	awk -v name="$1" '$1 == name { print $2 }' <<<"$counters"
}

start_container() {
	local log=$state_dir/container.log

	# Both lcores on one CPU: the main one only waits for commands. 4096 mbufs and 512 MiB are far
	# more than one queue needs, and far less than testpmd's defaults.
	container_start "$container" "${socket%/*}" "$log" -- \
		dpdk-testpmd --no-huge -m 512 --no-pci --no-shconf --no-telemetry \
		--lcores "0@$container_cpu,1@$container_cpu" \
		--vdev "net_virtio_user0,mac=$container_mac,path=$socket,queues=1" -- \
		--interactive --forward-mode=icmpecho --auto-start --total-num-mbufs=4096 ||
		die "the container does not start"
	container_privileges "$container"
}

is_in_mode() {
	container_pid "$container" >/dev/null ||
		die_with_log "$state_dir/container.log" "the container's program ended"
	read_counters && [[ $(counter "$stat_mode") == "$1" ]]
}

container_answers() {
	container_pid "$container" >/dev/null ||
		die_with_log "$state_dir/container.log" "the container's program ended"
	run "${ping_container[@]}" -c 1 -W 1 >/dev/null 2>&1
}

# Until the queue is mapped, packets are copied or dropped: none is sent before, so that the counts
# must agree to the last one.
wait_for_container() {
	local mode=mapped

	[[ $mapping != off ]] || mode=copied
	wait_for 60 "the container's queue to be $mode" is_in_mode "$mode"
	wait_for 60 "an answer from the container" container_answers
}

# Pings that the wire's end has sent and that have not been answered, so far.
unanswered() {
	# shellcheck disable=SC2016 # awk's fields
	in_netns awk '
		$1 != "Icmp:" { next }
		!n++ { for (i = 2; i <= NF; i++) column[$i] = i; next }
		{ print $column["OutEchos"] - $column["InEchoReps"] }' /proc/net/snmp
}

# ping's exit status is not enough: it is 0 as soon as one answer came. Nor is what it counts: it does
# not wait for the last answer when it has sent one more.
ping_without_loss() {
	local log=$state_dir/ping.log before deadline

	before=$(unanswered)
	run "${ping_container[@]}" "$@" >"$log" 2>&1 || :
	sed -n '/transmitted/p; /^rtt/p' "$log"
	if ! grep -q transmitted "$log"; then
		cat "$log"
		return 1
	fi
	deadline=$((SECONDS + 10))
	until grep -q ' 0% packet loss' "$log" || (($(unanswered) <= before)); do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

# check_direction rx|tx MODE: every packet went that way; but for ARP replies, which are shorter than
# what may be lent to a NIC.
check_direction() {
	local way=$1 mode=$2 packets right

	packets=$(counter "${way}_packets")
	# Before it was bound to the interface, the socket may have seen packets of others.
	[[ $way != rx ]] || packets=$((packets - $(counter rx_drop_no_container)))
	right=$(counter "${way}_$mode")
	if [[ ! $packets =~ ^[0-9]+$ ]] || ((packets < nb_pings + nb_flood_pings)); then
		echo "FAILED: ${way}_packets is '$packets', less than the pings sent"
		return 1
	fi
	if ((right < nb_pings + nb_flood_pings || right < packets - 5)); then
		echo "FAILED: of $packets packets, ${right:-?} were $mode (${way}_$mode)"
		return 1
	fi
	if [[ $(counter "${way}_mode") != "$mode" ]]; then
		echo "FAILED: ${way}_mode is not $mode any more"
		return 1
	fi
}

check_counters() {
	local rx=mapped tx=mapped

	read_counters || die "vfringctl: $counters"
	printf '%s\n' "$counters"
	[[ $mapping != off ]] || rx=copied
	[[ $mapping == auto ]] || tx=copied
	echo
	check_direction rx "$rx" && check_direction tx "$tx" || return
	echo "OK: $(counter "rx_$rx") of $(counter rx_packets) packets to the container were $rx," \
		"$(counter "tx_$tx") of $(counter tx_packets) from it $tx"
}

run_check() {
	local failed=0

	say "$nb_pings pings"
	ping_without_loss -c "$nb_pings" -i 0.2 -w 15 || failed=1
	say "$nb_flood_pings flood pings"
	ping_without_loss -f -c "$nb_flood_pings" -w 60 || failed=1
	say "counters of $container"
	check_counters || failed=1
	if ((failed)); then
		die_with_log "$state_dir/vfringd.log" "the check failed"
	fi
}

run_watch() {
	say "a ping each 10 ms, the switch's counters each second; end with Ctrl-C"
	setpriv --pdeathsig TERM "${ping_container[@]}" -i 0.01 \
		>"$state_dir/ping.log" 2>&1 {lock}>&- &
	ping_pid=$!
	watching=1
	run "$vfringctl" -i "$instance" show --watch 1 || die "vfringctl ended"
}

main() {
	local signal

	parse_options "$@"
	((EUID == 0)) || die "run as root: it makes a network namespace and a container"
	(($(nproc --all) >= 2)) || die "needs two CPUs: one polls for the switch"
	umask 022
	# Not below run(): a package installation is better not cut short.
	"$top/config/install-deps.sh"

	take_lock
	for signal in INT TERM HUP PIPE; do
		# shellcheck disable=SC2064 # expanded now, on purpose
		trap "on_signal $signal" "$signal"
	done
	trap clean_up EXIT
	remove_leftovers
	mkdir -m 700 "$state_dir"

	say "building in $top/build"
	build
	say "wire: $host_if <-> $wire_if ($wire_addr, in network namespace $netns)"
	choose_config
	make_wire
	say "switch: vfringd -c ${config#"$top/"}"
	start_switch
	say "container: testpmd icmpecho on $socket"
	container_runtime || die "no way to run a container"
	start_container
	wait_for_container
	if ((check)); then
		run_check
	else
		run_watch
	fi
}

main "$@"
