#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sessions that have no socket: a BIO of the program's own, a filter, a BIO pair, memory. Which socket carries them is told
# by the hello; whether anything may be added, by the kernel's count. The judge must hear the goodbye where all
# was sent, and no difference where it was not.

load helper

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests/transports
	JUDGE_ARGS=(--silent-end)
	EXPECTED=()
}

heard() {
	local key
	for key in verdict bytes sha256 close_notify fatal error; do
		field "$key" "$RESULT"
	done
}

end_heard() {
	local RESULT
	RESULT=$(jq -c '.bytes = 0 | .sha256 = ""' <<<"$1")
	heard
}

# add VERDICT ROLE TLS ARG...: a run without the library and one with it, for as_expected.
add() {
	local library tickets=()
	[ "$2" = server ] || tickets=(--no-tickets)
	for library in '' "$SHIM"; do
		add_run "$2" "$3" "$library" "${JUDGE_ARGS[@]}" "${tickets[@]}" -- "$RUDE/transport" 20000 "${@:4}"
	done
	EXPECTED+=("$1")
}

# says_goodbye ROLE TLS ARG...: truncated without the library, closed with it, all else the same.
says_goodbye() {
	add closed "$@"
}

# leaves_alone VERDICT ROLE TLS ARG...: so without the library, and so with it.
leaves_alone() {
	add "unchanged $1" "${@:2}"
}

# Plays all that was said above.
as_expected() {
	local i without
	play_runs
	for i in "${!EXPECTED[@]}"; do
		this_run "${RUNS[2 * i]}"
		if [ "${EXPECTED[i]}" = closed ]; then
			assert_equal "$(verdict_of "$RESULT")" truncated
			without="$(field bytes "$RESULT") $STATUS $SAID"
			this_run "${RUNS[2 * i + 1]}"
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(field bytes "$RESULT") $STATUS $SAID" "$without"
		else
			assert_equal "unchanged $(verdict_of "$RESULT")" "${EXPECTED[i]}"
			without="$(heard) $STATUS $SAID"
			this_run "${RUNS[2 * i + 1]}"
			assert_equal "$(heard) $STATUS $SAID" "$without"
		fi
	done
}

# all_roads SENDER...: by each road, as client and as server, TLS 1.2 and 1.3.
all_roads() {
	local style sender role tls
	for sender; do
		for style in custom filter pair memory; do
			for role in client server; do
				for tls in 1.2 1.3; do
					says_goodbye "$role" "$tls" "$style" "$sender"
				done
			done
		done
	done
}

@test "a BIO of its own, a filter, a pair, memory: the socket is found by the hello" {
	all_roads send
	as_expected
}

@test "the hello goes out by write, sendto, writev, sendmsg, sendmmsg" {
	local style sender
	for sender in write sendto writev sendmsg sendmmsg; do
		for style in custom memory; do
			says_goodbye client 1.3 "$style" "$sender"
		done
	done
	as_expected
}

@test "the hello goes out a byte at a time" {
	all_roads bytes
	as_expected
}

@test "the hello goes out by another thread" {
	all_roads thread
	as_expected
}

@test "plain text goes before the hello, as with STARTTLS" {
	JUDGE_ARGS+=(--skip 12)
	all_roads starttls
	as_expected
}

@test "close before SSL_free, SSL_free alone and exit" {
	local style
	for style in custom filter pair memory; do
		says_goodbye client 1.2 "$style" send 0 close_free
		says_goodbye client 1.3 "$style" send 0 exit
		says_goodbye server 1.3 "$style" send 0 close_free
	done
	as_expected
}

@test "a program that says goodbye itself is right: nothing is added" {
	local style
	for style in custom filter pair memory; do
		leaves_alone closed client 1.2 "$style" send 0 shutdown_free_close
		leaves_alone closed server 1.3 "$style" send 0 shutdown_free_close
	done
	as_expected
}

@test "its goodbye never reached the socket: out of memory it is sent, else the stream stays truncated" {
	local style
	for style in custom filter pair; do
		leaves_alone truncated client 1.2 "$style" send 0 shutdown_kept
		leaves_alone truncated server 1.3 "$style" send 0 shutdown_kept
	done
	says_goodbye client 1.2 memory send 0 shutdown_kept
	says_goodbye server 1.3 memory send 0 shutdown_kept
	as_expected
}

