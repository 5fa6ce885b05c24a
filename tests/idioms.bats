#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What careful programs do, and what must not be taken for something else: a mark set by hand, a refused call, an old error in
# the queue, a BIO or a callback of their own. Each first without the library.
# shellcheck disable=SC2030,SC2031,SC2206 # each test is a subshell of its own; words are wanted

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end)
}

# What the judge received, and what the program saw of its own calls.
sum_of_run() {
	echo "$(field bytes "$RESULT") $(field sha256 "$RESULT") status $STATUS $SAID"
}

whole_of_run() {
	echo "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $(sum_of_run)"
}

# The same where the bytes differ from run to run: a hello is among them.
ends_of_run() {
	echo "$(field verdict "$RESULT") $(field close_notify "$RESULT") $(field bytes "$RESULT") status $STATUS $SAID"
}

# repairs ROLES BEFORE PROGRAM [ARG...]: the verdict without the library; closed with it, and nothing else differs.
repairs() {
	local roles=$1 before=$2 role tls without
	shift 2
	for role in $roles; do
		for tls in 1.2 1.3; do
			play '' "$role" "$tls" "$@"
			assert_regex "$(verdict_of "$RESULT")" "^($before)$"
			without=$(sum_of_run)
			play "$SHIM" "$role" "$tls" "$@"
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(sum_of_run)" "$without"
		done
	done
}

# in_record KEY...: of the last program's record, with CLOSENOTIFY_LOG=json; other lines are the program's.
in_record() {
	grep '^{' <<<"$SAID" | jq -r "select(.event == \"end\") | [$(printf '.%s, ' "$@" | sed 's/, $//')] | join(\" \")"
}

# --- other releases ---

# in_release SUITE LIBRARY COMMAND...: there, before the judge that was started last. Sets RESULT, STATUS and SAID.
in_release() {
	local suite=$1 library=$2
	shift 2
	STATUS=0
	SAID=$(timeout -k 10 60 "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$library" "$suite" -- "$@" 2>&1) || STATUS=$?
	RESULT=$(judge_result)
	echo "$suite: $*, ${library:-without}: status $STATUS $RESULT $SAID"
}

# --- marks by hand ---

@test "marked_sent: SENT by hand keeps a session, and asks for no silence" {
	repairs 'client server' truncated marked_sent
}

@test "marked_sent: so does SENT by hand after the peer's close_notify" {
	JUDGE_ARGS=(--first close_notify --first-after 10000)
	repairs 'client server' truncated marked_sent 10000 read
}

@test "session_taken: without its SSL_SESSION OpenSSL before 3.2 would write the alert in clear: left alone there" {
	local role tls heard='["closed",10000,["handshake","data","close_notify","fin"]]' said='repaired repaired'
	local without='["truncated",10000,["handshake","data","fin"]]'
	if [[ $(openssl version) == "OpenSSL "@(1.1|3.0|3.1).* ]]; then
		heard=$without said='not_covered unsupported'
	fi
	for role in client server; do
		for tls in 1.2 1.3; do
			play '' "$role" "$tls" session_taken
			assert_equal "$(jq -rc '[.verdict, .bytes, .order]' <<<"$RESULT")" "$without"
			CLOSENOTIFY_LOG=json play "$SHIM" "$role" "$tls" session_taken
			assert_equal "$(jq -rc '[.verdict, .bytes, .order]' <<<"$RESULT")" "$heard"
			assert_equal "$(in_record verdict reason)" "$said"
		done
	done
}

@test "set_shutdown_by_hand: SENT and RECEIVED by hand do, unless QUIET=override" {
	local tls
	for tls in 1.2 1.3; do
		CLOSENOTIFY_LOG=json play "$SHIM" client "$tls" set_shutdown_by_hand
		assert_equal "$(verdict_of "$RESULT") $(in_record reason fault)" 'truncated quiet quiet'
		CLOSENOTIFY_QUIET=override play "$SHIM" client "$tls" set_shutdown_by_hand
		assert_equal "$(verdict_of "$RESULT")" closed
	done
}

@test "marked_received: RECEIVED by hand is no close_notify of the peer's: all bytes arrive" {
	needs_filter
	local role
	JUDGE_ARGS=(--tickets 2 --read-pause-ms 2 --rcvbuf 16384)
	play '' client 1.3 marked_received 3000000
	assert_equal "$(verdict_of "$RESULT")" reset
	for role in client server; do
		JUDGE_ARGS=(--tickets 2 --read-pause-ms 2 --rcvbuf 16384)
		[ "$role" = client ] || JUDGE_ARGS=(--request hello --read-pause-ms 2 --rcvbuf 16384)
		play "$SHIM" "$role" 1.3 marked_received 3000000
		assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $STATUS" 'closed 3000000 0'
	done
}

