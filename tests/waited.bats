#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# CLOSENOTIFY_WAIT_MS, and instead of the peer's close_notify something else comes.

load helper

setup_file() {
	make_certs
}

@test "CLOSENOTIFY_WAIT_MS: a fatal alert is told by SSL_shutdown, with the error in the queue" {
	local program run log=$BATS_TEST_TMPDIR/log
	JUDGE_ARGS=(--first fatal --first-after 10000)
	export CLOSENOTIFY_WAIT_MS=50000 CLOSENOTIFY_LOG=json:$log
	for program in shutdown_once shutdown_once_nonblocking; do
		play_all 'client server' "$program"
		for run in "${RUNS[@]}"; do
			this_run "$run"
			assert_equal "$STATUS" 0
			if [ -z "$LIBRARY" ]; then
				assert_equal "$SAID" 'SSL_shutdown(r.ssl) = 0 errno 0 queue 0'
			else
				assert_regex "$SAID" '^SSL_shutdown\(r\.ssl\) = -1 errno 0 queue [0-9a-f]*[1-9a-f][0-9a-f]*$'
				assert_equal "$(field close_notify "$RESULT")" 1
			fi
		done
	done
	assert_equal "$(jq -r 'select(.event == "end") | "\(.our_end) \(.did)"' "$log" | sort -u)" 'close_notify close_notify'
}

# as_without: gnutls_bye(SHUT_WR) asks for no wait, so reading goes on as without the library.
as_without() {
	local run without
	RUDE=$BUILD/tests/gnutls play_all 'client server' bye_then_reads
	for run in "${RUNS[@]}"; do
		this_run "$run"
		[ -n "$LIBRARY" ] || without=$SAID
		assert_equal "$SAID" "$without"
		assert_regex "$SAID" "$1"
		assert_equal "$(field close_notify "$RESULT")" 1
	done
}

@test "CLOSENOTIFY_WAIT_MS: gnutls_bye(SHUT_WR) leaves data, close_notify and fatal alert to be read" {
	JUDGE_ARGS=(--send 50000 --send-when eof)
	CLOSENOTIFY_WAIT_MS=50000 as_without 'read 50000, then 0'
	JUDGE_ARGS=(--first fatal --first-after 10000)
	CLOSENOTIFY_WAIT_MS=50000 as_without 'read 0, then -12'
}
