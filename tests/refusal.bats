#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# When not to say goodbye: a truncated stream stays visibly truncated, what the program meant stays as it meant it,
# and no byte goes to a connection that is another's. Each rude program (tests/rude/NAME.c) runs without the library
# and with it, and the judge must not hear a difference.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end) # a careful program that closes could meet the answer with RST
}

# What the judge saw and what the program saw of its own calls.
sum_of_run() {
	local key
	for key in verdict order bytes sha256 close_notify fatal end; do
		field "$key" "$RESULT"
	done
	echo "status $STATUS $SAID"
}

# unchanged PROGRAM VERDICTS [ROLE]...: so (a|b: either, as versions of OpenSSL differ) it ends without the library, and so it does with it, to the byte.
unchanged() {
	local program=$1 verdict=$2 run without
	play_all "${3:-client server}" "$program" "${@:4}"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_regex "$(verdict_of "$RESULT")" "^($verdict)$"
			without=$(sum_of_run)
		else
			assert_equal "$(sum_of_run)" "$without"
		fi
	done
}

# speaks_anyway FLAG=VALUE PROGRAM: the flag lifts the refusal.
speaks_anyway() {
	local run
	export "${1?}"
	play_all 'client server' "$2"
	unset "${1%%=*}"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		[ -n "$LIBRARY" ] || continue
		assert_equal "$(verdict_of "$RESULT")" closed
		assert_equal "$(field close_notify "$RESULT")" 1
	done
}

# --- what the program meant ---

@test "exit_3: a program that failed does not vouch for what it sent" {
	unchanged exit_3 truncated
	speaks_anyway CLOSENOTIFY_EXIT=always exit_3
}

@test "shutdown_until_answered: who waits for the peer's goodbye is told what to wait for" {
	JUDGE_ARGS=(--read-pause-ms 20 --rcvbuf 8192)
	unchanged shutdown_until_answered closed
	assert_regex "$SAID" 'SSL_shutdown: 1$'
}

@test "moved_number: a session that goes on under another number of its socket" {
	unchanged moved_number closed
}

@test "moved_behind_relay: a session that goes on over another socket says nothing on the first" {
	unchanged moved_behind_relay closed
}

@test "watched_bio: a callback on the BIO is told of the goodbye that the program sends" {
	unchanged watched_bio closed
	assert_regex "$SAID" 'BIO_write of [23][0-9] bytes'
}

@test "quiet_shutdown: SSL_shutdown in quiet mode" {
	unchanged quiet_shutdown truncated
	speaks_anyway CLOSENOTIFY_QUIET=override quiet_shutdown
}

@test "quiet_close: quiet mode for the whole context" {
	unchanged quiet_close truncated
	speaks_anyway CLOSENOTIFY_QUIET=override quiet_close
}

@test "set_shutdown_by_hand: SSL_set_shutdown(SENT and RECEIVED)" {
	unchanged set_shutdown_by_hand truncated
	speaks_anyway CLOSENOTIFY_QUIET=override set_shutdown_by_hand
}

@test "quiet_shutdown_wr: the same, and FIN before close" {
	unchanged quiet_shutdown_wr truncated
	speaks_anyway CLOSENOTIFY_QUIET=override quiet_shutdown_wr
}

@test "linger_zero: the program asked for RST" {
	unchanged linger_zero reset
}

# --- what is no clean end ---

# says_nothing PROGRAM: whether the peer sees FIN or RST is chance; an alert would be wrong.
says_nothing() {
	local run
	play_all 'client server' "$1"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		assert_equal "$(field bytes "$RESULT") $(field close_notify "$RESULT") $(field fatal "$RESULT")" '0 0 null'
	done
}

@test "handshake_given_up: the client's hello, the server's answer, and no more" {
	says_nothing handshake_given_up
}

@test "verify_failed: after the program's own fatal alert in the handshake" {
	unchanged verify_failed no_handshake client
	assert_equal "$(field fatal "$RESULT")" unknown_ca
}

@test "after a fatal alert that the program sent: it read garbage" {
	JUDGE_ARGS=(--first corrupt_record --first-after 10000)
	unchanged read_to_end_then_close aborted
	assert_equal "$(field fatal "$RESULT")" bad_record_mac
}

