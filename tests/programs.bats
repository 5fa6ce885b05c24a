#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unmodified programs of the distribution, first without the library and then with it, before the judge.
# shellcheck disable=SC2153 # RESULT, STATUS, WORK, EXPECTED are what cases.bash measures

load helper
load cases

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host "${PACKAGES[@]}"
	"$PROJECT/tests/sysroot" add -q host "$SOME_LACK" 2>/dev/null || : >"$BATS_FILE_TMPDIR/no-qt6"
	! may_mount || add_proftpd host
	libevent_program
}

setup() {
	make_rsa_cert "$BATS_TEST_TMPDIR/rsa"
}

teardown() {
	stop_programs
	stop_judges
}

# The program's output; numbers in it are ports, times, process ids and addresses.
output_of() {
	# Apache's thread that closes may meet a descriptor that its end has closed already. A thread of stunnel's that ends just when it
	# is told to terminate can't be joined.
	sed -E "s,$1,WORK,g; s/0x[0-9a-f]+|[0-9]+/N/g; /process_lingering_close: apr_pollset_add failure/d; /pthread_join\(\) failed\$/d" "$1/out" "$1/err"
}

as_root() {
	[ "$EUID" -eq 0 ] || skip 'only root can become another user'
	needs_readers
}

needs_qt6() {
	[ ! -e "$BATS_FILE_TMPDIR/no-qt6" ] || skip 'this release has no Qt 6 for python3'
}

# holds NAME...: the verdict is the known one without the library and "closed" with it, and nothing else differs:
# neither exit status nor output nor bytes, and no record on the wire but the alert, before FIN.
holds() {
	local name tls
	for name; do
		for tls in 1.2 1.3; do
			same_but_closed "$name" "$tls"
			same_records "$name" "$tls"
		done
	done
}

same_but_closed() {
	local before status work

	measure "$1" "$2" without
	before=$RESULT status=$STATUS work=$WORK
	measure "$1" "$2" with
	echo "$1, TLS $2, without: $before"
	echo "$1, TLS $2, with: $RESULT"
	! as_listed || assert_equal "$(verdict_of "$before")" "$EXPECTED"
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(field close_notify "$RESULT")" 1
	assert_equal "$(field records_after_close_notify "$RESULT")" 0
	assert_equal "$(field bytes "$RESULT")" "$(field bytes "$before")"
	assert_equal "$(field sent "$RESULT")" "$(field sent "$before")"
	# Postfix's master dies of an alarm of its own (142) when it takes five seconds to die of SIGTERM (143). Apache serves before
	# it handles SIGTERM.
	STATUS=${STATUS/142/143} status=${status/142/143}
	[ "$1" != apache ] || STATUS=${STATUS/143/0} status=${status/143/0}
	assert_equal "$STATUS" "$status"
	assert_equal "$(output_of "$WORK")" "$(output_of "$work")"
}

# side NAME-OF-SIDE: its records. A ticket's length varies, by blocks of 16: its random age_add is a number without leading zeros.
side() {
	sed -nE "s/^$1: //p" "$WORK/wire" | sed -E 's,23/(234|250|266),23/ticket,g'
}

# repaired RECORDS ALERT: these records with the alert at the end, unless it was there, and then FIN.
repaired() {
	local records=${1% *}
	[[ $records == *" $2" ]] || records+=" $2"
	echo "$records FIN"
}

same_records() {
	local client server before alert=23/19

	[ "$2" = 1.3 ] || alert=21/26
	measure "$1" "$2" without relay
	client=$(side client) server=$(side server) before=$(verdict_of "$RESULT")
	measure "$1" "$2" with relay
	echo "$1, TLS $2, without: $client / $server"
	echo "$1, TLS $2, with: $(side client) / $(side server)"
	if [ "$before" = closed ]; then
		assert_equal "$(side client)" "$client"
		assert_equal "$(side server)" "$server"
	elif [ "$(field role "$RESULT")" = server ]; then
		assert_equal "$(side client)" "$(repaired "$client" "$alert")"
	else
		assert_equal "$(side server)" "$(repaired "$server" "$alert")"
	fi
}

# untouched NAME...: a program whose TLS library is not covered does what it always did.
untouched() {
	local name tls
	for name; do
		for tls in 1.2 1.3; do
			measure "$name" "$tls" with
			assert_equal "$(verdict_of "$RESULT")" "$EXPECTED"
			assert_equal "$STATUS" 0
		done
	done
}

