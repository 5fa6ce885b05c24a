#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many connections through one process: what lingers costs one thread and nothing of the program's, and when the peers have
# what they were owed, threads, descriptors and memory are as before. The long way is "make soak".

load helper

setup() {
	export CLOSENOTIFY_LINGER_MS=100000 CLOSENOTIFY_TIMEOUT_MS=200000
}

# scale SHIM ARGS...: sets SAID.
scale() {
	SAID=$(LD_PRELOAD=$1 timeout 300 "$BUILD/tests/threads/scale" "${@:2}" 3>&-)
	echo "$SAID"
}

said() {
	sed -n "s/^$1 //p" <<<"$SAID" | grep .
}

enough_descriptors() {
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -gt $(($1 + 100)) ] || skip "not $1 descriptors here"
}

# leaves_nothing WAVES CONNECTIONS half|all
leaves_nothing() {
	local before
	enough_descriptors "$2"
	scale '' 1 500 "$3"
	assert_equal "$(said closed)" 0
	scale "$SHIM" "$@"
	assert_equal "$(said closed)" $(($1 * $2))
	assert_equal "$(said 'threads while lingering')" '1, after 0'
	assert_equal "$(said descriptors)" 0
	before=$(said 'resident after the first wave')
	[ "$(sed -nE 's/.*then \+?(-?[0-9]+) KB/\1/p' <<<"$before")" -lt 2048 ]
}

@test "ten thousand sockets linger at once: one thread, none of the program's descriptors, and all go" {
	leaves_nothing 1 10000 all
}

@test "ten thousand connections, half of them lingering: threads, descriptors and memory are as after the first thousand" {
	leaves_nothing 10 1000 half
}

@test "past the limit of descriptors the oldest go first" {
	scale '' 1 300 all 100
	assert_equal "$(said verdicts)" "$(printf -- '-%.0s' {1..300})"
	scale "$SHIM" 1 300 all 100
	# Of 100 the library leaves 16 alone, and lets one go when it is full.
	# Fewer go if the peers read before the last ones are in.
	assert_regex "$(said verdicts)" '^-{1,217}c{83,}$'
}
