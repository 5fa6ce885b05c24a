#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What tests/schannel.bats leaves out: other peers, uploads, WinHTTP and WinINet, and all of it under the Wine of Debian 13, where
# servers work too. make schannel.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

BATS_TEST_DIRNAME=${BATS_TEST_DIRNAME%/schannel}
load helper
load schannel/wine

APART=.more
SUITES=(bookworm trixie)

setup_file() {
	local suite
	may_mount && is_wines_machine || return 0
	make_certs
	windows_programs client server http
	for suite in "${SUITES[@]}"; do
		wine_of "$suite"
		start_wineserver "$suite"
		export "SERVER_$suite=$WINESERVER"
	done
}

teardown_file() {
	local suite server
	for suite in "${SUITES[@]}"; do
		server=SERVER_$suite
		WINESERVER=${!server-}
		[ -z "$WINESERVER" ] || stop_wineserver "$suite"
	done
}

setup() {
	needs_wine
	LOG=$BATS_TEST_TMPDIR/log
	JUDGE_ARGS=(--silent-end --no-tickets)
}

teardown() {
	stop_judges
	[ -z "${OWN_SERVER-}" ] || stop_wineserver "$OWN_SERVER"
}

# become WITHOUT DEEP ORDER...: how each of these ends ("VERDICT BYTES CLOSE_NOTIFY"), under both; what the program says is the same.
become() {
	local without=$1 deep=$2 suite order said
	shift 2
	for suite in "${SUITES[@]}"; do
		orders "$suite" without "$@"
		said="$STATUS $SAID"
		for order; do
			assert_equal "$order $(heard "$order" "$HEARD")" "$order $without"
		done
		orders "$suite" deep "$@"
		assert_equal "$STATUS $SAID" "$said"
		for order; do
			assert_equal "$order $(heard "$order" "$HEARD")" "$order $deep"
		done
	done
}

@test "Wine 10: the orders of an end, and what is right" {
	SUITES=(trixie)
	become 'truncated 1000 0' 'closed 1000 1' delete_then_close close_then_delete close_only token_asked_for \
		token_asked_for_close_first token_unsent token_unsent_close_first delete_then_shutdown_send duplicate_unused inherited \
		inherited_and_back
	become 'closed 1000 1' 'closed 1000 1' by_the_book by_the_book_with_fin
	become 'truncated 1000 0' 'closed 2000 1' token_overtakes
	become 'truncated 1000 0' 'truncated 1000 0' queue_unsent send_half_of_a_record shutdown_send shutdown_both disconnect
	become 'unclean 1000 1' 'unclean 1000 1' data_after_token
	become 'reset 1000 0' 'reset 1000 0' linger_zero
	become 'truncated 2000 0' 'truncated 2000 0' duplicate_goes_on
}

@test "Wine 10: plain preloading is inert" {
	orders trixie plain delete_then_close close_then_delete token_unsent
	assert_equal "$HEARD" "$(printf '%s truncated 1000 0\n' delete_then_close close_then_delete token_unsent)"
	assert [ ! -s "$LOG" ]
}

@test "Wine 10: ExitProcess and TerminateProcess" {
	SUITES=(trixie)
	become 'truncated 1000 0' 'closed 1000 1' exit_0
	become 'truncated 1000 0' 'closed 1000 1' terminate_0
	become 'truncated 1000 0' 'truncated 1000 0' exit_1
	become 'truncated 1000 0' 'truncated 1000 0' terminate_1
	become 'truncated 1000 0' 'closed 1000 1' token_unsent_then_exit
}

@test "TLS 1.3: neither Wine has it" {
	local suite
	for suite in "${SUITES[@]}"; do
		run in_wine "$suite" without wine "$WINE/client.exe" 1 1.3 close_only
		assert_output --regexp '^AcquireCredentialsHandle: 800903[13]1$' # no authority, no common algorithm
	done
}

@test "the peer's close_notify came first, with FIN and without: what DecryptMessage says is Wine's, and the goodbye goes back" {
	local first
	for first in close_notify both; do
		JUDGE_ARGS=(--no-tickets --first "$first" --first-after 1000 --send 300)
		become 'truncated 1000 0' 'closed 1000 1' read_to_end read_to_end_close_first
		assert_equal "$SAID" "$(printf '%s: 300 bytes, DecryptMessage 00000000\n' read_to_end read_to_end_close_first)"
		assert_equal "$(told read_to_end verdict)" repaired
		become 'closed 1000 1' 'closed 1000 1' read_to_end_and_reply
	done
}

