#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Signals: close in a handler, whatever it interrupts, and handlers that interrupt whatever closes. No hang, no second
# entry into malloc, never two goodbyes; at worst none.

load helper

setup_file() {
	make_certs
}

setup() {
	THREADS=$BUILD/tests/threads
}

# play SHIM COUNT PROGRAM ARGS...: as TLS 1.3 client. Sets ENDS, STATUS and SAID.
play() {
	local shim=$1 count=$2 program=$THREADS/$3
	shift 3
	STATUS=0
	start_judge --no-tickets --connections "$count" --timeout-ms 60000
	SAID=$(LD_PRELOAD=$shim timeout -k 10 60 "$program" "$JUDGE_PORT" 1.3 "$@" 2>&1) || STATUS=$?
	judge_result >/dev/null
	ENDS=$(tail -n +2 "$JUDGE_OUT" | jq -r '[.verdict, .close_notify] | join(" ")' | sort | uniq -c | sed 's/^ *//')
	echo "${program##*/} $*, ${shim:-without}: status $STATUS, $ENDS, $SAID"
	[ "$STATUS" -ne 99 ]
}

# in_handler WHAT: closes in a handler that interrupts WHAT.
in_handler() {
	play '' 301 handler 1000 300 "$1"
	assert_equal "$STATUS $SAID $ENDS" '0 malloc in the handler: 0 301 truncated 0'
	play "$SHIM" 301 handler 1000 300 "$1"
	assert_equal "$STATUS $SAID" '0 malloc in the handler: 0'
	refute_regex "$ENDS" 'unclean|reset|timeout'
}

@test "close in a handler that interrupts malloc and free" {
	in_handler malloc
}

@test "close in a handler that interrupts SSL_write" {
	in_handler write
}

@test "close in a handler whose signal was blocked at the thread's first TLS call" {
	in_handler blocked
}

@test "close in a handler that has a stack of its own" {
	in_handler altstack
}

# Many give it 8 KB, of which the kernel takes 3.4 for its frame where the processor has AVX-512.
@test "close in a handler that has a small stack of its own, with a log" {
	local how program
	for program in small_stack ../gnutls/small_stack; do
		play '' 1 "$program" 1000
		assert_equal "$STATUS ${SAID%%,*}" '0 closed 0'
		for how in text json; do
			export CLOSENOTIFY_LOG="$how:$BATS_TEST_TMPDIR/log"
			play "$SHIM" 1 "$program" 1000
			assert_equal "$STATUS ${SAID%%,*}" '0 closed 0'
			[[ "$SAID" =~ ([0-9]+)\ bytes ]]
			[ "${BASH_REMATCH[1]}" -lt 4400 ]
		done
	done
	assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/log")" 4
}

@test "threads that block all signals, and never spoke TLS, close: that is no handler" {
	local how handled
	for how in plain deep after; do
		handled=0
		[ "$how" != after ] || handled=20
		play '' 20 blocks_signals 1000 20 "$how"
		assert_equal "$STATUS $ENDS" '0 20 truncated 0'
		assert_equal "$(tail -n 1 <<<"$SAID")" "handled $handled"
		play "$SHIM" 20 blocks_signals 1000 20 "$how"
		assert_equal "$STATUS $ENDS" '0 20 closed 1'
		assert_equal "$(tail -n 1 <<<"$SAID")" "handled $handled"
	done
}

@test "a timer that interrupts every system call" {
	play '' 500 interrupted 1000 500 ticks
	assert_equal "$STATUS $SAID $ENDS" '0 closed 500 500 truncated 0'
	play "$SHIM" 500 interrupted 1000 500 ticks
	assert_equal "$STATUS $SAID $ENDS" '0 closed 500 500 closed 1'
}

@test "close in a handler that interrupts the program's own close of the same descriptor" {
	play '' 1000 interrupted 1000 1000 closes
	assert_equal "$STATUS $SAID" '0 closed 1000'
	play "$SHIM" 1000 interrupted 1000 1000 closes
	assert_equal "$STATUS $SAID" '0 closed 1000'
	refute_regex "$ENDS" 'unclean|reset|timeout'
}

@test "fork in a handler that interrupts a fork" {
	start_judge --no-tickets
	run env LD_PRELOAD="$SHIM" "$THREADS/forks_in_handler" "$JUDGE_PORT" 1.3 100
	assert_success
	assert_output "$(printf '%s\n' 'forked in a fork: 1' 'close(r.fd) = 0 errno 0 queue 0')"
}
