#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Boost.Asio's ssl::stream, which gives OpenSSL a BIO pair: the ways in which its users end a connection, blocking and
# asynchronous, the client first and the server first, with the library on neither side, on one and on both. What Asio
# tells each side is the verdict; the judge is asked as well.
# shellcheck disable=SC2153 # set by asio/lanes.bash

load helper
load cases
load asio/lanes

setup_file() {
	make_certs
	asio_programs
}

setup() {
	RUDE=$BUILD/tests/asio
}

# holds NAME: Asio tells both sides what the list says; a lane is repaired if the one to blame has the library, and only then.
holds() {
	local style first tls with first_library other_library heard
	lane_of "$1"
	for style in $STYLES; do
		for first in client server; do
			for tls in 1.2 1.3; do
				for with in neither first other both; do
					first_library='' other_library='' heard="$FIRST_WITHOUT / $OTHER_WITHOUT"
					[[ $with != first && $with != both ]] || first_library=$SHIM
					[[ $with != other && $with != both ]] || other_library=$SHIM
					[[ $with != "$BLAME" && $with != both ]] || heard="$FIRST_WITH / $OTHER_WITH"
					lane "$first" "$style" "$tls" "$first_library" "$FIRST" "$other_library" "$OTHER"
					assert_equal "$style, $first first, TLS $tls, library: $with: $FIRST_HEARD / $OTHER_HEARD, $STATUS" \
						"$style, $first first, TLS $tls, library: $with: $heard, 0"
				done
			done
		done
	done
}

# judged VERDICT STYLE STEPS: the judge's verdict without the library; with it always "closed", and all else the same.
judged() {
	local role tls before
	for role in client server; do
		JUDGE_ARGS=(--request hello --silent-end)
		[ "$role" = server ] || JUDGE_ARGS=(--send 20000 --send-when request --no-tickets --silent-end)
		for tls in 1.2 1.3; do
			# shellcheck disable=SC2086 # steps are words
			play '' "$role" "$tls" "$2" $3
			assert_equal "$(verdict_of "$RESULT")" "$1"
			before="$(field bytes "$RESULT") $(field sha256 "$RESULT") $STATUS $SAID"
			# shellcheck disable=SC2086
			play "$SHIM" "$role" "$tls" "$2" $3
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(field bytes "$RESULT") $(field sha256 "$RESULT") $STATUS $SAID" "$before"
		done
	done
}

@test "shutdown after the peer closed without a word: its read and shutdown succeed once the peer has the library" {
	holds closed_before
}

@test "shutdown, then the peer closes without a word: succeeds once the peer has the library" {
	holds closed_after
}

@test "shutdown on both sides was right already" {
	holds both
}

@test "shutdown that nobody waits for was right already: close, cancel, a write that fails" {
	holds would_block
	holds unwaited
	holds cancelled
	holds write_fails
}

@test "no shutdown at all: the peer reads to the end instead of stream_truncated" {
	holds closed
	holds destroyed
	holds pending_read
}

@test "close with unread input: the peer reads to the end instead of a reset" {
	holds unread
}

@test "the judge hears the goodbye of a stream that is closed, destroyed, or closed with a read pending" {
	judged truncated sync close
	judged truncated sync ''
	judged truncated async close
	judged truncated async ''
	judged truncated async pending
}

@test "the judge hears one goodbye of a stream that shuts down and does not wait" {
	judged closed sync unwaited
	judged closed async unwaited
	judged closed async write
	judged closed async cancel
}