@test "ciphertext and goodbye are still on their way when the descriptor is closed: nothing is cut off" {
	needs_filter
	local role tls library
	JUDGE_ARGS=(--silent-end --read-pause-ms 1 --rcvbuf 8192)
	for role in client server; do
		for tls in 1.2 1.3; do
			for library in '' "$SHIM"; do
				play "$library" "$role" "$tls" send_in_flight
				assert_equal "$(field bytes "$RESULT") $(verdict_of "$RESULT") $SAID" \
					$'300000 closed close(r.fd) = 0 errno 0 queue 0\nall was sent'
			done
		done
	done
}

@test "k bytes of ciphertext never reached the socket: no alert overtakes them" {
	local style k
	for style in custom memory; do
		for k in 1 2 5 6 17 500 1000 1017 1021 1022 1023 2000; do
			leaves_alone truncated client 1.3 "$style" send "$k"
			leaves_alone truncated client 1.2 "$style" send "$k" close_free
		done
	done
	as_expected
}

@test "a hello that is seen on two sockets belongs to none" {
	local sender style
	for sender in mirror mirror_after hello_only; do
		for style in custom pair memory; do
			leaves_alone truncated client 1.3 "$style" "$sender"
		done
	done
	as_expected
}

@test "bytes that look like a hello, on another socket, mislead nobody" {
	local style
	for style in custom filter pair memory; do
		says_goodbye client 1.3 "$style" decoy
	done
	as_expected
}

@test "twenty thousand hellos of others pass by: of those the last are remembered" {
	says_goodbye client 1.3 memory crowd_before
	leaves_alone truncated client 1.3 memory crowd_after
	as_expected
}

@test "after HelloRetryRequest the socket is found as well" {
	local style
	cat >"$BATS_TEST_TMPDIR/retry.cnf" <<-'END'
		openssl_conf = all
		[all]
		ssl_conf = ssl
		[ssl]
		system_default = groups
		[groups]
		Groups = P-384
	END
	# The judge knows no group but the one that clients don't guess.
	for style in custom filter pair memory; do
		OPENSSL_CONF=$BATS_TEST_TMPDIR/retry.cnf start_judge --tls 1.3 --no-tickets --silent-end
		run env LD_PRELOAD="$SHIM" strace -f -e trace=sendto -xx -s 12 -o "$BATS_TEST_TMPDIR/sent" \
			timeout 60 "$RUDE/transport" "$JUDGE_PORT" 1.3 20000 "$style" send
		assert_success
		assert_equal "$(verdict_of "$(judge_result)")" closed
		# A ClientHello, and after change_cipher_spec (RFC 8446 D.4) a second one.
		assert grep -q '\\x16\\x03\\x..\\x..\\x..\\x01' "$BATS_TEST_TMPDIR/sent"
		assert grep -q '\\x14\\x03\\x03\\x00\\x01\\x01\\x16\\x03\\x..\\x..\\x..\\x01' "$BATS_TEST_TMPDIR/sent"
	done
}

@test "TLS inside TLS: the inner session is nobody's, the outer one is ended as its program ends it" {
	local tls without
	for tls in 1.2 1.3; do
		play '' client "$tls" tls_in_tls
		assert_equal "$(verdict_of "$RESULT")" closed
		without="$(end_heard "$RESULT") $STATUS $SAID"
		play "$SHIM" client "$tls" tls_in_tls
		assert_equal "$(end_heard "$RESULT") $STATUS $SAID" "$without"
	done
}

@test "a thousand handshakes at once, interleaved, in two threads: every one finds its own socket" {
	local tls
	for tls in 1.2 1.3; do
		JUDGE_ARGS=(--silent-end --connections 1000 --timeout-ms 600000)
		play "$SHIM" client "$tls" many 100 1000
		assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq -r '[.verdict, .close_notify, .fatal] | @text' | sort | uniq -c | sed 's/^ *//')" \
			'1000 ["closed",1,null]'
		assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq .bytes | sort -n)" "$(seq 100 1099)"
	done
}