@test "after a fatal alert that the peer sent" {
	JUDGE_ARGS=(--first fatal --first-after 10000)
	unchanged read_to_end_then_close truncated
}

@test "after the peer's reset" {
	JUDGE_ARGS=(--first rst --first-after 10000)
	unchanged read_to_end_then_close open
}

@test "after the peer's end without close_notify" {
	JUDGE_ARGS=(--first fin --first-after 10000)
	unchanged read_to_end_then_close 'aborted|truncated' # OpenSSL 3 itself sends decode_error
	JUDGE_ARGS=(--first half_record --first-after 10000)
	unchanged read_to_end_then_close 'aborted|truncated'
}

@test "after the peer's end without close_notify, which the program takes for an end" {
	JUDGE_ARGS=(--first fin --first-after 10000)
	unchanged ignore_eof_then_close truncated
	JUDGE_ARGS=(--first fin --first-after 10000 --send 20000)
	unchanged ignore_eof_then_close truncated
}

# never_closed PROGRAM: where it stops is chance; a goodbye there would be a lie, and a forged byte more so.
never_closed() {
	local run bytes
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	play_all 'client server' "$1"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $STATUS" 'truncated 0 0'
		bytes=$(field bytes "$RESULT")
		assert_equal "$(field sha256 "$RESULT")" "$({
			yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c 10000
			yes r | tr -d '\n' | head -c $((bytes - 10000))
		} | sha256sum | cut -d' ' -f1)"
	done
}

@test "half_written: SSL_free, close in the middle of a write" {
	never_closed half_written
}

@test "half_written_fragments: a write of many small records is not made whole with zeros" {
	never_closed half_written_fragments
}

@test "half_written_fragments: nor is it in TLS 1.1" {
	local library out=$BATS_TEST_TMPDIR/heard port
	mkfifo "$BATS_TEST_TMPDIR/silence"
	exec 8<>"$BATS_TEST_TMPDIR/silence"
	for library in '' "$SHIM"; do
		: >"$out" # else the port of the one before may be read
		openssl s_server -accept 127.0.0.1:0 -naccept 1 -tls1_1 -cipher ALL:@SECLEVEL=0 -cert "$PKI/cert.pem" \
			-key "$PKI/key.pem" <&8 >"$out" 2>&1 3>&- &
		STARTED+=($!)
		until port=$(grep -aoP '^ACCEPT .*:\K[0-9]+' "$out"); do
			is_ours $!
			a_moment
		done
		LD_PRELOAD=$library timeout -k 10 60 "$RUDE/half_written_fragments" "$port" 1.1
		wait $!
		grep -aq 'ERROR$' "$out" # after close_notify it would be DONE
		assert_equal "$(tr -cd '\0' <"$out" | wc -c)" 0
		assert [ "$(tr -cd r <"$out" | wc -c)" -gt 1000 ]
	done
	exec 8>&-
}

@test "half_written_fragments: what was written of it arrives, with tickets unread" {
	needs_filter
	JUDGE_ARGS=(--tickets 2 --rcvbuf 4096 --read-pause-ms 2)
	play '' client 1.3 half_written_fragments
	assert_equal "$(verdict_of "$RESULT")" reset
	play "$SHIM" client 1.3 half_written_fragments
	assert_equal "$(verdict_of "$RESULT")" truncated
}

@test "half_written_then_read: an SSL_read does not make a half-written stream whole" {
	never_closed half_written_then_read
}

@test "half_written_then_exit: exit(0) in the middle of a write" {
	never_closed half_written_then_exit
}

@test "half_written_then_shutdown: SSL_shutdown in the middle of a write sends nothing, and nothing is added" {
	never_closed half_written_then_shutdown
}

@test "shutdown_behind_write: who calls SSL_shutdown in the middle of a write is told to wait for room" {
	never_closed shutdown_behind_write
}

@test "buffer_unflushed: ciphertext that never reached the socket" {
	unchanged buffer_unflushed truncated
}

@test "fclose_unwritten: plain text that fclose flushes comes before anything else" {
	unchanged fclose_unwritten truncated
}

# --- what is another process's ---

@test "child_closes: a forked child closes its copy" {
	unchanged child_closes closed
}

@test "child_frees: a forked child frees its copy" {
	unchanged child_frees closed
}

