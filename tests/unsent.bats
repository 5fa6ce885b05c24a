#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What was written and never sent, and what the record knows of it: left in a buffer or in memory, refused by the server or by
# OpenSSL, or by a session beside another on the same socket.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end)
	LOG=$BATS_TEST_TMPDIR/log
	export CLOSENOTIFY_LOG=json:$LOG
}

# in_record KEY...: of the last connection that ended.
in_record() {
	jq -sr '[.[] | select(.event == "end")] | .[-1] | [.[$ARGS.positional[]] | tostring] | join(" ")' "$LOG" --args "$@"
}

@test "second_session_freed: a session tried beside another takes nothing from it" {
	local how tls second
	for how in free close both last; do
		second=not_established
		[ "$how" != both ] || second=not_covered # its socket is closed by then
		for tls in 1.2 1.3; do
			play '' client "$tls" second_session_freed 1000 "$how"
			assert_equal "$(verdict_of "$RESULT")" truncated
			rm -f "$LOG"
			play "$SHIM" client "$tls" second_session_freed 1000 "$how"
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(jq -sr 'map(select(.event == "end").verdict) | sort | join(" ")' "$LOG")" "$second repaired"
		done
	done
}

@test "shut_under_reader: the peer's FIN answers one that came without a goodbye, and is not the first fault" {
	local mode role tls says
	for role in client server; do
		for tls in 1.2 1.3; do
			for mode in observe fix; do
				for says in '' says; do
					rm -f "$LOG"
					CLOSENOTIFY_MODE=$mode play "$SHIM" "$role" "$tls" shut_under_reader 1000 $says
					assert_equal "$(verdict_of "$RESULT")" truncated
					assert_equal "$(in_record verdict fault peer_end)" 'truncated_by_us close_without_shutdown unread'
				done
			done
		done
	done
}

@test "early_data_rejected: what the server refused and was not sent again is no whole stream" {
	local how
	JUDGE_ARGS=(--connections 2 --tickets 2)
	for how in lost resent; do
		play '' client 1.3 early_data_rejected 1000 "$how"
		assert_regex "$(verdict_of "$RESULT")" '^(truncated|reset)$' # whether the tickets had come is chance
		rm -f "$LOG"
		play "$SHIM" client 1.3 early_data_rejected 1000 "$how"
		if [ "$how" = resent ]; then
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(in_record verdict)" 'closed 1000 repaired'
		else
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(in_record verdict fault)" \
				'truncated 0 truncated_by_us write_abandoned'
		fi
	done
}

@test "filter_pushed: another BIO after the handshake; only OpenSSL's own buffers are written behind" {
	local how verdict said
	while read -r how verdict said; do
		play '' client 1.3 filter_pushed 1000 "$how"
		assert_equal "$(verdict_of "$RESULT")" truncated
		rm -f "$LOG"
		play "$SHIM" client 1.3 filter_pushed 1000 "$how"
		assert_equal "$(verdict_of "$RESULT") $(in_record verdict fault reason held)" "$verdict $said"
		[ "$how" = held ] || assert_equal "$(field bytes "$RESULT")" 1000
	done <<-'END'
		filter truncated not_covered none unsupported 0
		below truncated not_covered none unsupported 0
		buffer closed repaired close_without_shutdown repaired 0
		held truncated truncated_by_us write_abandoned truncated_by_us null
		memory truncated not_covered none unsupported null
	END
}

@test "a goodbye that a buffer takes after the program's own FIN has reached nobody" {
	local mode tls
	for tls in 1.2 1.3; do # nor is one begun that the socket refuses
		rm -f "$LOG"
		RUDE=$BUILD/tests CLOSENOTIFY_MODE=observe play "$SHIM" client "$tls" party 5 socket - W1SC
		assert_equal "$(verdict_of "$RESULT") $(in_record fault did)" 'truncated close_without_shutdown failed_shutdown'
	done
	for mode in observe fix; do
		rm -f "$LOG"
		RUDE=$BUILD/tests CLOSENOTIFY_MODE=$mode play "$SHIM" client 1.2 party 5 buffer - W2SC
		[ "$mode" = fix ] || assert_equal "$(verdict_of "$RESULT") $(in_record verdict our_end)" 'truncated truncated_by_us fin'
		[ "$mode" = observe ] || assert_equal "$(verdict_of "$RESULT") $(in_record verdict our_end)" 'closed repaired close_notify'
		assert_equal "$(in_record fault)" close_without_shutdown
	done
}

