#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Safe in any process: what threads, forks, limits and signals do meanwhile.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=()
}

@test "each check that make proofs takes out is still there to be taken out" {
	run "$PROJECT/tests/races" --dry
	assert_success
	assert_output ''
}

@test "a fork in another thread, while a connection is handed to the background, inherits nothing of that" {
	JUDGE_ARGS=(--send 100000)
	play '' server 1.3 ../threads/forks_in_hand_over 20000
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" '0 hand-overs 0, inherited 0 reset'
	play "$SHIM" server 1.3 ../threads/forks_in_hand_over 20000
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" '0 hand-overs 1, inherited 0 closed'
}

@test "forkpty_killed: a child that is killed before it has run holds nothing" {
	local role
	for role in client server; do
		play '' "$role" 1.3 forkpty_killed
		WITHOUT="$STATUS $SAID"
		assert_equal "$(verdict_of "$RESULT")" truncated
		play "$SHIM" "$role" 1.3 forkpty_killed
		assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT closed"
	done
}

@test "fclose_full: what stdio could not write out fails as before, and is no clean end" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096)
	play '' client 1.3 fclose_full
	assert_regex "$SAID" '^fclose\(stream\) = -1 errno 11 '
	WITHOUT="$STATUS $SAID truncated"
	play "$SHIM" client 1.3 fclose_full
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT"
}

@test "window_full: a goodbye that the peer's receive window has no room for arrives" {
	local how
	for how in '' close; do
		play '' client 1.3 ../threads/window_full 1000 $how
		WITHOUT="$STATUS $SAID"
		assert_equal "$(verdict_of "$RESULT")" truncated
		play "$SHIM" client 1.3 ../threads/window_full 1000 $how
		assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT closed"
	done
}
