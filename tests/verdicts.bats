#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A gallery of faulty pairs: each commits one fault, on one side, in both roles and both versions of TLS. What the record
# says of it, against what an independent judge at the other end has heard.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end) # whether its answer came in time would be chance
	LOG=$BATS_TEST_TMPDIR/log
	export CLOSENOTIFY_LOG=json:$LOG CLOSENOTIFY_MODE
}

# what_is_said KEY...: of the one connection that ended, by the process that ended it.
what_is_said() {
	jq -sr '[.[] | select(.event == "end" and .verdict != "held_elsewhere")] | .[-1] | [.[$ARGS.positional[]]] | join(" ")' \
		"$LOG" --args "$@"
}

# pair PROGRAM OBSERVED FIXED HEARD [ROLE]...: OBSERVED and FIXED are verdict, fault, our_end and peer_end under observe
# and without it, HEARD is the judge's verdict under observe.
pair() {
	local program=$1 observed=$2 fixed=$3 heard=$4 role tls
	shift 4
	[ $# -gt 0 ] || set -- client server
	for role; do
		for tls in 1.2 1.3; do
			CLOSENOTIFY_MODE=observe
			rm -f "$LOG"
			play "$SHIM" "$role" "$tls" "$program"
			assert_regex "$(what_is_said verdict fault our_end peer_end)" "^($observed)$"
			assert_regex "$(verdict_of "$RESULT")" "^($heard)$"
			CLOSENOTIFY_MODE=fix
			rm -f "$LOG"
			play "$SHIM" "$role" "$tls" "$program"
			assert_regex "$(what_is_said verdict fault our_end peer_end)" "^($fixed)$"
			run "$PROJECT/tests/validate" "$LOG"
			assert_success
		done
	done
}

# --- this side's faults ---

@test "nothing wrong" {
	pair ssl_shutdown_then_close 'ended none close_notify open' 'ended none close_notify open' closed
}

@test "close without shutdown" {
	local program
	for program in close_only free_then_close fclose_socket dup2_over close_range_all; do
		pair "$program" 'truncated_by_us close_without_shutdown fin open' \
			'repaired close_without_shutdown close_notify open' truncated
	done
	# the peer may have ended in the same way before the program's close
	pair shutdown_wr_then_close 'truncated_by_us close_without_shutdown fin (open|unread)' \
		'repaired close_without_shutdown close_notify (open|unread)' truncated
}

@test "close with unread input" {
	JUDGE_ARGS+=(--send 10000)
	pair close_with_unread 'truncated_by_us reset_by_unread_input reset open' \
		'repaired reset_by_unread_input close_notify open' reset
}

@test "a write abandoned" {
	JUDGE_ARGS+=(--rcvbuf 4096 --read-pause-ms 2)
	pair half_written 'truncated_by_us write_abandoned fin open' 'truncated_by_us write_abandoned fin open' truncated
	# it looks like one record, and is many
	pair half_written_fragments 'truncated_by_us write_abandoned fin open' 'truncated_by_us write_abandoned fin open' truncated
	assert_equal "$(what_is_said reason action)" 'truncated_by_us half_close'
}

@test "write_amid_handshake: a write that a renegotiation put off does not undo the goodbye that was sent" {
	local mode
	JUDGE_ARGS+=(--renegotiate)
	for mode in observe fix; do
		rm -f "$LOG"
		CLOSENOTIFY_MODE=$mode play "$SHIM" client 1.2 write_amid_handshake
		assert_equal "$(verdict_of "$RESULT") $(what_is_said verdict fault our_end)" 'closed ended none close_notify'
	done
}

@test "ended by exit" {
	pair exit_0 'truncated_by_us killed_by_exit fin open' 'repaired killed_by_exit close_notify open' truncated
	pair exit_3 'truncated_by_us killed_by_exit fin open' 'truncated_by_us killed_by_exit fin open' truncated
}

@test "quiet on purpose" {
	pair quiet_shutdown 'truncated_by_us quiet fin open' 'truncated_by_us quiet fin open' truncated
	assert_equal "$(what_is_said reason action)" 'quiet none'
	# SSL_shutdown has set the flag that says that the peer's close_notify was read, and a read returns 0
	rm -f "$LOG"
	RUDE=$BUILD/tests play "$SHIM" client 1.3 party 5 socket - Q1Sr10C
	assert_equal "$(verdict_of "$RESULT") $(what_is_said verdict fault peer_end)" 'truncated truncated_by_us quiet open'
	# with a FIN of its own; what was written arrives as after any other
	pair quiet_shutdown_wr 'truncated_by_us quiet fin (open|unread)' 'truncated_by_us quiet fin (open|unread)' truncated
	assert_equal "$(what_is_said reason action)" 'quiet half_close'
}

@test "quiet on purpose: what was written arrives" {
	needs_filter
	JUDGE_ARGS+=(--tickets 2 --rcvbuf 8192 --read-pause-ms 2)
	play '' client 1.3 quiet_shutdown_wr 3000000
	assert [ "$(field bytes "$RESULT")" -lt 3000000 ]
	rm -f "$LOG"
	play "$SHIM" client 1.3 quiet_shutdown_wr 3000000
	assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'truncated 3000000'
	assert_equal "$(what_is_said reason)" quiet
}

@test "reset on purpose" {
	pair linger_zero 'truncated_by_us abort reset open' 'truncated_by_us abort reset open' reset
}

@test "ended before its handshake" {
	pair handshake_given_up 'not_established none (fin|reset) open' 'not_established none (fin|reset) open' 'no_handshake|reset|truncated'
}

@test "left to another process" {
	local role tls
	for role in client server; do
		for tls in 1.2 1.3; do
			rm -f "$LOG"
			CLOSENOTIFY_MODE=observe play "$SHIM" "$role" "$tls" parent_closes
			assert_equal "$(jq -sr '.[0] | [.verdict, .fault, .our_end] | join(" ")' "$LOG")" 'held_elsewhere none open'
			assert_equal "$(verdict_of "$RESULT")" closed # by the child, which went on
		done
	done
}

@test "not covered" {
	pair async_mode 'not_covered none fin open' 'not_covered none fin open' truncated
}

# --- the other side's ---

@test "the peer ends by FIN alone" {
	JUDGE_ARGS+=(--send 100 --first fin)
	pair read_to_end_then_close 'truncated_by_peer none fin fin' 'truncated_by_peer none fin fin' 'truncated|aborted'
}

@test "the peer ends in the middle of a record" {
	local part
	for part in half_record record_header; do
		JUDGE_ARGS+=(--send 100 --first "$part")
		pair read_to_end_then_close 'truncated_by_peer none fin mid_record' 'truncated_by_peer none fin mid_record' 'truncated|aborted'
	done
}

@test "the peer resets" {
	JUDGE_ARGS+=(--send 100 --first rst --first-after 10000)
	pair read_to_end_then_close 'truncated_by_peer none reset reset' 'truncated_by_peer none reset reset' open
}

@test "the peer sends a fatal alert, or what can't be decrypted" {
	JUDGE_ARGS+=(--send 100 --first fatal)
	pair read_to_end_then_close 'failed none fin (open|fin)' 'failed none fin (open|fin)' truncated
	JUDGE_ARGS+=(--send 100 --first corrupt_record)
	pair read_to_end_then_close 'failed none fin (open|fin)' 'failed none fin (open|fin)' 'truncated|aborted'
}

@test "connections that end at random, on both sides: record and judge agree" {
	run "$PROJECT/tests/agreement" 240 1 # make soak draws other numbers
	assert_success
}

@test "the peer has ended, and our own end is still under way at the close" {
	JUDGE_ARGS+=(--send 100 --first fin --read-pause-ms 1 --rcvbuf 4096)
	RUDE=$BUILD/tests/threads CLOSENOTIFY_MODE=fix play "$SHIM" client 1.3 ends_with_bytes 150000 shut_wr_close blocking 100 212992
	assert_equal "$(what_is_said verdict fault our_end peer_end)" 'repaired close_without_shutdown close_notify unread'
	assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 150000'
}

@test "a goodbye after the FIN, which a BIO of the program's own takes" {
	local style
	for style in buffer custom memory; do
		start_judge --tls 1.2 --send 100 --first close_notify
		rm -f "$LOG"
		LD_PRELOAD=$SHIM CLOSENOTIFY_MODE=observe "$BUILD/tests/party" "$JUDGE_PORT" 1.2 0 "$style" u zWSX0
		assert_equal "$(verdict_of "$(judge_result)")" truncated
		assert_equal "$(what_is_said verdict our_end peer_end)" 'truncated_by_us fin close_notify'
	done
}

@test "the peer ends properly, this side does not" {
	JUDGE_ARGS+=(--send 100 --first both)
	pair read_to_end_then_close 'truncated_by_us close_without_shutdown fin close_notify' \
		'repaired close_without_shutdown close_notify close_notify' truncated
}
