#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each rude program (tests/rude/NAME.c) ends a connection in its own wrong way. First without the library: the judge
# must see the fault. Then with it: one close_notify, then FIN, and not a byte, result or descriptor else is different.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=()
}

# What the judge received, and what the program saw of its own calls.
sum_of_run() {
	echo "$(field bytes "$RESULT") $(field sha256 "$RESULT") status $STATUS $SAID"
}

# changes PROGRAM BEFORE AFTER [ROLE]...: the verdict without the library, and with it; nothing else may differ.
changes() {
	local program=$1 before=$2 after=$3 run without
	shift 3
	play_all "${*:-client server}" "$program"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_regex "$(verdict_of "$RESULT")" "^($before)$"
			without=$(sum_of_run)
		else
			assert_equal "$(verdict_of "$RESULT")" "$after"
			assert_equal "$(sum_of_run)" "$without"
			[ "$after" != closed ] || assert_equal "$(field close_notify "$RESULT")" 1
		fi
	done
}

# --- the orders of an end ---

@test "syscall_close: close by syscall(), then SSL_free" {
	changes syscall_close truncated closed
}

@test "syscall_shutdown: shutdown by syscall(), then close, SSL_free" {
	changes syscall_shutdown truncated closed
}

@test "raw_fork_over: a child by raw system call, gone before the connection is made" {
	changes raw_fork_over truncated closed
}

@test "free_then_close: SSL_free, close" {
	changes free_then_close truncated closed
}

@test "close_then_free: close, SSL_free" {
	changes close_then_free truncated closed
}

@test "child_empties_itself: a child that has no descriptor holds no socket" {
	changes child_empties_itself truncated closed
}

@test "fork_fails: no process to be had, so nobody else holds the connection" {
	changes fork_fails truncated closed
}

@test "fork_often: children by the dozen have come and gone" {
	changes fork_often truncated closed
}

@test "close_only: the session is never freed" {
	changes close_only truncated closed
}

@test "shutdown_wr_then_close: the program sends the FIN itself" {
	changes shutdown_wr_then_close truncated closed
}

@test "shutdown_rdwr_then_close: after SSL_free" {
	changes shutdown_rdwr_then_close truncated closed
}

@test "dup_then_shutdown_rdwr: one number of several" {
	changes dup_then_shutdown_rdwr truncated closed
}

@test "shutdown_rdwr_then_free: before close and SSL_free" {
	changes shutdown_rdwr_then_free truncated closed
}

@test "zero_read: reads of no bytes before close" {
	JUDGE_ARGS=(--send 10 --silent-end)
	changes zero_read 'truncated|reset' closed
}

@test "exit_0: return from main with the connection open" {
	changes exit_0 truncated closed
}

@test "exit_call: exit(0) with the connection open" {
	changes exit_call truncated closed
}

@test "underscore_exit_0: _exit(0) with the connection open" {
	changes underscore_exit_0 truncated closed
}

@test "c99_exit_0: _Exit(0) with the connection open" {
	changes c99_exit_0 truncated closed
}

@test "exit_group_0: syscall(SYS_exit_group, 0) with the connection open" {
	changes exit_group_0 truncated closed
}

@test "quick_exit_0: quick_exit(0) with the connection open" {
	changes quick_exit_0 truncated closed
}

@test "quick_exit_last_words: what at_quick_exit has registered still speaks" {
	changes quick_exit_last_words truncated closed
}

@test "exit_0_after_free: SSL_free, and the descriptor is left to exit" {
	changes exit_0_after_free truncated closed
}

@test "exit_0_answered: the peer's answer comes after the last look at the descriptor" {
	changes exit_0_answered truncated closed
}

# --- those that were right: the same bytes, one goodbye. A peer that answered could meet a socket already closed. ---

was_right() {
	JUDGE_ARGS=(--silent-end)
	changes "$1" closed closed "${@:2}"
}

@test "ssl_shutdown_then_close: was right, stays as it was" {
	was_right ssl_shutdown_then_close
}

@test "curl_order: SSL_set_connect_state after SSL_shutdown makes no second goodbye" {
	was_right curl_order
}

@test "gave_up_want_read: a half-finished SSL_shutdown has said goodbye" {
	was_right gave_up_want_read
}

@test "bio_ssl: BIO_free_all says goodbye by itself" {
	was_right bio_ssl client
}

@test "bio_connect_exit: a BIO that connects in the call that shakes hands, left to exit" {
	changes bio_connect_exit truncated closed client
}

# --- every way a descriptor ends ---

@test "fclose_socket: stdio closes the descriptor" {
	changes fclose_socket truncated closed
}

@test "dup2_over: something else takes the number by dup2" {
	changes dup2_over truncated closed
}

@test "dup3_over: something else takes the number by dup3" {
	changes dup3_over truncated closed
}

@test "close_range_all: close_range from 3 up" {
	changes close_range_all truncated closed
}

@test "closefrom_all: closefrom(3)" {
	changes closefrom_all truncated closed
}