@test "marked_received: nor does the record say that the peer said goodbye, or failed to" {
	local how
	JUDGE_ARGS=(--tickets 2 --silent-end)
	for how in '' reads; do
		# shellcheck disable=SC2086 # no word where there is none
		CLOSENOTIFY_LOG=json play "$SHIM" client 1.3 marked_received 10000 $how
		assert_equal "$(verdict_of "$RESULT")" closed
		assert_regex "$(in_record verdict peer_end)" '^(ended|repaired) open$'
	done
}

# CPython from 3.13.5 on marks each session as ended before it frees it.
@test "Debian 13's python3: a client that only closes is heard to say goodbye, and a server as well" {
	needs_mount
	local tls port word
	"$PROJECT/tests/sysroot" add -q trixie python3
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --send 100 --send-when request --silent-end
		in_release trixie '' python3 "$PROJECT/tests/clients/client.py" raw "$JUDGE_PORT"
		assert_equal "$(verdict_of "$RESULT") $STATUS" 'truncated 0'
		start_judge --tls "$tls" --send 100 --send-when request --silent-end
		in_release trixie "$SHIM" python3 "$PROJECT/tests/clients/client.py" raw "$JUDGE_PORT"
		assert_equal "$(verdict_of "$RESULT") $STATUS" 'closed 0'
	done
	# The peer has said goodbye first.
	start_judge --send 100 --first close_notify --first-after 5
	in_release trixie "$SHIM" python3 "$PROJECT/tests/clients/client.py" until_eof "$JUDGE_PORT"
	assert_equal "$(verdict_of "$RESULT") $STATUS" 'closed 0'
}

# --- errors ---

@test "refused_write: a call that OpenSSL refuses is no error of the session" {
	local how
	for how in length reads file; do
		repairs 'client server' truncated refused_write 10000 "$how"
	done
}

@test "refused_write: nor does it cost the bytes" {
	JUDGE_ARGS=(--tickets 2 --read-pause-ms 2 --rcvbuf 16384)
	play '' client 1.3 refused_write 3000000
	assert_equal "$(verdict_of "$RESULT")" reset
	if may_filter; then set --; else set -- length alone; fi
	play "$SHIM" client 1.3 refused_write 3000000 "$@" # which the background delivers without a filter
	assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $STATUS" 'closed 3000000 0'
}

@test "survived_error: a success takes an error back; a write that stays unfinished is a truncation" {
	local tls library
	repairs 'client server' truncated survived_error
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			play "$library" client "$tls" survived_error 10000 gives_up
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'truncated 10000'
		done
	done
}

@test "after a fatal alert either way no success comes, and nothing is said" {
	local first tls library
	for first in fatal corrupt_record; do
		JUDGE_ARGS=(--first $first --first-after 10000)
		for tls in 1.2 1.3; do
			for library in '' "$SHIM"; do
				play "$library" client "$tls" read_to_end_then_close
				assert_equal "$(field close_notify "$RESULT")" 0
			done
		done
	done
}

@test "stale_queue: an old error hides no close_notify" {
	local blocks tls
	JUDGE_ARGS=(--first close_notify --first-after 10000)
	for blocks in '' blocks; do
		# shellcheck disable=SC2086 # no word where there is none
		repairs 'client server' truncated stale_queue 10000 $blocks
		for tls in 1.2 1.3; do
			# shellcheck disable=SC2086
			CLOSENOTIFY_LOG=json play "$SHIM" client "$tls" stale_queue 10000 $blocks
			assert_equal "$(in_record verdict peer_end)" 'repaired close_notify'
		done
	done
}

@test "stale_queue: nor does it make a bare end of file one" {
	local tls library
	JUDGE_ARGS=(--first fin --first-after 10000)
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			CLOSENOTIFY_LOG=json play "$library" client "$tls" stale_queue
			assert_equal "$(field close_notify "$RESULT")" 0
		done
		assert_equal "$(in_record verdict peer_end)" 'truncated_by_peer fin'
	done
}

# --- BIOs of the program's own ---