# refuses REASON NAME: the program wants it so, and gets it: the same without and with the library, which says why.
refuses() {
	local tls before
	for tls in 1.2 1.3; do
		measure "$2" "$tls" without
		before=$RESULT
		CLOSENOTIFY_LOG=text measure "$2" "$tls" with
		as_listed || EXPECTED=$(verdict_of "$before")
		assert_equal "$(verdict_of "$before")" "$EXPECTED"
		assert_equal "$(verdict_of "$RESULT")" "$EXPECTED"
		assert_equal "$(field order "$RESULT")" "$(field order "$before")"
		assert_equal "$(field bytes "$RESULT")" "$(field bytes "$before")"
		assert grep -qE "action=(none|half_close) delivery=[-a-z]+ reason=($1) " "$WORK/err"
	done
}

# serves NAME: a client that fails at a server that only closes succeeds when the server has the library.
serves() {
	local name failure tls
	columns "$(row_of "$1" "${PEERS[@]}")" name PROGRAM failure
	for tls in 1.2 1.3; do
		measure_peer "$1" "$tls" without
		! as_listed || assert_equal "TLS $tls, without: $STATUS" "TLS $tls, without: $failure"
		measure_peer "$1" "$tls" with
		cat "$WORK/complaint"
		assert_equal "TLS $tls, with: $STATUS" "TLS $tls, with: 0"
		assert cmp "$WORK/file" "$WORK/got"
	done
}

# resumes NAME: of 300 connections no session survives without the library, all do with it.
resumes() {
	local row
	while read -r row; do
		measure_sessions "$row" without
		echo "$KEPT"
		! as_listed || assert_equal "without: $RESUMED resumed, $CLOSED closed" 'without: 0 resumed, 0 closed'
		measure_sessions "$row" with
		assert_equal "with: $RESUMED resumed, $CLOSED closed" \
			"with: $((RECONNECTS - 1)) resumed, $RECONNECTS closed"
	done < <(row_of "$1" "${SESSIONS[@]}")
}

@test "python3: a client that only closes is heard to say goodbye" {
	holds python_raw
}

@test "python3: a client that closes after the server's goodbye answers it" {
	holds python_answer
}

@test "python3: a client that closes with unread input ends in a goodbye, not in a reset" {
	holds python_unread
}

@test "python3: a client that exits with the connection open says goodbye" {
	holds python_exit
}

@test "python3: a client that unwraps was right already" {
	holds python_unwrap
}

@test "python3: urllib and http.client say goodbye" {
	holds python_urllib python_http_client
}

@test "python3: smtplib says goodbye after QUIT" {
	holds python_smtplib
}

@test "python3: a server that only closes says goodbye" {
	holds python_raw_server
}

@test "python3: http.server says goodbye after each answer" {
	holds python_http_server
}

@test "ruby: SSLSocket#close was right already, with and without sync_close" {
	holds ruby_sync_close ruby_no_sync_close
}

@test "ruby: the goodbye of a client with unread input is not lost to a reset" {
	holds ruby_unread
}

@test "ruby: a program that closes the TCPSocket alone says goodbye" {
	holds ruby_tcp_close
}

@test "ruby: net/http was right already" {
	holds ruby_net_http
}

@test "perl: IO::Socket::SSL was right when closed, and says goodbye when let go" {
	holds perl_close perl_let_go
}

@test "openssl: s_client was right already" {
	holds openssl_s_client openssl_s_client_eof
}

@test "openssl: s_server was right already; that of 1.1.1 shuts down quietly, and is left so" {
	if [[ $(inside openssl version) == 'OpenSSL 1.1.1'* ]]; then
		refuses quiet openssl_s_server
		refuses quiet openssl_s_server_www
	else
		holds openssl_s_server openssl_s_server_www
	fi
}

@test "curl was right already" {
	holds curl
}

@test "socat was right already, as client and as server" {
	holds socat_client socat_listen
}

@test "ncat: a client that half-closes says goodbye first" {
	holds ncat_client
}

@test "ncat: a server that sends a file says goodbye" {
	holds ncat_listen
}

@test "ncat: a server that runs a command was right already" {
	holds ncat_exec
}

@test "nginx was right already" {
	holds nginx
}

@test "redis-cli says goodbye" {
	holds redis_cli
}

@test "redis-server was right already" {
	holds redis_server
}

@test "stunnel was right already, as client and as server" {
	holds stunnel_client stunnel_server
}

@test "asyncio: was right when closed, as client and as server" {
	holds asyncio_close asyncio_server
}