@test "bio_close_flag: SSL_free closes the descriptor" {
	changes bio_close_flag truncated closed
}

@test "set_rfd_wfd: two numbers for one socket" {
	changes set_rfd_wfd truncated closed
}

@test "close_writing_number: the other number of the socket can still be read" {
	JUDGE_ARGS=(--send 10000)
	changes close_writing_number truncated closed
}

@test "dup_closed_first: close of a copy is no end" {
	changes dup_closed_first truncated closed
}

@test "dup_outlives: the goodbye comes at the last descriptor" {
	changes dup_outlives truncated closed
}

@test "fcntl_copy_outlives: the goodbye comes at the last descriptor" {
	changes fcntl_copy_outlives truncated closed
}

@test "dup_before_tls: a copy from before the session can still be written to" {
	changes dup_before_tls truncated unclean # unclean: plain text after the close_notify, as the program wants it
	assert_equal "$(field order "$RESULT")" '["handshake","data","close_notify","garbage","fin"]'
}

@test "fork_then_rude: a forked child came and went" {
	changes fork_then_rude truncated closed
}

@test "child_inherits_then_rude: the child that speaks on ends it" {
	changes child_inherits_then_rude truncated closed
}

@test "forked_server: a child for each connection" {
	changes forked_server truncated closed
}

# --- every shape of a session ---

@test "up_ref_freed_twice: the goodbye comes at the last SSL_free" {
	changes up_ref_freed_twice truncated closed
}

@test "dup_session: the goodbye comes at the last SSL_free" {
	changes dup_session truncated closed
}

@test "dup_before_handshake: a copy of a session that has no connection yet has one of its own" {
	changes dup_before_handshake truncated closed
}

@test "ssl_clear_reuse: both connections of one session" {
	local tls without
	JUDGE_ARGS=(--connections 2)
	for tls in 1.2 1.3; do
		play '' client "$tls" ssl_clear_reuse
		without=$(sum_of_run)
		assert_equal "$(grep -c '"verdict":"truncated"' "$JUDGE_OUT")" 2
		play "$SHIM" client "$tls" ssl_clear_reuse
		assert_equal "$(grep -c '"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2
		assert_equal "$(sum_of_run)" "$without"
	done
}

@test "up_ref_cleared: who holds a session still holds it after SSL_clear" {
	local tls without
	JUDGE_ARGS=(--connections 2 --silent-end)
	for tls in 1.2 1.3; do
		play '' client "$tls" up_ref_cleared
		without=$(sum_of_run)
		assert_equal "$(grep -c '"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2
		play "$SHIM" client "$tls" up_ref_cleared
		assert_equal "$(grep -c '"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2
		assert_equal "$(sum_of_run)" "$without"
	done
}

@test "custom_bio_data_gone: nothing is asked of a BIO whose data may be gone" {
	changes custom_bio_data_gone truncated closed
}

@test "buffer_under_ssl: a buffering BIO between session and socket" {
	changes buffer_under_ssl truncated closed
}

@test "unix_socketpair: a unix socket instead of TCP" {
	changes unix_socketpair truncated closed
}

# --- the program's own goodbye, unfinished or too late ---

@test "gave_up_want_write: the goodbye that did not fit is finished" {
	changes gave_up_want_write truncated closed
}

@test "half_written_record: one record that did not fit is finished first, and not a byte of it is forged" {
	local run whole
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	play_all 'client server' half_written_record
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_equal "$(verdict_of "$RESULT")" truncated
			continue
		fi
		whole=${SAID%% *}
		assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(field close_notify "$RESULT")" "closed $((whole + 16384)) 1"
		assert_equal "$(field sha256 "$RESULT")" "$({
			yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c 10000
			yes r | tr -d '\n' | head -c $((whole + 16384 - 10000))
		} | sha256sum | cut -d' ' -f1)"
	done
}

@test "ncat_order: shutdown(SHUT_WR) before SSL_shutdown" {
	changes ncat_order truncated closed
}

@test "peer's close_notify came first: it gets its reply" {
	JUDGE_ARGS=(--first close_notify --first-after 10000)
	changes read_to_end_then_close truncated closed
	JUDGE_ARGS=(--send 20000 --first both --first-after 10000)
	changes read_to_end_then_close truncated closed
	changes ignore_eof_then_close truncated closed
}

# resets_no_more PROGRAM: unread input makes RST of its end, and what the peer gets to hear is chance.
resets_no_more() {
	local run
	JUDGE_ARGS=(--send 10000 --silent-end)
	play_all 'client server' "$1"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_equal "$(verdict_of "$RESULT")" reset
		else
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(field close_notify "$RESULT")" 'closed 10000 1'
		fi
	done
}

@test "close_with_unread: the peer's unread bytes make no reset" {
	resets_no_more close_with_unread
}

@test "shutdown_with_unread: the program's own goodbye is not lost to a reset" {
	resets_no_more shutdown_with_unread
}