@test "descriptor_bio: a BIO that calls itself a descriptor holds ciphertext, and no alert overtakes it" {
	local how role tls without
	for how in '' type; do
		for role in client server; do
			for tls in 1.2 1.3; do
				# shellcheck disable=SC2086 # no word where there is none
				play '' "$role" "$tls" descriptor_bio 10000 $how
				assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'truncated 10000'
				without=$(sum_of_run)
				# shellcheck disable=SC2086
				play "$SHIM" "$role" "$tls" descriptor_bio 10000 $how
				assert_equal "$(verdict_of "$RESULT") $(field error "$RESULT")" 'truncated null'
				assert_equal "$(sum_of_run)" "$without"
			done
		done
	done
}

@test "descriptor_bio: its data is gone before SSL_free: it is asked nothing, and its socket found by the hello" {
	repairs 'client server' truncated descriptor_bio 10000 gone
}

@test "watched_end: who watches a socket BIO hears nothing of the library's questions" {
	repairs 'client server' truncated watched_end
	assert_regex "$SAID" 'asked 0 times'
}

# --- HelloRetryRequest ---

@test "a server that asks its client to try again is found by its second hello" {
	local style
	export RUDE=$BUILD/tests/transports OPENSSL_CONF=$BATS_TEST_TMPDIR/retry.cnf
	cat >"$OPENSSL_CONF" <<-'END'
		openssl_conf = all
		[all]
		ssl_conf = ssl
		[ssl]
		system_default = groups
		[groups]
		Groups = X25519:P-384
	END
	# The server alone knows no group but the one that clients don't guess.
	sed 's/X25519://' "$OPENSSL_CONF" >"$BATS_TEST_TMPDIR/server.cnf"
	for style in custom filter pair memory; do
		retries "$style" '' free_close
		assert_equal "$(verdict_of "$RESULT")" truncated
		retries "$style" "$SHIM" free_close
		assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 20000'
		retries "$style" "$SHIM" shutdown_free_close
		assert_equal "$(verdict_of "$RESULT") $(in_record verdict our_end)" 'closed ended close_notify'
	done
}

