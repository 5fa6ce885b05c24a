#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unmodified programs of the distribution that speak TLS by GnuTLS, first without the library and then with it, before the judge.
# shellcheck disable=SC2153 # RESULT, STATUS, WORK, EXPECTED are what cases.bash measures

load helper
load cases
load gnutls/cases

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host "${PACKAGES[@]}"
	! may_mount || CN_BUILD=$OTHER "$PROJECT/tests/sysroot" add -q host exim4-daemon-light
	microhttpd_program
}

teardown() {
	stop_programs
	stop_judges
}

# The program's output; numbers in it are ports, times, process ids and addresses.
output_of() {
	sed -E "s,$1,WORK,g; s/0x[0-9a-f]+|[0-9]+/N/g" "$1/out" "$1/err"
}

CHATTY='ngircd gnutls_cli gnutls_serv weechat' # they print session ids, and in turns

# holds NAME...: the verdict is the known one without the library and "closed" with it, and nothing else differs: exit status,
# output, bytes.
holds() {
	local name tls before status work
	for name; do
		for tls in 1.2 1.3; do
			measure "$name" "$tls" without
			[ "$EXPECTED" != - ] || continue
			before=$RESULT status=$STATUS work=$WORK
			measure "$name" "$tls" with
			echo "$name, TLS $tls, without: $status $before"
			echo "$name, TLS $tls, with: $STATUS $RESULT"
			! as_listed || assert_equal "$(verdict_of "$before")" "$EXPECTED"
			[ "$name $tls" != 'kdig 1.2' ] || as_listed || [ "$(field handshake "$before")" = true ] || continue # Debian 13's knows only 1.3
			assert_equal "$(verdict_of "$RESULT")" closed
			assert_equal "$(field close_notify "$RESULT")" 1
			assert_equal "$(field records_after_close_notify "$RESULT")" 0
			assert_equal "$(field bytes "$RESULT")" "$(field bytes "$before")"
			assert_equal "$(field sent "$RESULT")" "$(field sent "$before")"
			assert_equal "$STATUS" "$status"
			[[ " $CHATTY " == *" $name "* ]] || assert_equal "$(output_of "$WORK")" "$(output_of "$work")"
		done
	done
}

@test "wget: heard to say goodbye" {
	holds wget
}

@test "lynx: heard to say goodbye" {
	holds lynx
}

@test "lftp, https: heard to say goodbye" {
	holds lftp_https
}

@test "lftp, ftps: heard to say goodbye" {
	holds lftp_ftps
}

@test "GIO: close: heard to say goodbye" {
	holds gio_closes
}

@test "libcurl over GnuTLS: was right already" {
	holds curl_gnutls
}

@test "git over libcurl-gnutls: was right already" {
	holds git_gnutls
}

@test "rsyslogd, imtcp; the client ends: heard to say goodbye" {
	holds rsyslog_hears
}

@test "rsyslogd, omfwd: was right already" {
	holds rsyslog_sends
}

@test "chronyd, NTS-KE: heard to say goodbye" {
	holds chronyd
}

@test "WeeChat: was right already" {
	holds weechat
}

@test "Exim: was right already" {
	[ "$EUID" -eq 0 ] || skip 'only root can become another user'
	needs_mount # beside the others it can't be installed
	holds exim
}

@test "Emacs: heard to say goodbye" {
	holds emacs
}

@test "slapd: was right already" {
	holds slapd
}

@test "ngircd: was right already" {
	holds ngircd
}

@test "msmtp: was right already" {
	holds msmtp
}

@test "libmicrohttpd: was right already" {
	holds microhttpd
}

@test "libmicrohttpd, a thread for each: was right already" {
	holds microhttpd_many
}

@test "gnutls-cli: was right already" {
	holds gnutls_cli
}

@test "gnutls-serv: was right already" {
	holds gnutls_serv
}

@test "aria2c: was right already" {
	holds aria2c
}

@test "wget2: was right already" {
	holds wget2
}

@test "kdig +tls: was right already" {
	holds kdig
}

@test "every program in the list has its test" {
	local row
	for row in "${CASES[@]}"; do
		assert grep -qE "^	holds ${row%% *}\$" "$BATS_TEST_FILENAME"
	done
}
