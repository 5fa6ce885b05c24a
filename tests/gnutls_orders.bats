#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Orders of GnuTLS's calls that nobody has thought of, against the judge: a few of them, always the same; the long way is
# "make gnutls-orders". Then what such runs have found.

load helper

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests/gnutls
}

@test "random orders of calls: no record contradicts the judge, and no program crashes" {
	run "$PROJECT/tests/agreement" --gnutls 80 1
	assert_success
	assert_line '80 connections, 0 contradictions'
}

@test "tests/agreement tells its usage" {
	local args
	run "$PROJECT/tests/agreement" --help
	assert_success
	assert_line --partial 'usage: tests/agreement [--gnutls] COUNT'
	for args in '' many '1 2 3' --seconds; do
		# shellcheck disable=SC2086 # split on purpose
		run "$PROJECT/tests/agreement" $args
		assert_failure 2
		assert_equal "${#lines[@]}" 1
		assert_line --regexp '^agreement: .*; try --help$'
	done
}

@test "a crash is seen" {
	local preload=$BATS_TEST_TMPDIR/crash.so
	cc -shared -fPIC -xc - -o "$preload" <<<'int gnutls_deinit(void) { __builtin_trap(); }'
	AGREEMENT_PRELOAD=$preload run "$PROJECT/tests/agreement" --gnutls 24 1
	assert_failure 1
	assert_line --partial 'contradiction, a crash'
}

# record_of DEEDS FIELD...: of a client over its socket, in both versions, that has done DEEDS (see orders --help).
record_of() {
	local fields tls
	printf -v fields '.%s, ' "${@:2}"
	for tls in 1.2 1.3; do
		rm -f "$BATS_TEST_TMPDIR/log"
		CLOSENOTIFY_LOG=json:$BATS_TEST_TMPDIR/log play "$SHIM" client "$tls" orders 5 socket - "$1" >&2
		echo "$(verdict_of "$RESULT") $(jq -rc "select(.event == \"end\") | [${fields%, }] | join(\" \")" "$BATS_TEST_TMPDIR/log")"
	done
}

@test "gnutls_bye(SHUT_RDWR) that a bare FIN has ended has heard no close_notify" {
	JUDGE_ARGS=(--send 100 --first fin)
	refute_regex "$(record_of eS0C peer_end)" close_notify
	JUDGE_ARGS=(--send 100 --first both)
	assert_equal "$(record_of eS0C peer_end)" $'closed close_notify\nclosed close_notify'
}

@test "gnutls_bye after an error, or amid another handshake: what went out is what the record says" {
	JUDGE_ARGS=(--send 100 --first corrupt_record)
	assert_equal "$(record_of zSC our_end verdict)" $'closed close_notify failed\nclosed close_notify failed'
	JUDGE_ARGS=(--silent-end)
	assert_equal "$(record_of KS0C our_end verdict)" $'closed close_notify ended\nclosed close_notify ended'
}

@test "a write after the program's own shutdown(SHUT_WR) is none that it began" {
	JUDGE_ARGS=(--silent-end)
	assert_equal "$(record_of Ww3000C fault)" $'closed close_without_shutdown\nclosed close_without_shutdown'
}
