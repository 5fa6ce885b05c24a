#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# GnuTLS, as goodbye.bats and refusal.bats for OpenSSL: programs of tests/gnutls with one sin each (or none), without the
# library and with it. gnutls_bye refuses hardly anything, so each of the library's own refusals is a test here.

# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests/gnutls
	JUDGE_ARGS=()
}

# What the judge received, and what the program saw of its own calls.
sum_of_run() {
	echo "$(field bytes "$RESULT") $(field sha256 "$RESULT") status $STATUS $SAID"
}

all_of_run() {
	jq -rc '[.verdict, .order, .bytes, .sha256, .close_notify, .fatal, .end]' <<<"$RESULT"
	echo "status $STATUS $SAID"
}

# each COMMAND ARG...: COMMAND ROLE TLS ARG... for every role and version, or for those of ROLES and VERSIONS.
each() {
	local role tls command=$1
	shift
	for role in ${ROLES-client server}; do
		for tls in ${VERSIONS-1.2 1.3}; do
			"$command" "$role" "$tls" "$@"
		done
	done
}

changes_here() {
	local role=$1 tls=$2 program=$3 before=$4 without
	shift 4
	play '' "$role" "$tls" "$program" "$@"
	assert_regex "$(verdict_of "$RESULT")" "^($before)$"
	without=$(sum_of_run)
	play "$SHIM" "$role" "$tls" "$program" "$@"
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(field close_notify "$RESULT")" 1
	assert_equal "$(sum_of_run)" "$without"
}

# changes PROGRAM VERDICTS [ARG...]: the verdict without the library; closed with it, and nothing else differs.
changes() {
	each changes_here "$@"
}

was_right() {
	JUDGE_ARGS=(--silent-end)
	each changes_here "$1" closed
}

unchanged_here() {
	local role=$1 tls=$2 program=$3 verdict=$4 without
	play '' "$role" "$tls" "$program"
	assert_regex "$(verdict_of "$RESULT")" "^($verdict)$"
	without=$(all_of_run)
	play "$SHIM" "$role" "$tls" "$program"
	assert_equal "$(all_of_run)" "$without"
}

# unchanged PROGRAM VERDICTS: so it ends without the library, and so it does with it, to the byte.
unchanged() {
	JUDGE_ARGS+=(--silent-end)
	each unchanged_here "$@"
}

# --- the orders of an end ---

@test "deinit_then_close: gnutls_deinit, close" {
	changes deinit_then_close truncated
}

@test "close_then_deinit: close, gnutls_deinit" {
	changes close_then_deinit truncated
}

@test "close_only: the session is never freed" {
	changes close_only truncated
}

@test "shutdown_wr_then_deinit: the program sends the FIN itself" {
	changes shutdown_wr_then_deinit truncated
}

@test "deinit_then_shutdown_rdwr: shutdown in both directions" {
	changes deinit_then_shutdown_rdwr truncated
}

@test "exit_0: return from main with the connection open" {
	changes exit_0 truncated
}

@test "underscore_exit_0: _exit(0) with the connection open" {
	changes underscore_exit_0 truncated
}

@test "early_handler: an exit handler from before TLS writes, says goodbye, and closes" {
	was_right early_handler
}

@test "exit_0_after_deinit: gnutls_deinit, and the descriptor is left to exit" {
	changes exit_0_after_deinit truncated
}

@test "dup2_over: something else takes the number" {
	changes dup2_over truncated
}

@test "two_numbers: two numbers for one socket" {
	changes two_numbers truncated
}

@test "unix_socket: a unix socket instead of TCP" {
	changes unix_socket truncated
}

@test "no_signal: GNUTLS_NO_SIGNAL has a push function of its own" {
	changes no_signal truncated
}

@test "forked_server: a child for each connection" {
	changes forked_server truncated
}

@test "uncorked_then_close: what was corked has gone out" {
	changes uncorked_then_close truncated
}

@test "key_update_then_close: after a key update that went out" {
	VERSIONS=1.3 changes key_update_then_close truncated
}

@test "close_with_unread: input that was not read causes no reset" {
	JUDGE_ARGS=(--send 10000 --silent-end)
	changes close_with_unread reset
}

@test "two_threads: one has written while another has read" {
	JUDGE_ARGS=(--send 10000 --first close_notify --silent-end)
	changes two_threads truncated
}

@test "read_to_end_then_close: the peer's close_notify is answered" {
	JUDGE_ARGS=(--first close_notify --silent-end)
	changes read_to_end_then_close truncated
}