# --- the program's own SSL_shutdown ---

@test "shutdown_after_reset: SSL_shutdown raises no SIGPIPE and fails as OpenSSL says" {
	local run
	JUDGE_ARGS=(--first rst --first-after 10000)
	play_all 'client server' shutdown_after_reset
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_equal "$STATUS" 141
		else
			assert_equal "$STATUS $SAID" "0 SSL_shutdown = -1 SSL_get_error 5 errno 32"
		fi
	done
}

# waits_and_says RESULT PROGRAM: SSL_shutdown returns RESULT under CLOSENOTIFY_WAIT_MS=$WAIT, 0 without the library.
waits_and_says() {
	local run
	CLOSENOTIFY_WAIT_MS=$WAIT play_all 'client server' "$2"
	for run in "${RUNS[@]}"; do
		this_run "$run"
		if [ -z "$LIBRARY" ]; then
			assert_equal "$SAID" 'SSL_shutdown(r.ssl) = 0 errno 0 queue 0'
		else
			assert_equal "$SAID" "SSL_shutdown(r.ssl) = $1 errno 0 queue 0"
			assert_equal "$(verdict_of "$RESULT")" closed
			assert_equal "$(field close_notify "$RESULT")" 1
		fi
	done
}

@test "CLOSENOTIFY_WAIT_MS: SSL_shutdown returns 1 when the peer answers" {
	WAIT=50000
	waits_and_says 1 shutdown_once
	waits_and_says 1 shutdown_once_nonblocking
}

@test "CLOSENOTIFY_WAIT_MS: SSL_shutdown returns 0 when something else arrives before the answer" {
	WAIT=50000
	JUDGE_ARGS=(--send 1000000 --send-when eof)
	waits_and_says 0 shutdown_once
	waits_and_says 0 shutdown_once_nonblocking
}

@test "CLOSENOTIFY_WAIT_MS: SSL_shutdown returns 0 when the peer never answers" {
	WAIT=100
	JUDGE_ARGS=(--silent-end)
	waits_and_says 0 shutdown_once
	waits_and_says 0 shutdown_once_nonblocking
}

@test "CLOSENOTIFY_WAIT_MS: half a record and then silence is no answer, and no hang" {
	local tls program out word port
	for tls in 1.2 1.3; do
		for program in shutdown_once shutdown_once_nonblocking; do
			out=$BATS_TEST_TMPDIR/peer-$tls-$program
			"$RUDE/half_record_stalls" 0 "$tls" >"$out" 3>&- &
			STARTED+=($!)
			until read -r word port <"$out" && [ "$word" = listening ]; do
				is_ours $!
				a_moment
			done
			CLOSENOTIFY_WAIT_MS=100 LD_PRELOAD=$SHIM run timeout -k 10 60 "$RUDE/$program" "$port" "$tls"
			assert_output 'SSL_shutdown(r.ssl) = 0 errno 0 queue 0'
			assert_success
		done
	done
}

@test "shutdown_after_close: SSL_shutdown on a closed descriptor says what OpenSSL says" {
	changes shutdown_after_close truncated closed
}

@test "shutdown_after_close: SSL_shutdown makes no system call on the number" {
	local tls
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --no-tickets
		strace -o "$BATS_TEST_TMPDIR/calls" -e trace=network,desc -E LD_PRELOAD="$SHIM" \
			"$RUDE/shutdown_after_close" "$JUDGE_PORT" "$tls" >/dev/null
		judge_result >/dev/null
		run awk '/^connect\(/ { match($0, /[0-9]+/); fd = substr($0, RSTART, RLENGTH) }
			closed && $0 ~ "^(write|writev|send|sendto|sendmsg|read|recv|recvfrom|recvmsg|shutdown|close)[(]" fd "," { print }
			$0 ~ "^close[(]" fd "[)]" { closed = 1 }
			END { print closed ? "closed" : "never closed" }' "$BATS_TEST_TMPDIR/calls"
		assert_output closed
	done
}

@test "shutdown_after_reuse: SSL_shutdown writes nothing to the number's next socket" {
	local tls
	for tls in 1.2 1.3; do
		play '' client "$tls" shutdown_after_reuse
		assert_regex "$SAID" 'SSL_shutdown = 0 .*the other socket heard [0-9]+ bytes'
		play "$SHIM" client "$tls" shutdown_after_reuse
		assert_equal "$SAID" $'SSL_shutdown = -1 SSL_get_error 5\nthe other socket heard -1 bytes'
		assert_equal "$(verdict_of "$RESULT")" closed
	done
}

# --- what must not be seen ---

@test "the program's descriptors are the same at every step" {
	changes descriptor_table truncated closed
}

@test "CLOSENOTIFY_MODE: observe and off change nothing on the wire" {
	local program mode
	for program in free_then_close close_then_free exit_0; do
		for mode in observe off; do
			export CLOSENOTIFY_MODE=$mode
			changes "$program" truncated truncated
		done
	done
}