@test "the peer's bare FIN: it is told as the truncation it is" {
	JUDGE_ARGS=(--no-tickets --first fin --first-after 1000 --send 300)
	become 'truncated 1000 0' 'closed 1000 1' read_to_end read_to_end_close_first
	assert_equal "$SAID" "$(printf '%s: 300 bytes, recv 0\n' read_to_end read_to_end_close_first)"
	assert_equal "$(told read_to_end verdict)" truncated_by_peer
	become 'closed 1000 1' 'closed 1000 1' read_to_end_and_reply
}

# Whether Wine's recv() gives the reset or 0 is chance, without the library too.
@test "the peer's reset: nothing is sent any more" {
	local suite how
	JUDGE_ARGS=(--no-tickets --first rst --first-after 1000 --send 300)
	for suite in "${SUITES[@]}"; do
		for how in without deep; do
			orders "$suite" "$how" read_to_end read_to_end_close_first
			assert_equal "$HEARD" "$(printf '%s open 1000 0\n' read_to_end read_to_end_close_first)"
			assert_regex "$SAID" '^read_to_end: 300 bytes, recv (0|10054)'
		done
		assert_equal "$(told read_to_end reason action)" 'peer_truncated none'
	done
}

@test "an upload with input unread is reset without, and arrives whole" {
	local suite order
	JUDGE_ARGS=(--silent-end --no-tickets --send 300 --send-when request --read-pause-ms 1 --rcvbuf 8192)
	for suite in "${SUITES[@]}"; do
		for order in upload upload_by_the_book; do
			orders "$suite" without "$order"
			assert_equal "$(cut -d' ' -f 1,2 <<<"$HEARD")" "$order reset"
			orders "$suite" deep "$order"
			assert_equal "$HEARD" "$order closed 3009000 1"
		done
	done
}

# Wine gives up pending sends at closesocket(), as Windows does not: what is missing stays visible.
@test "overlapped sends pending at closesocket: Wine drops them, and nothing is added" {
	local suite how
	JUDGE_ARGS=(--silent-end --no-tickets --read-pause-ms 1 --rcvbuf 8192)
	for suite in "${SUITES[@]}"; do
		for how in without deep; do
			orders "$suite" "$how" overlapped
			assert_regex "$HEARD" '^overlapped (truncated|reset) [0-9]+ 0$'
			assert [ "$(cut -d' ' -f 3 <<<"$HEARD")" -lt 3009000 ]
		done
	done
}

@test "WinHTTP and WinINet: closed, or left to ExitProcess" {
	local suite how way
	for suite in "${SUITES[@]}"; do
		for way in winhttp_closes winhttp_exits wininet_closes wininet_exits; do
			for how in without deep; do
				rm -f "$LOG"
				start_judge --tls 1.2 --no-tickets --silent-end --http 3
				run in_wine "$suite" "$how" wine "$WINE/http.exe" "$JUDGE_PORT" "$way"
				assert_success
				assert_output "$way: 3 bytes"
				assert_equal "$suite $way $(verdict_of "$(judge_result)")" "$suite $way $([ "$how" = deep ] && echo closed || echo truncated)"
			done
			assert_equal "$(jq -r '[.program, .verdict] | join(" ")' "$LOG")" 'http.exe repaired'
		done
	done
}

@test "no wineserver runs yet: the one that the program starts has the library too" {
	local how
	PREFIX=$WINE/own
	cp -a "$WINE/bookworm$APART/." "$PREFIX"
	rm -f "$PREFIX/wineserver"
	for how in without deep; do
		orders bookworm "$how" delete_then_close close_then_delete
		"$PROJECT/tests/sysroot" run --env WINEPREFIX="$PREFIX" bookworm -- wineserver -k || true
	done
	rm -rf "/tmp/$(cat "$PREFIX/wineserver")" "$PREFIX"
	assert_equal "$HEARD" "$(printf '%s closed 1000 1\n' delete_then_close close_then_delete)"
}

@test "CLOSENOTIFY_ONLY goes by the name of the Windows program" {
	export CLOSENOTIFY_ONLY='client.exe'
	orders bookworm deep delete_then_close
	assert_equal "$HEARD" 'delete_then_close closed 1000 1'
	CLOSENOTIFY_ONLY='wine*'
	orders bookworm deep delete_then_close
	assert_equal "$HEARD" 'delete_then_close truncated 1000 0'
}