@test "upload_unread: tickets that were not read cost no byte of an upload to a slow reader" {
	needs_filter
	JUDGE_ARGS=(--tickets 2 --read-pause-ms 1 --rcvbuf 8192 --silent-end)
	play '' client 1.3 upload_unread 400000
	assert_equal "$(verdict_of "$RESULT") $STATUS" 'reset 0'
	assert [ "$(field bytes "$RESULT")" -lt 400000 ]
	play "$SHIM" client 1.3 upload_unread 400000
	assert_equal "$(field '|[.verdict, .bytes, .close_notify, .rst_after_fin] | join(" ")' "$RESULT") $STATUS" 'closed 400000 1 false 0'
}

# --- transports of the program's own: found by the hello, and counted ---

@test "own_push: a push function" {
	changes own_push truncated
}

@test "own_vec_push: a push function that takes many parts" {
	changes own_vec_push truncated
}

@test "own_push_bye: was right, stays as it was" {
	was_right own_push_bye
}

@test "own_push_holds: ciphertext that the program keeps is missing, and that stays visible" {
	unchanged own_push_holds truncated
}

@test "own_push_holds: the goodbye that the program has made and not sent is sent" {
	JUDGE_ARGS=(--silent-end) # an answer may come after close(), and be reset, where the kernel grants no filter
	changes own_push_holds truncated 10000 bye
}

@test "own_push_later: a transport that changes after the handshake is left alone" {
	unchanged own_push_later truncated
}

# --- those that were right ---

@test "bye_then_close: gnutls_bye(SHUT_WR)" {
	was_right bye_then_close
}

@test "bye_both_then_close: gnutls_bye(SHUT_RDWR) until it is answered" {
	changes bye_both_then_close closed
}

@test "bye_both_once: gnutls_bye(SHUT_RDWR) that met E_AGAIN has said it" {
	was_right bye_both_once
}

@test "alert_then_close: the alert by gnutls_alert_send is a goodbye" {
	was_right alert_then_close
}

# --- the program's own goodbye, unfinished or too late ---

@test "bye_gave_up: the goodbye that did not fit is finished" {
	changes bye_gave_up truncated
}

@test "alert_gave_up: the same by gnutls_alert_send, and no second one" {
	changes alert_gave_up truncated
}

bye_after_fin() {
	play '' "$1" "$2" shutdown_wr_then_bye
	assert_equal "$(verdict_of "$RESULT") $STATUS" "truncated 141"
	play "$SHIM" "$1" "$2" shutdown_wr_then_bye
	assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $STATUS" 'closed 1 0'
}

@test "shutdown_wr_then_bye: killed by SIGPIPE without the library; its goodbye goes before the FIN with it" {
	JUDGE_ARGS=(--silent-end)
	each bye_after_fin
}

@test "close_then_bye: gnutls_bye fails as it did" {
	changes close_then_bye truncated
	assert_regex "$SAID" 'gnutls_bye\(.*\) = -53 errno 9 '
}

number_reused() {
	play '' "$1" "$2" reused_number
	assert_regex "$SAID" 'the other connection got 1$'
	play "$SHIM" "$1" "$2" reused_number
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_regex "$SAID" 'gnutls_bye\(.*\) = -53 errno 9 '
	assert_regex "$SAID" 'the other connection got -1$'
}

@test "reused_number: gnutls_bye writes into another's connection without the library, and into none with it" {
	each number_reused
}

whole_record() {
	local whole
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	play '' "$1" "$2" half_written_record
	assert_equal "$(verdict_of "$RESULT")" truncated
	play "$SHIM" "$1" "$2" half_written_record
	whole=${SAID%% *}
	assert_equal "$(jq -c '[.verdict, .bytes, .close_notify]' <<<"$RESULT")" "[\"closed\",$((whole + 16384)),1]"
	assert_equal "$(field sha256 "$RESULT")" "$({
		yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c 10000
		yes r | tr -d '\n' | head -c $((whole + 16384 - 10000))
	} | sha256sum | cut -d' ' -f1)"
}

@test "half_written_record: one record that did not fit is finished first" {
	each whole_record
}

# --- when not to ---

# Whether the peer sees FIN or RST is chance; an alert would be wrong.
says_nothing() {
	local library
	for library in '' "$SHIM"; do
		play "$library" "$1" "$2" "$3"
		assert_equal "$(jq -c '[.bytes, .close_notify, .fatal]' <<<"$RESULT")" '[0,0,null]'
	done
}

# How much fits into a socket is chance, and whether the peer's answer comes before close.
says_no_end() {
	local library
	for library in '' "$SHIM"; do
		play "$library" "$1" "$2" "$3"
		assert_regex "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" '^(truncated|reset) 0$'
	done
}