@test "asyncio: a client that aborts its transport, or exits with it open, says goodbye" {
	holds asyncio_abort asyncio_exits
}

@test "uvicorn was right already" {
	holds uvicorn
}

@test "Twisted: was right when it loses its connection, as client and as server" {
	holds twisted_lose twisted_server
}

@test "Twisted: a client that aborts has asked for a reset and gets it" {
	refuses 'truncated_by_us|abort_requested' twisted_abort
}

@test "libcurl was right already" {
	holds libcurl
}

@test "Qt: a client that disconnects was right already" {
	holds qt5_disconnects
}

@test "Qt: a client that closes, aborts or deletes its QSslSocket says goodbye" {
	holds qt5_closes qt5_aborts qt5_deletes
}

@test "Qt 6: a client that closes or deletes its QSslSocket says goodbye" {
	needs_qt6
	holds qt6_closes qt6_deletes
}

@test "Qt: a server that closes or aborts says goodbye" {
	holds qt5_server_closes
}

@test "Qt 6: a server that aborts says goodbye" {
	needs_qt6
	holds qt6_server_aborts
}

@test "Qt finds libssl by dlsym() on a handle: without --deep it is left as it was" {
	DEEP=no untouched qt5_closes
	[ -e "$BATS_FILE_TMPDIR/no-qt6" ] || DEEP=no untouched qt6_closes
}

@test "libevent: bufferevents that are just freed say goodbye, over a socket and as a filter" {
	holds libevent_socket libevent_filter
}

@test "haproxy was right already as server; its connection to the backend has asked for a reset and gets it" {
	holds haproxy
	refuses abort_requested haproxy_client
}

@test "Apache's mod_ssl was right already" {
	holds apache
}

@test "Apache: the thread that closes blocks all signals and makes no TLS call, and is in no handler" {
	CLOSENOTIFY_LOG=text measure apache 1.3 with
	assert grep -q ' cause=close .* reason=clean ' "$WORK/err"
}

@test "Dovecot's login process was right already" {
	holds dovecot
}

@test "Postfix's posttls-finger was right already" {
	holds posttls_finger
}

@test "Postfix: smtpd and smtp were right already, after STARTTLS" {
	as_root
	holds postfix_smtpd postfix_smtp
}

@test "PostgreSQL was right already" {
	as_root
	holds postgres
}

@test "ProFTPD was right already, after AUTH TLS" {
	as_root
	needs_mount # beside the others it can't be installed
	holds proftpd
}

@test "ZNC was right already" {
	as_root
	holds znc
}

@test "PHP: file_get_contents was right already" {
	holds php
}

@test "psql was right already" {
	holds psql
}

@test "dig +tls of Debian 12 takes the SSL_SESSION out of its connection and is left alone" {
	as_listed || skip 'dig of another release does not: programs-in.md'
	local tls
	for tls in 1.2 1.3; do
		measure dig "$tls" without
		assert_equal "$(verdict_of "$RESULT")" truncated
		CLOSENOTIFY_LOG=text measure dig "$tls" with
		# Seldom the connection ends while it has its SSL_SESSION still.
		case $(verdict_of "$RESULT") in
		truncated) assert grep -q 'action=none delivery=- reason=unsupported ' "$WORK/err" ;;
		*) assert_equal "$(verdict_of "$RESULT") $(grep -o 'reason=repaired' "$WORK/err")" 'closed reason=repaired' ;;
		esac
	done
}

@test "wget: a client over GnuTLS that only closes is heard to say goodbye" {
	holds wget
}

@test "aria2c: over GnuTLS, was right already" {
	holds aria2c
}

@test "git clone, fatal at a plain Python server, succeeds when that has the library" {
	serves git_peer
}

@test "wget, in error at a plain Python server, succeeds when that has the library" {
	serves wget_peer
}

@test "aria2c, in error at a plain Python server, succeeds when that has the library" {
	serves aria2c_peer
}

@test "ruby's net/http, in error at a plain Python server, succeeds when that has the library" {
	serves ruby_peer
}

@test "300 reconnects: a client that lets go resumes no session without the library, and every one with it" {
	resumes perl_sessions
}

@test "300 reconnects: a server that only closes resumes no session without the library, and every one with it" {
	resumes python_sessions
}

@test "every program in the list has its test" {
	local row
	for row in "${CASES[@]}" "${PEERS[@]}" "${SESSIONS[@]}"; do
		assert grep -qE "^	+(holds|untouched|refuses|serves|resumes|measure) (.* )?${row%% *}( |\$)" "$BATS_TEST_FILENAME"
	done
}