@test "exit(256): the parent sees 0, but it is the status of a child that failed, handed on" {
	RUDE=$BUILD/tests play "$SHIM" client 1.3 plain_client 100 X256
	assert_equal "$STATUS $(verdict_of "$RESULT") $(in_record reason)" '0 truncated unclean_exit'
}

@test "what the kernel holds at the close is told as not acknowledged; a reset after that is not known" {
	local by=kernel
	may_filter || by=background
	JUDGE_ARGS=(--rcvbuf 4096 --read-pause-ms 5 --first rst --first-after 30000)
	play "$SHIM" client 1.3 close_only 150000
	assert_equal "$(verdict_of "$RESULT") $(in_record verdict delivery)" "open repaired $by"
	[ "$(in_record unacknowledged)" -gt 0 ]
	[ "$(field bytes "$RESULT")" -lt 150000 ]
}

@test "a write that OpenSSL refuses after a read that found nothing is no unfinished one" {
	local style
	JUDGE_ARGS=(--send 100 --silent-end)
	for style in pair memory socket; do
		rm -f "$LOG"
		RUDE=$BUILD/tests play "$SHIM" client 1.3 party 5 "$style" - r100n1r100n0bSC
		assert_equal "$(verdict_of "$RESULT") $(in_record verdict fault did)" 'closed ended none close_notify'
	done
}

@test "a shutdown() that comes after the peer's reset has sent no FIN, and does not put the reset in doubt" {
	JUDGE_ARGS=(--send 100 --first close_notify_rst --first-after 5)
	RUDE=$BUILD/tests CLOSENOTIFY_MODE=observe play "$SHIM" client 1.2 plain_client 5 i1eRSC
	assert_equal "$(field close_notify_sent "$RESULT") $(in_record verdict our_end peer_end)" 'true unknown reset reset'
}

@test "what a session makes after its goodbye and does not send is nobody's loss" {
	local style
	for style in pair memory custom; do
		rm -f "$LOG"
		RUDE=$BUILD/tests CLOSENOTIFY_MODE=observe play "$SHIM" server 1.2 party 5 "$style" - SW2K1E0
		assert_equal "$(verdict_of "$RESULT") $(in_record verdict our_end fault)" 'closed ended close_notify none'
	done
}

# Qt 6.11 calls SSL_shutdown over memory, and closes.
@test "a goodbye that the program leaves in memory is sent for it, and never with data that is left there too" {
	local tls end mode
	for tls in 1.2 1.3; do
		for end in C FC W X0 d; do
			RUDE=$BUILD/tests play '' client "$tls" party 5 memory - "G$end"
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'truncated 5'
			for mode in observe fix; do
				rm -f "$LOG"
				RUDE=$BUILD/tests CLOSENOTIFY_MODE=$mode play "$SHIM" client "$tls" party 5 memory - "G$end"
				if [ "$mode" = observe ]; then
					assert_equal "$(verdict_of "$RESULT") $(in_record verdict fault our_end reason)" \
						'truncated truncated_by_us write_abandoned fin completed'
				else
					assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(in_record verdict fault our_end reason)" \
						'closed 5 repaired write_abandoned close_notify completed'
				fi
			done
		done
		RUDE=$BUILD/tests play "$SHIM" client "$tls" party 5 memory - HGC
		assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $(in_record verdict)" 'truncated 5 truncated_by_us'
	done
}