@test "handshake_given_up: the client's hello, the server's answer, and no more" {
	each says_nothing handshake_given_up
}

@test "rehandshake_asked: between a server's request for a handshake and the handshake" {
	ROLES=server VERSIONS=1.2 each says_no_end rehandshake_asked
}

@test "key_update_stalls: an alert would go out under the old key" {
	VERSIONS=1.3 unchanged key_update_stalls truncated
}

@test "fatal_then_close: after the program's own fatal alert" {
	unchanged fatal_then_close aborted
}

@test "fatal_then_goes_on: after it nothing makes the end a clean one" {
	unchanged fatal_then_goes_on aborted
}

@test "appropriate_then_close: after the program's own fatal alert for an error" {
	unchanged appropriate_then_close aborted
}

# meets WHAT-THE-JUDGE-DOES-FIRST: after which nothing may be said.
meets() {
	JUDGE_ARGS=(--first "$1")
	unchanged read_to_end_then_close 'truncated|reset'
	assert_regex "$SAID" 'gnutls_record_recv = -1 '
}

@test "read_to_end_then_close: after the peer's FIN without close_notify" {
	meets fin
}

@test "read_to_end_then_close: after half a record of the peer's" {
	meets half_record
}

@test "read_to_end_then_close: after a record that can't be decrypted" {
	meets corrupt_record
}

@test "read_to_end_then_close: after the peer's fatal alert" {
	meets fatal
}

@test "corked_then_close: bytes that the program has corked are missing, and that stays visible" {
	unchanged corked_then_close truncated
}

@test "half_written: a write of more than one record that did not fit is missing" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	each says_no_end half_written
}

@test "half_written_then_exit: the same at exit" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	each says_no_end half_written_then_exit
}


@test "small_records: a write of more than one record, where the peer takes small ones only" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	ROLES=client each says_no_end small_records
}

@test "bye_twice: who says it twice says it twice" {
	unchanged bye_twice 'closed|unclean'
}

@test "exit_3: a program that failed does not vouch for what it sent" {
	unchanged exit_3 truncated
}

@test "linger_zero: the program asked for RST" {
	unchanged linger_zero reset
}

@test "child_closes: a child that frees and closes says nothing on its parent's connection" {
	unchanged child_closes closed
}

@test "child_exits: nor one that exits" {
	unchanged child_exits closed
}

@test "quic_callback: QUIC is left alone" {
	unchanged quic_callback truncated
}

@test "fast_open: TCP fast open is left alone" {
	ROLES=client unchanged fast_open truncated
}

@test "datagrams: DTLS is left alone" {
	local without
	without=$("$RUDE/datagrams")
	run env LD_PRELOAD="$SHIM" "$RUDE/datagrams"
	assert_output "$without"
	assert_output --regexp 'recv\(.*\) = -1 errno 11 '
}

# --- the log ---

# log_of ROLE TLS PROGRAM FIELD...: these, of the one record of an end.
log_of() {
	local fields
	rm -f "$BATS_TEST_TMPDIR/log"
	CLOSENOTIFY_LOG=json:$BATS_TEST_TMPDIR/log play "$SHIM" "$1" "$2" "$3" >&2
	printf -v fields '.%s, ' "${@:4}"
	jq -rc "select(.event == \"end\") | [${fields%, }] | join(\" \")" "$BATS_TEST_TMPDIR/log"
}

log_tells() {
	local fields=(verdict fault our_end cause did reason tls role)
	assert_equal "$(log_of "$1" "$2" deinit_then_close "${fields[@]}")" \
		"repaired close_without_shutdown close_notify close nothing repaired TLSv$2 $1"
	assert_equal "$(log_of "$1" "$2" bye_then_close "${fields[@]}")" "ended none close_notify close close_notify clean TLSv$2 $1"
	assert_equal "$(log_of "$1" "$2" own_push_unbound cause reason)" 'gnutls_deinit unsupported'
}

@test "the log: verdict, cause, role and version" {
	JUDGE_ARGS=(--silent-end)
	each log_tells
}

names_told() {
	JUDGE_ARGS=(--silent-end)
	[ "$1" = client ] || JUDGE_ARGS+=(--sni www.example)
	assert_equal "$(log_of "$1" "$2" server_name sni)" www.example
}

@test "the log: the server's name, asked for and heard" {
	each names_told
}

@test "own_push_unbound: nobody knows which socket it writes to" {
	ROLES=client unchanged own_push_unbound truncated
}

# --- modes ---

