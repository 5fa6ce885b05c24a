#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One session object, or one socket, for two connections: what was noted of the first is not the second's.

load helper

setup_file() {
	make_certs
}

# of_second: the judge's line of the second connection, as it was accepted.
of_second() {
	local result
	for result in "${RESULTS[@]}"; do
		[ "$(field connection "$result")" != 2 ] || echo "$result"
	done
}

# What is done with the first connection, and before the second.
WAYS=(
	'gh  fca'  # the first handshake fails
	'ghC fca'  # and its socket is closed
	'ghr cua'  # on the same socket
	'h   uca'  # SSL_clear comes after the socket is connected again: a goodbye would go there
	'h   ua'   # the same by SSL_set_connect_state alone
	'hsr ua'   # the first ends properly
	'hr  ua'   # the kernel's filter may stand on the socket
	'hs  fa'
)

@test "connected_again: the second connection of one session ends properly, and nobody is accused of the first's end" {
	local way tls library run first next accused i=0
	for way in "${WAYS[@]}"; do
		read -r first next <<<"$way"
		for tls in 1.2 1.3; do
			for library in '' "$SHIM"; do
				add_run client "$tls" "$library" --no-tickets --timeout-ms 20000 --connections 2 -- \
					CLOSENOTIFY_LOG="json:$BATS_TEST_TMPDIR/log.$((++i))" "$RUDE/connected_again" 1000 "$first" "$next"
			done
		done
	done
	play_runs
	i=0
	for run in "${RUNS[@]}"; do
		this_run "$run"
		assert_equal "$STATUS" 0
		RESULT=$(of_second)
		assert_equal "$(field bytes "$RESULT")" 1000
		i=$((i + 1))
		if [ -z "$LIBRARY" ]; then
			assert_equal "$(verdict_of "$RESULT")" truncated
			continue
		fi
		assert_equal "$(verdict_of "$RESULT")" closed
		accused=$(jq -rc 'select(.event == "end" and (.verdict | test("peer|both")))' "$BATS_TEST_TMPDIR/log.$i")
		assert_equal "$accused" ''
		assert_equal "$(jq -rc 'select(.event == "end" and .cause == "close" and .verdict == "repaired") | .our_end' \
			"$BATS_TEST_TMPDIR/log.$i" | tail -n 1)" close_notify
	done
}

@test "connected_again: a socket with two numbers, shut and connected again before TLS, still takes its input" {
	local tls library run
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			add_run client "$tls" "$library" --no-tickets --timeout-ms 20000 --connections 2 --rcvbuf 4096 --send 20000 --send-when eof -- \
				"$RUDE/connected_again" 200000 dru 1
		done
	done
	play_runs
	for run in "${RUNS[@]}"; do
		this_run "$run"
		assert_equal "$STATUS" 0
		assert_regex "$SAID" 'read 20000'
		[ -z "$LIBRARY" ] || assert_equal "$(field close_notify "$(of_second)")" 1
	done
}
