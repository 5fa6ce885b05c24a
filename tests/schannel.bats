#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# SChannel: Windows programs under the Wine of Debian 12, whose SChannel is GnuTLS by dlopen and dlsym. Each order of an end is seen
# without the library, by plain preloading, and with --deep. make schannel plays more.

load helper
load schannel/wine

REPAIRED='delete_then_close close_then_delete close_only token_asked_for token_asked_for_close_first token_unsent
token_unsent_close_first delete_then_shutdown_send duplicate_unused inherited inherited_and_back'
OVERTAKES=token_overtakes
RIGHT='by_the_book by_the_book_with_fin'
LEFT='queue_unsent send_half_of_a_record data_after_token linger_zero shutdown_send shutdown_both disconnect
duplicate_goes_on'

setup_file() {
	local how
	may_mount && is_wines_machine || return 0
	make_certs
	windows_programs client
	wine_of bookworm
	start_wineserver bookworm
	export WINESERVER
	JUDGE_ARGS=(--silent-end --no-tickets)
	for how in without plain deep; do
		LOG=$BATS_FILE_TMPDIR/log.$how
		# shellcheck disable=SC2086 # lists of words
		orders bookworm $how $REPAIRED $OVERTAKES $RIGHT $LEFT
		printf '%s\n%s\n' "$STATUS $SAID" "$HEARD" >"$BATS_FILE_TMPDIR/$how"
	done
}

teardown_file() {
	[ -z "${WINESERVER-}" ] || stop_wineserver bookworm
}

setup() {
	needs_wine
	WITHOUT=$(cat "$BATS_FILE_TMPDIR/without") PLAIN=$(cat "$BATS_FILE_TMPDIR/plain") DEEP=$(cat "$BATS_FILE_TMPDIR/deep")
	LOG=$BATS_FILE_TMPDIR/log.deep
	JUDGE_ARGS=(--silent-end --no-tickets)
}

@test "an end without goodbye, in each order, is heard to say goodbye" {
	local order
	for order in $REPAIRED; do
		assert_regex "$order $(heard "$order" "$WITHOUT")" "^$order truncated 1000 0$"
		assert_regex "$order $(heard "$order" "$DEEP")" "^$order closed 1000 1$"
	done
	assert_equal "$(told delete_then_close verdict reason held)" 'repaired repaired 0'
	assert_equal "$(told close_then_delete verdict reason held)" 'repaired repaired 0'
	assert_equal "$(told token_unsent verdict reason held did)" 'repaired completed 31 partial_close_notify'
}

@test "a token sent before what was encrypted earlier goes behind it" {
	assert_equal "$(heard token_overtakes "$WITHOUT")" 'truncated 1000 0'
	assert_equal "$(heard token_overtakes "$DEEP")" 'closed 2000 1'
	assert_equal "$(told token_overtakes verdict)" repaired
}

@test "by the book: ApplyControlToken, InitializeSecurityContext, the token sent; one close_notify, and logged as clean" {
	local order
	for order in $RIGHT; do
		assert_equal "$(heard "$order" "$WITHOUT")" 'closed 1000 1'
		assert_equal "$(heard "$order" "$DEEP")" 'closed 1000 1'
		assert_equal "$(told "$order" reason did)" 'clean close_notify'
	done
	assert_equal "$(told by_the_book verdict)" ended
}

@test "where bytes are missing, FIN has gone, a reset is asked for or another handle is open, nothing is added" {
	local order
	for order in $LEFT; do
		assert [ -n "$(heard "$order" "$WITHOUT")" ]
		assert_equal "$order $(heard "$order" "$DEEP")" "$order $(heard "$order" "$WITHOUT")"
	done
	assert_equal "$(told duplicate_goes_on verdict reason)" 'held_elsewhere shared'
	assert_equal "$(told queue_unsent verdict reason)" 'truncated_by_us truncated_by_us'
	assert_equal "$(told send_half_of_a_record verdict reason)" 'truncated_by_us truncated_by_us'
}

@test "an inherited socket: the other process holds it, so FIN comes when that has ended" {
	assert_equal "$(told inherited verdict reason action)" 'held_elsewhere shared close_notify'
	assert_equal "$(told inherited_and_back verdict reason)" 'repaired repaired'
}

@test "plain preloading is inert: every end as without, and not a record" {
	assert_equal "$PLAIN" "$WITHOUT"
	assert [ ! -s "$BATS_FILE_TMPDIR/log.plain" ]
}

@test "the records name the Windows program" {
	assert_equal "$(jq -r .program "$LOG" | sort -u)" client.exe
}

# exits ORDER WITHOUT DEEP: how it is heard, and the status.
exits() {
	LOG=$BATS_TEST_TMPDIR/log
	orders bookworm without "$1"
	assert_equal "$STATUS $HEARD" "${1##*_} $1 $2"
	orders bookworm deep "$1"
	assert_equal "$STATUS $HEARD" "${1##*_} $1 $3"
}

@test "ExitProcess(0) and TerminateProcess(0) say goodbye, 1 does not" {
	exits exit_0 'truncated 1000 0' 'closed 1000 1'
	exits exit_1 'truncated 1000 0' 'truncated 1000 0'
	assert_equal "$(jq -r .reason "$LOG")" unclean_exit
	exits terminate_0 'truncated 1000 0' 'closed 1000 1'
	exits terminate_1 'truncated 1000 0' 'truncated 1000 0'
}