@test "CLOSENOTIFY_MODE: observe and off change nothing on the wire; the record says what would have been done" {
	local mode
	for mode in observe off; do
		export CLOSENOTIFY_MODE=$mode
		unchanged deinit_then_close truncated
		unchanged own_push truncated
	done
	CLOSENOTIFY_MODE=observe
	assert_equal "$(log_of client 1.3 deinit_then_close verdict mode action reason)" \
		'truncated_by_us observe close_notify+half_close repaired'
}

waits_for_answer() {
	JUDGE_ARGS=()
	export CLOSENOTIFY_WAIT_MS=20000
	play "$SHIM" "$1" "$2" bye_both_once
	assert_regex "$SAID" '^gnutls_bye\(.*\) = 0 '
	assert_equal "$(log_of "$1" "$2" bye_both_once verdict peer_end)" 'ended close_notify'
	JUDGE_ARGS=(--silent-end)
	CLOSENOTIFY_WAIT_MS=100 play "$SHIM" "$1" "$2" bye_both_once
	assert_regex "$SAID" '^gnutls_bye\(.*\) = -28 '
}

@test "CLOSENOTIFY_WAIT_MS: gnutls_bye hears the answer; without one it is as ever" {
	each waits_for_answer
}

# --- how it comes into the process ---

@test "by_name: dlsym on a handle is left alone by plain preloading, and reached in deep mode" {
	ROLES=client unchanged by_name truncated
	play "$SHIM" client 1.3 by_name
	assert_equal "$(verdict_of "$RESULT")" truncated
	LD_AUDIT=${SHIM%.so}-deep.so play "$SHIM" client 1.3 by_name
	assert_equal "$(verdict_of "$RESULT")" closed
}

both_are_ended() {
	JUDGE_ARGS=(--connections 2 --silent-end)
	play '' "$1" "$2" two_libraries
	assert_equal "$(grep -c '"verdict":"truncated"' "$JUDGE_OUT")" 2
	play "$SHIM" "$1" "$2" two_libraries
	assert_equal "$(grep -c '"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2
}

@test "two_libraries: GnuTLS and OpenSSL in one process, and the exit ends the sessions of both" {
	ROLES=client each both_are_ended
}

# As plugins have it: each has a copy of its own, and neither is the program's.
two_copies() {
	local library name
	library=$(LD_TRACE_LOADED_OBJECTS=1 "$RUDE/deinit_then_close" | awk '/libgnutls/ { print $3 }')
	sed 's/libgnutls\.so\.30/libgnutlz.so.30/g' "$library" >libgnutlz.so.30
	for name in libgnutls libgnutlz; do
		cc -shared -fPIC -D_GNU_SOURCE -Dmain=party_main -I"$PROJECT/tests/rude" "$PROJECT/tests/gnutls/deinit_then_close.c" \
			-o "$name.plugin" -L. -l:$name.so.30 -Wl,-rpath,"$PWD"
	done
	cc -D_GNU_SOURCE -xc - -o plays -ldl <<-'END'
		#include <dlfcn.h>
		int main(int argc, char **argv)
		{
			for (int i = 3; i < argc; i++) {
				void *plugin = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
				int (*play)(int, char **) = plugin ? (int (*)(int, char **))dlsym(plugin, "party_main") : 0;
				if (!play || play(3, argv))
					return 98;
			}
			return 0;
		}
	END
}

@test "two copies of libgnutls in one process: each session is ended by the functions of its own" {
	local tls library
	cd "$BATS_TEST_TMPDIR" || return 1
	two_copies
	RUDE=$BATS_TEST_TMPDIR
	JUDGE_ARGS=(--connections 4 --silent-end)
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			play "$library" client "$tls" plays ./libgnutls.plugin ./libgnutlz.plugin ./libgnutlz.plugin ./libgnutls.plugin
			assert_equal "$STATUS" 0
			assert_equal "$(jq -r '.verdict' <(grep '^{' "$JUDGE_OUT") | sort | uniq -c | xargs)" \
				"4 $([ -n "$library" ] && echo closed || echo truncated)"
		done
	done
}

# --- threads, memory, and a right program ---

@test "thread_in_read: who closes while another thread is inside says nothing" {
	unchanged thread_in_read truncated
}

@test "churn: sessions that come and go leave nothing behind" {
	run env LD_PRELOAD="$SHIM" "$RUDE/churn" 200
	assert_success
	echo "$output pages"
	assert [ "$output" -lt 300 ] # one entry for each of 120,000 sessions would be 10,000
}

@test "careful: a right program sees the same of every call" {
	JUDGE_ARGS=(--send 5)
	each unchanged_here careful closed
	assert_regex "$SAID" 'gnutls_handshake\(p.session\) = 0 '
}
