#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many connections through one process: what the kernel delivers after their close costs the program no thread, no descriptor and no
# memory. The long way is "make soak".

load helper

# scale SHIM ARGS...: sets SAID.
scale() {
	SAID=$(LD_PRELOAD=$1 timeout -k 10 300 "$BUILD/tests/threads/scale" "${@:2}" 3>&-)
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
	assert_equal "$(said 'threads while lingering')" '0, after 0'
	assert_equal "$(said descriptors)" 0
	before=$(said 'resident after the first wave')
	[ "$(sed -nE 's/.*then \+?(-?[0-9]+) KB/\1/p' <<<"$before")" -lt 2048 ]
}

@test "ten thousand sockets at once: no thread, no descriptor, and all go" {
	needs_filter
	leaves_nothing 1 10000 all
}

@test "ten thousand connections, half of them at risk: threads, descriptors and memory are as after the first thousand" {
	needs_filter
	leaves_nothing 10 1000 half
}

@test "a limit of descriptors is none for what the kernel delivers" {
	needs_filter
	scale '' 1 300 all 100
	assert_equal "$(said verdicts)" "$(printf -- '-%.0s' {1..300})"
	scale "$SHIM" 1 300 all 100
	assert_equal "$(said verdicts)" "$(printf -- 'c%.0s' {1..300})"
}