# sent_once DEEDS [RECORD]: by the program itself, without the library and with it.
sent_once() {
	local tls shim
	for tls in 1.2 1.3; do
		for shim in '' "$SHIM"; do
			rm -f "$LOG"
			RUDE=$BUILD/tests play "$shim" client "$tls" party 5 memory - "$1"
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 5'
		done
		[ $# -lt 2 ] || assert_equal "$(in_record verdict fault did)" "$2"
	done
}

@test "a goodbye in memory that the program carries by a copy of the descriptor is sent once" {
	sent_once GDcC 'ended none close_notify'
}

@test "a goodbye in memory that lies in a stdio stream at exit is sent once, and the record does not claim to know" {
	sent_once GBX0 'not_covered none close_notify'
	sent_once GBFX0 'not_covered none close_notify'
}

@test "data and a goodbye that lie in a stdio stream at exit are nobody's fault; data alone has no goodbye" {
	local heard deeds verdict said mode
	while read -r deeds heard verdict said; do
		for mode in observe fix; do
			rm -f "$LOG"
			RUDE=$BUILD/tests CLOSENOTIFY_MODE=$mode play "$SHIM" client 1.3 party 5 memory - "$deeds"
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" "$heard 9"
			assert_equal "$(in_record verdict fault our_end)" "$verdict $said"
		done
	done <<-'END'
		HGBX0 closed not_covered none unknown
		HBX0 truncated truncated_by_us write_abandoned fin
	END
}

@test "a goodbye in memory that an exit handler from before the connection carries is sent once; else the library sends it" {
	local tls shim
	for tls in 1.2 1.3; do
		for shim in '' "$SHIM"; do
			rm -f "$LOG"
			RUDE=$BUILD/tests play "$shim" client "$tls" party 5 memory l GX0
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 5'
		done
		assert_equal "$(in_record verdict fault did)" 'ended none close_notify'
		rm -f "$LOG"
		RUDE=$BUILD/tests play "$SHIM" client "$tls" party 5 memory - GX0
		assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 5'
		assert_equal "$(jq -s 'map(select(.event == "end")) | length' "$LOG") $(in_record verdict fault reason)" '1 repaired write_abandoned completed'
	done
}

@test "own_push_early_bye: a goodbye that is written before what belongs before it is put in its place, and told" {
	local how tls
	RUDE=$BUILD/tests/gnutls
	JUDGE_ARGS=(--no-tickets)
	for how in write send sendmsg; do
		for tls in 1.2 1.3; do
			# the judge's alert may have come by the close, which then resets
			play '' client "$tls" own_push_early_bye 100 "$how"
			assert_regex "$(verdict_of "$RESULT") $(field bytes "$RESULT")" '^(truncated|reset) 100$'
			rm -f "$LOG"
			CLOSENOTIFY_MODE=observe play "$SHIM" client "$tls" own_push_early_bye 100 "$how"
			assert_regex "$(verdict_of "$RESULT") $(in_record verdict fault our_end did)" \
				'^(truncated|reset) truncated_by_us write_abandoned (fin|reset) partial_close_notify$'
			rm -f "$LOG"
			play "$SHIM" client "$tls" own_push_early_bye 100 "$how"
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 110'
			assert_equal "$(in_record verdict fault our_end did)" 'repaired write_abandoned close_notify partial_close_notify'
		done
	done
}

@test "goodbye_elsewhere: a goodbye into what is not followed is sent or not, and the record does not claim to know" {
	local how tls heard shim
	for how in null kept back sent; do
		heard=truncated
		[ "$how" != sent ] || heard=closed
		for tls in 1.2 1.3; do
			rm -f "$LOG"
			for shim in '' "$SHIM"; do
				play "$shim" client "$tls" goodbye_elsewhere 100 "$how"
				assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" "$heard 100"
			done
			assert_equal "$(in_record verdict fault our_end did)" 'not_covered none unknown close_notify'
			run "$PROJECT/tests/validate" "$LOG"
			assert_success
		done
	done
}

@test "session_taken: what OpenSSL before 3.2 writes without its SSL_SESSION is no goodbye to anybody" {
	local tls mode what=ended
	for tls in 1.2 1.3; do
		play '' client "$tls" session_taken 1000 bye
		[ "$(verdict_of "$RESULT")" = closed ] || what=not_covered
		for mode in observe fix; do
			rm -f "$LOG"
			CLOSENOTIFY_MODE=$mode play "$SHIM" client "$tls" session_taken 1000 bye
			assert_equal "$(in_record verdict fault)" "$what none"
		done
	done
}
