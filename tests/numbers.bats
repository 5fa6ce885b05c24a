#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Two numbers of one socket: the goodbye goes out as long as one of them is open, whichever is closed first.

load helper

setup_file() {
	make_certs
}

# orders PROGRAM N LETTERS...: truncated without the library, closed with it, and nothing else is different.
orders() {
	local program=$1 n=$2 letters tls library run without
	shift 2
	for letters in "$@"; do
		for tls in 1.2 1.3; do
			for library in '' "$SHIM"; do
				add_run client "$tls" "$library" --no-tickets --silent-end -- "$program" "$n" "$letters"
			done
		done
	done
	play_runs
	for run in "${RUNS[@]}"; do
		this_run "$run"
		assert_equal "$STATUS" 0
		if [ -z "$LIBRARY" ]; then
			assert_equal "$(verdict_of "$RESULT")" truncated
			without="$(field sha256 "$RESULT") $SAID"
		else
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(field sha256 "$RESULT") $SAID" "$without"
		fi
	done
}

@test "OpenSSL: SSL_set_rfd and SSL_set_wfd" {
	orders "$RUDE/set_rfd_wfd" 10000 WFR RFW WR RW W WF WSFR WSR
}

@test "OpenSSL: the same where a second thread lives" {
	orders "$RUDE/set_rfd_wfd" 1000 WFR RFW WF
}

@test "GnuTLS: gnutls_transport_set_int2" {
	orders "$BUILD/tests/gnutls/two_numbers" 10000 WFR RFW WR RW W WF WSFR
}

@test "overwritten_number: a record has gone into another file, so the other number gets no goodbye" {
	local tls library run without
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			add_run client "$tls" "$library" --no-tickets --silent-end -- "$RUDE/overwritten_number" 1000
		done
	done
	play_runs
	for run in "${RUNS[@]}"; do
		this_run "$run"
		[ -n "$LIBRARY" ] || without=$SAID
		assert_equal "$STATUS $(field '|[.bytes, .order[]] | join(" ")' "$RESULT") $SAID" "0 1000 handshake data fin $without"
	done
}