# retries STYLE LIBRARY END: one run of a server of which the judge is the client.
retries() {
	local out=$BATS_TEST_TMPDIR/out.$1.$3.${#2} pid word='' port
	: >"$out"
	OPENSSL_CONF=$BATS_TEST_TMPDIR/server.cnf CLOSENOTIFY_LOG=json LD_PRELOAD=$2 timeout -k 10 60 "$RUDE/transport" 0 1.3 20000 "$1" send \
		0 "$3" >"$out" 2>&1 3>&- &
	pid=$!
	STARTED+=("$pid")
	until read -r word port <"$out" && [ "$word" = listening ]; do
		is_ours "$pid"
		a_moment
	done
	RESULT=$("$JUDGE" client --port "$port" --tls 1.3 --silent-end)
	wait "$pid"
	SAID=$(tail -n +2 "$out")
	echo "$1 $3, ${2:-without}: $RESULT $SAID"
}

# --- sockets without SO_COOKIE ---

@test "where the kernel does not tell a socket's cookie, its inode tells it" {
	local tls
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --no-tickets --silent-end
		SAID=$("$BUILD/tests/no_cookie" env LD_PRELOAD="$SHIM" CLOSENOTIFY_LOG=json "$RUDE/close_then_free" "$JUDGE_PORT" "$tls" 2>&1)
		assert_equal "$(verdict_of "$(judge_result)") $(in_record verdict)" 'closed repaired'
		start_judge --tls "$tls" --no-tickets --silent-end
		"$BUILD/tests/no_cookie" "$RUDE/close_then_free" "$JUDGE_PORT" "$tls"
		assert_equal "$(verdict_of "$(judge_result)")" truncated
	done
}

# --- CLOSENOTIFY_WAIT_MS ---

@test "reads_after_shutdown: CLOSENOTIFY_WAIT_MS takes not a byte of the answer" {
	local tls without
	for tls in 1.2 1.3; do
		JUDGE_ARGS=(--send 5000000 --send-when eof --tickets 2 --first close_notify)
		[ "$tls" = 1.3 ] || JUDGE_ARGS=(--send 5000000 --send-when eof --first close_notify)
		play '' client "$tls" reads_after_shutdown
		assert_regex "$SAID" '5000000 bytes, .*, then 0, SSL_get_error 6'
		without=$SAID
		CLOSENOTIFY_WAIT_MS=50000 play "$SHIM" client "$tls" reads_after_shutdown
		assert_equal "$SAID" "$without"
	done
}

# --- callbacks ---

@test "callbacks_gone: info, message and padding callbacks are silent while the goodbye is made" {
	local end
	for end in free shutdown; do
		repairs 'client server' truncated callbacks_gone 10000 "$end"
		repairs 'client server' truncated callbacks_gone 10000 "$end" context
	done
}

@test "BIOs and callbacks of the program's own, and refused writes, with OpenSSL 1.1.1, 3.5 and 3.6" {
	needs_mount
	local suite root libraries how program tls taken
	for suite in bullseye trixie sid; do
		taken=closed
		[ "$suite" != bullseye ] || taken=truncated # 1.1.1 has no keys any more
		"$PROJECT/tests/sysroot" add -q "$suite" libc6-dev libssl-dev openssl
		root=$("$PROJECT/tests/sysroot" path "$suite")
		libraries=$root/usr/lib/$(gcc -print-multiarch)
		for program in descriptor_bio callbacks_gone refused_write session_taken method_set_again; do
			gcc -fuse-ld=lld --sysroot="$root" -B"$libraries" -L"$libraries" -std=gnu11 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/$suite.$program" \
				"$PROJECT/tests/rude/$program.c" -lssl -lcrypto -lpthread
		done
		for tls in 1.2 1.3; do
			for how in 'descriptor_bio gone' 'callbacks_gone free' 'callbacks_gone shutdown context' 'refused_write length'; do
				start_judge --tls "$tls" --no-tickets --silent-end
				# shellcheck disable=SC2086 # words are wanted
				in_release "$suite" "$(carried "$suite")" "$BATS_TEST_TMPDIR/$suite.${how%% *}" "$JUDGE_PORT" "$tls" 10000 ${how#* }
				assert_equal "$(verdict_of "$RESULT") $STATUS" 'closed 0'
			done
			for how in 'descriptor_bio ' 'session_taken ' 'method_set_again session' 'method_set_again method'; do
				start_judge --tls "$tls" --no-tickets --silent-end
				# shellcheck disable=SC2086 # words are wanted
				in_release "$suite" "$(carried "$suite")" "$BATS_TEST_TMPDIR/$suite.${how%% *}" "$JUDGE_PORT" "$tls" 10000 ${how#* }
				if [ "$how" = 'descriptor_bio ' ]; then
					assert_equal "$(verdict_of "$RESULT")" truncated
				else
					assert_equal "$(verdict_of "$RESULT")" "$taken"
				fi
				assert_equal "$(field error "$RESULT") $STATUS" 'null 0'
			done
		done
	done
}

# carried SUITE: the library for it; one built against an older glibc where this machine's is too new.
carried() {
	[ "$1" = bullseye ] || { echo "$SHIM"; return; }
	local root libraries
	root=$("$PROJECT/tests/sysroot" path bullseye)
	libraries=$root/usr/lib/$(gcc -print-multiarch)
	make -s -C "$PROJECT" CC="gcc --sysroot=$root -B$libraries -L$libraries" BUILD="$BUILD/smoke/bullseye" all >&2 3>&-
	echo "$BUILD/smoke/bullseye/libclosenotify.so"
}

# --- several sessions, tunnels, sessions that have lost their keys ---

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
		without=$(whole_of_run)
		assert_equal "$(verdict_of "$RESULT")" closed
		play "$SHIM" client "$tls" second_session_waits 1000
		assert_equal "$(whole_of_run)" "$without"
	done
}

@test "method_set_again: no alert by a session that has forgotten how to encrypt" {
	local how tls without

	[[ $(openssl version) == "OpenSSL "@(1.1|3.0|3.1).* ]] || skip 'OpenSSL from 3.2 on has not forgotten it'

	for how in session method; do
		for tls in 1.2 1.3; do
			play '' client "$tls" method_set_again 1000 "$how"
			without="$(whole_of_run) $(field error "$RESULT")"
			assert_equal "$(verdict_of "$RESULT") $(field error "$RESULT")" 'truncated null'
			play "$SHIM" client "$tls" method_set_again 1000 "$how"
			assert_equal "$(whole_of_run) $(field error "$RESULT")" "$without"
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
			without=$(whole_of_run)
			assert_regex "$SAID" "SSL_read: SSL_get_error 6.*$how: (-1|0) SSL_get_error [56]" # 5: OpenSSL 3.5
			rm -f "$BATS_TEST_TMPDIR/log"
			play "$SHIM" client "$tls" told_then_reset 1000 "$how"
			assert_equal "$(whole_of_run)" "$without"
			run jq -r 'select(.event == "end") | [.verdict, .fault, .peer_end, .reason, .did] | join(" ")' "$BATS_TEST_TMPDIR/log"
			assert_output "ended none close_notify peer_truncated $did"
		done
	done
}