@test "closenotify-check says by its PID that it is reached with --deep" {
	local pid
	JUDGE_ARGS=(--no-tickets --silent-end)
	start_judge --tls 1.2 "${JUDGE_ARGS[@]}"
	in_wine bookworm deep wine "$WINE/client.exe" "$JUDGE_PORT" 1.2 sleeps >"$BATS_TEST_TMPDIR/said" 3>&- &
	STARTED+=("$!")
	until grep -q '^sleeps ' "$BATS_TEST_TMPDIR/said"; do a_moment; done
	for pid in $(pgrep -x client.exe); do
		grep -qz "^WINEPREFIX=$WINE/bookworm$APART$" "/proc/$pid/environ" && break
	done
	run "$PROJECT/scripts/closenotify-check" "$pid"
	kill -KILL "$pid"
	assert_line --partial 'SChannel by Wine, reached with --deep'
	assert_line --regexp '^verdict: +covered$'
}

# --- servers ---

# rsa_certificate: Wine takes no other, and of PKCS #12 only what is old. Sets PFX.
rsa_certificate() {
	local key=$BATS_TEST_TMPDIR/key.pem certificate=$BATS_TEST_TMPDIR/cert.pem
	PFX=$BATS_TEST_TMPDIR/server.pfx
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -keyout "$key" -out "$certificate" 2>/dev/null
	openssl pkcs12 -export -inkey "$key" -in "$certificate" -out "$PFX" -passout pass:x -keypbe PBE-SHA1-3DES \
		-certpbe PBE-SHA1-3DES -macalg sha1
}

# serve SUITE HOW ORDER...: sets HEARD and STATUS as orders does.
serve() {
	local suite=$1 how=$2 word='' port pid out=$BATS_TEST_TMPDIR/server order
	shift 2
	rm -f "$LOG"
	: >"$out"
	in_wine "$suite" "$how" wine "$WINE/server.exe" "$PFX" 1.2 "$@" >"$out" 3>&- &
	pid=$!
	STARTED+=("$pid")
	until read -r word port <"$out" && [ "$word" = listening ]; do
		kill -0 "$pid"
		a_moment
	done
	HEARD=$(for order; do
		"$JUDGE" client --port "$port" --tls 1.2 --request hello --silent-end |
			jq -r --arg order "$order" '[$order, .verdict, .bytes, .close_notify] | map(tostring) | join(" ")'
	done)
	STATUS=0
	wait "$pid" || STATUS=$?
	printf '%s, %s: status %s\n%s\n' "$suite" "$how" "$STATUS" "$HEARD"
}

# Keys are in the registry, so it has one.
whole_prefix() {
	PREFIX=$WINE/$1.whole
	[ -e "$PREFIX/system.reg" ] || {
		mkdir -p "$PREFIX"
		in_wine "$1" without wine wineboot -i >/dev/null 2>&1
		in_wine "$1" without wineserver -w
	}
	start_wineserver "$1"
	OWN_SERVER=$1
}

@test "Wine 10, a server: each order of an end, and by the book with AcceptSecurityContext" {
	local rude=(delete_then_close close_then_delete close_only token_asked_for token_unsent exit_0) order
	rsa_certificate
	whole_prefix trixie
	serve trixie without "${rude[@]}"
	assert_equal "$HEARD" "$(printf '%s truncated 1000 0\n' "${rude[@]}")"
	serve trixie plain "${rude[@]}"
	assert_equal "$HEARD" "$(printf '%s truncated 1000 0\n' "${rude[@]}")"
	assert [ ! -s "$LOG" ]
	serve trixie deep "${rude[@]}"
	assert_equal "$HEARD" "$(printf '%s closed 1000 1\n' "${rude[@]}")"
	assert_equal "$(jq -r '[.program, .role, .verdict] | join(" ")' "$LOG" | sort -u)" 'server.exe server repaired'
	serve trixie without by_the_book
	assert_equal "$HEARD" 'by_the_book closed 1000 1'
	serve trixie deep by_the_book
	assert_equal "$HEARD" 'by_the_book closed 1000 1'
	assert_equal "$(jq -r .verdict "$LOG")" ended
	serve trixie deep exit_1
	assert_equal "$STATUS $HEARD" '1 exit_1 truncated 1000 0'
}

@test "Wine 8 has no server: AcceptSecurityContext is not supported" {
	rsa_certificate
	whole_prefix bookworm
	serve bookworm without delete_then_close
	assert_equal "$STATUS" 99
	assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/server")" 'handshake: 80090302' # SEC_E_UNSUPPORTED_FUNCTION
}