@test "child_closes_and_frees: a forked child tidies up" {
	unchanged child_closes_and_frees closed
}

@test "child_dups_over: a forked child puts something else on the number" {
	unchanged child_dups_over closed
}

@test "child_closes_from: a forked child closes all from 3 up" {
	unchanged child_closes_from closed
}

@test "child_fcloses: a forked child closes its copy by stdio" {
	unchanged child_fcloses closed
}

@test "child_exits: a forked child calls exit(0)" {
	unchanged child_exits closed
}

@test "child_underscore_exits: a forked child calls _exit(0)" {
	unchanged child_underscore_exits closed
}

@test "grandchild_closes: the child of a child closes, and both exit" {
	unchanged grandchild_closes closed
}

@test "child_has_its_own: the child's own connection is repaired, the parent's untouched" {
	local tls
	JUDGE_ARGS=(--silent-end --connections 2)
	for tls in 1.2 1.3; do
		play '' client "$tls" child_has_its_own
		assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq -rc '[.connection, .verdict, .bytes]' | sort | xargs)" \
			'[1,closed,20000] [2,truncated,10000]'
		play "$SHIM" client "$tls" child_has_its_own
		assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq -rc '[.connection, .verdict, .bytes]' | sort | xargs)" \
			'[1,closed,20000] [2,closed,10000]'
	done
}

@test "parent_closes: the parent closes and frees, the child speaks on" {
	unchanged parent_closes closed
}

@test "parent_closes in a PID namespace with the outer /proc: nobody there is taken for dead" {
	needs_pid_namespace
	unchanged parent_closes closed 'client server' 1000 namespace
}

@test "parent_exits: the parent returns from main, the child speaks on" {
	unchanged parent_exits closed
}

@test "daemonizes: fork, setsid, fork; the grandchild speaks on" {
	unchanged daemonizes closed
}

@test "daemon_call: daemon(); the child speaks on" {
	unchanged daemon_call closed
}

@test "vfork_child_closes: a vforked child closes and _exits in its parent's memory" {
	unchanged vfork_child_closes closed
}

@test "vfork_closes_from: a vforked child closes all from 3 up and execs" {
	unchanged vfork_closes_from closed
}

@test "vfork_dups_over: a vforked child puts something else on the number and execs" {
	unchanged vfork_dups_over closed
}

@test "spawn_closes: posix_spawn closes the descriptor in the child" {
	unchanged spawn_closes closed
}

@test "raw_fork_child: a child by raw system call frees, closes, exits" {
	unchanged raw_fork_child closed
}

@test "underscore_fork_child: a child by _Fork frees, closes, exits" {
	unchanged underscore_fork_child closed
}

@test "underscore_fork_parent: the parent closes and frees, a child by _Fork speaks on" {
	unchanged underscore_fork_parent closed
}

@test "thread_unshares: a thread closes its own copy of the descriptor, the others go on" {
	unchanged thread_unshares closed
}

@test "raw_fork_parent: the parent closes and frees, a child by syscall() that has called nothing yet speaks on" {
	local FORK_BY
	export FORK_BY
	for FORK_BY in SYS_clone SYS_fork SYS_clone3; do
		unchanged raw_fork_parent closed client
	done
	unchanged raw_fork_parent closed server
}

@test "clone_parent: the parent closes and frees, a child by clone() that has called nothing yet speaks on" {
	unchanged clone_parent closed
}

@test "exec_keeps: exec with the descriptor left open" {
	unchanged exec_keeps truncated
}

@test "exec_cloexec: exec, which closes the descriptor" {
	unchanged exec_cloexec truncated
}

@test "exits_in_handler: _exit in a signal handler says nothing and makes no record, as exec; exit there does both" {
	local program
	export CLOSENOTIFY_LOG=json:$BATS_TEST_TMPDIR/log
	for program in exits_in_handler exec_cloexec; do
		unchanged "$program" truncated
		assert [ ! -s "$BATS_TEST_TMPDIR/log" ]
	done
	export EXIT_BY='exit'
	play '' client 1.3 exits_in_handler
	assert_equal "$(verdict_of "$RESULT")" truncated
	play "$SHIM" client 1.3 exits_in_handler
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(jq -r 'select(.event == "end") | [.verdict, .cause, .reason] | join(" ")' "$BATS_TEST_TMPDIR/log")" 'repaired exit repaired'
}

