#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an outside reader of the protocol looked for: idioms of OpenSSL and GnuTLS that are rare. Each first without the library.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end)
}

# What the judge received, and what the program saw of its own calls.
sum_of_run() {
	echo "$(field verdict "$RESULT") $(field close_notify "$RESULT") $(field bytes "$RESULT") $(field sha256 "$RESULT") status $STATUS $SAID"
}

# The same where the bytes differ from run to run: a hello is among them.
ends_of_run() {
	echo "$(field verdict "$RESULT") $(field close_notify "$RESULT") $(field bytes "$RESULT") status $STATUS $SAID"
}

@test "tls_over_ssl_bio: the outer session of a tunnel ends as its program ends it" {
	local tls without

	for tls in 1.2 1.3; do
		play '' client "$tls" ../transports/tls_over_ssl_bio 1000 says_goodbye
		without=$(ends_of_run)
		assert_equal "$(verdict_of "$RESULT")" closed
		play "$SHIM" client "$tls" ../transports/tls_over_ssl_bio 1000 says_goodbye
		assert_equal "$(ends_of_run)" "$without"
	done
}

@test "tls_over_ssl_bio: the outer session of a tunnel is made to say goodbye" {
	local tls end

	for tls in 1.2 1.3; do
		for end in close_free free_close; do
			play '' client "$tls" ../transports/tls_over_ssl_bio 1000 "$end"
			assert_equal "$(verdict_of "$RESULT")" truncated
			play "$SHIM" client "$tls" ../transports/tls_over_ssl_bio 1000 "$end"
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
		done
	done
}

@test "second_session_waits: the first session ends as its program ends it" {
	local tls without

	for tls in 1.2 1.3; do
		play '' client "$tls" second_session_waits 1000
		without=$(sum_of_run)
		assert_equal "$(verdict_of "$RESULT")" closed
		play "$SHIM" client "$tls" second_session_waits 1000
		assert_equal "$(sum_of_run)" "$without"
	done
}

@test "method_set_again: no alert by a session that has forgotten how to encrypt" {
	local how tls without

	[[ $(openssl version) == "OpenSSL "@(1.1|3.0|3.1).* ]] || skip 'OpenSSL from 3.2 on has not forgotten it: idioms.bats'

	for how in session method; do
		for tls in 1.2 1.3; do
			play '' client "$tls" method_set_again 1000 "$how"
			without="$(sum_of_run) $(field error "$RESULT")"
			assert_equal "$(verdict_of "$RESULT") $(field error "$RESULT")" 'truncated null'
			play "$SHIM" client "$tls" method_set_again 1000 "$how"
			assert_equal "$(sum_of_run) $(field error "$RESULT")" "$without"
		done
	done
}

@test "told_then_reset: what fails after the peer's close_notify and reset is not blamed on the program" {
	local how tls without did

	JUDGE_ARGS=(--first close_notify_rst --first-after 1000)
	export CLOSENOTIFY_LOG=json:$BATS_TEST_TMPDIR/log
	for how in shutdown write write_ex; do
		did=nothing
		[ "$how" != shutdown ] || did=failed_shutdown # not a close_notify that is half out
		for tls in 1.2 1.3; do
			play '' client "$tls" told_then_reset 1000 "$how"
			without=$(sum_of_run)
			assert_regex "$SAID" "SSL_read: SSL_get_error 6.*$how: (-1|0) SSL_get_error 6"
			rm -f "$BATS_TEST_TMPDIR/log"
			play "$SHIM" client "$tls" told_then_reset 1000 "$how"
			assert_equal "$(sum_of_run)" "$without"
			run jq -r '[.verdict, .fault, .peer_end, .reason, .did] | join(" ")' "$BATS_TEST_TMPDIR/log"
			assert_output "ended none close_notify peer_truncated $did"
		done
	done
}