@test "jumps_out_of_wait: a time limit jumps out of a SSL_shutdown that waits; no signal is blocked" {
	JUDGE_ARGS=(--silent-end)
	unchanged jumps_out_of_wait closed
}

@test "exec_fails: exec fails, and the program speaks on" {
	unchanged exec_fails closed
}

@test "plain_at_exit: both have said goodbye, plain text follows at exit" {
	JUDGE_ARGS=()
	unchanged plain_at_exit unclean
}

@test "plain_at_exit_soon: plain text follows at exit, the peer has not said goodbye" {
	unchanged plain_at_exit_soon unclean
}

@test "plain_by_spawned: both have said goodbye, a spawned program writes plain text" {
	JUDGE_ARGS=()
	unchanged plain_by_spawned unclean
}

@test "handed_over: the descriptor was sent to another process" {
	unchanged handed_over truncated client
}

# --- what is another connection's ---

@test "stale_fd_socketpair: the number is a socketpair by now, which hears nothing" {
	unchanged stale_fd_socketpair truncated
	assert_regex "$SAID" 'heard 0 bytes'
}

@test "stale_fd_pipe: the number is a pipe by now, which hears nothing" {
	unchanged stale_fd_pipe truncated
	assert_regex "$SAID" 'heard 0 bytes'
}

@test "stale_fd_exit: at exit the number is a socketpair, which hears nothing" {
	unchanged stale_fd_exit truncated
	assert_regex "$SAID" 'heard 0 bytes'
}

# both_connections PROGRAM WITHOUT WITH: the verdicts of two connections on one number.
both_connections() {
	local tls
	JUDGE_ARGS=(--silent-end --connections 2)
	for tls in 1.2 1.3; do
		play '' client "$tls" "$1"
		assert_regex "$(verdicts)" "^$2$"
		play "$SHIM" client "$tls" "$1"
		assert_equal "$(verdicts)" "$3"
		assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq .bytes | xargs)" '10000 10000'
	done
}

verdicts() {
	tail -n +2 "$JUDGE_OUT" | jq -rc '[.connection, .verdict] | join(" ")' | sort | xargs
}

@test "stale_fd_tls: the number is another TLS connection by now, which lives on" {
	both_connections stale_fd_tls '1 truncated 2 closed' '1 truncated 2 closed'
}

@test "stale_fd_tls_unfreed: the number's second TLS connection ends before the first session" {
	both_connections stale_fd_tls_unfreed '1 truncated 2 truncated' '1 truncated 2 closed'
}

@test "reused_number: SSL_shutdown on the old session spoils the new connection no more" {
	both_connections reused_number '1 truncated 2 (truncated|reset|aborted)' '1 closed 2 closed'
}

# --- what can't be appended to ---

@test "dtls: datagrams are left alone" {
	local library
	for library in '' "$SHIM"; do
		LD_PRELOAD=$library run timeout -k 10 60 "$RUDE/dtls" 1 1.2
		assert_success
		assert_output --partial 'the other end heard -1 bytes'
	done
}

@test "ktls: where the kernel encrypts" {
	JUDGE_ARGS=(--no-tickets)
	play "$SHIM" client 1.2 ktls
	[ "$STATUS" -ne 77 ] || skip 'this kernel or this OpenSSL has no kTLS'
	unchanged ktls truncated
}

# --- what another thread is using ---

# ends PROGRAM: no crash, no hang, no second goodbye.
ends() {
	local run
	play_all 'client server' "$1"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		[ -n "$LIBRARY" ] || continue
		assert_equal "$STATUS" 0
		assert_regex "$(verdict_of "$RESULT")" '^(truncated|closed|timeout)$'
		assert_regex "$(field close_notify "$RESULT")" '^[01]$'
	done
}

@test "thread_in_read: one thread shuts the socket down under another's SSL_read" {
	ends thread_in_read
}

@test "thread_in_read_closed: one thread closes the descriptor under another's SSL_read" {
	JUDGE_ARGS=(--timeout-ms 10000) # the judge's own end wakes the reader, at once where it is told to
	ends thread_in_read_closed
}
