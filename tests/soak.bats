#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What make soak is made of, a few seconds of it, and that it can see: the same short storm (always the same runs) passes
# over the library as it is, and finds copies of it out of which one check has been taken.

load helper

PROGRAMS=(exit_3 stale_fd_socketpair ssl_shutdown_then_close close_only)

setup_file() {
	make_certs
}

# storm BUILD [OPTION...]
storm() {
	run env CN_BUILD="$1" timeout -k 10 120 "$PROJECT/tests/storm/run" --runs 10 --programs "$(IFS=, && echo "${PROGRAMS[*]}")" "${@:2}" 60 1
}

# finds WHY FILE SED [FILE SED]...: it breaks a library without that.
finds() {
	local copy=$BATS_TEST_TMPDIR/broken why=$1
	mkdir -p "$copy/build"
	cp -a "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	cp -a "$BUILD/obj" "$BUILD/exports.map" "$copy/build" # what has not changed is not compiled again
	ln -s "$BUILD/tests" "$copy/build/tests"
	for (( ; $# > 1; )); do
		sed -i "$3" "$copy/shim/$2"
		run diff -q "$PROJECT/shim/$2" "$copy/shim/$2"
		assert_failure 1
		shift 2
	done
	make -s -C "$copy" BUILD="$copy/build" WARN= "$copy/build/libclosenotify.so"
	storm "$copy/build"
	assert_failure 1
	assert_line --regexp "^BROKEN: $why"
	assert_line --regexp '^  again: tests/storm/run --number [0-9]+ '
}

@test "the library as it is comes through a short storm" {
	storm "$BUILD"
	assert_success
	assert_line 'seed 1'
	assert_line '10 runs, 0 broken'
}

@test "a storm sees two goodbyes" {
	PROGRAMS=(ssl_shutdown_then_close)
	finds 'more than one goodbye' policy.c 's/\bf->said\b/false/' \
		ending.c '/^static bool nothing_left/,/^}/s/return (/return false \&\& (/'
}

@test "a storm sees bytes on a socket that took the number over" {
	PROGRAMS=(stale_fd_socketpair)
	finds 'worse than without: .*heard 0 bytes' kernel.c '/^void cn_socket_identify/,/^}/s/found == cookie/1/'
}

@test "a storm sees a failed program's stream made clean" {
	PROGRAMS=(exit_3)
	finds "worse than without: status 3.*'truncated'" policy.c 's/f->unclean/false/'
}

@test "a storm sees a stream that stays truncated" {
	PROGRAMS=(close_only)
	finds 'not closed, though nothing was in the way' policy.c 's/plan.alert = true;/plan.alert = false;/'
}

# --- what storms have found ---

# fails CALL RATE SEEDS PROGRAM: while this call of the library's own fails, the program and its peer notice no difference.
fails() {
	local seed without
	play '' client 1.3 "$4" 1000
	without="$(field '|[.verdict, .bytes] | join(" ")' "$RESULT") status $STATUS $SAID"
	for ((seed = 1; seed <= $3; seed++)); do
		STORM_ONLY=$1 STORM_FAULTS="$seed $2 -" play "$SHIM:$BUILD/tests/storm/faults.so" client 1.3 "$4" 1000
		assert_equal "$(field '|[.verdict, .bytes] | join(" ")' "$RESULT") status $STATUS $SAID" "$without"
	done
}

@test "no memory for the library: the program shakes hands, and says goodbye all the same" {
	JUDGE_ARGS=(--silent-end)
	fails mmap 1 1 ssl_shutdown_then_close # not even for the table of libssl's functions
	fails mmap 2 4 ssl_shutdown_then_close # not for that of descriptors
}

@test "no memory at a fork: the parent says no goodbye while its child may still speak" {
	local seed
	JUDGE_ARGS=(--silent-end)
	for seed in {1..6}; do
		STORM_ONLY=mmap STORM_FAULTS="$seed 3 -" play "$SHIM:$BUILD/tests/storm/faults.so" client 1.3 child_inherits_then_rude 1000
		assert_equal "$(field bytes "$RESULT") status $STATUS" "2000 status 0"
	done
}

@test "the kernel does not answer: SSL_shutdown is the program's own, and a reset stays a reset" {
	JUDGE_ARGS=(--silent-end)
	fails getsockopt 2 4 ssl_shutdown_then_close
	fails getsockopt 2 3 linger_zero
}

@test "a child that dies while the library looks whether it holds the socket holds none" {
	play '' client 1.3 child_empties_itself 1000
	assert_equal "$(verdict_of "$RESULT")" truncated
	STORM_KILLS='' STORM_FAULTS='1 0 -' play "$SHIM:$BUILD/tests/storm/faults.so" client 1.3 child_empties_itself 1000
	assert_equal "$(verdict_of "$RESULT")" closed
}

@test "a send fails for the moment: the rest of the goodbye follows, and never stands half before FIN" {
	needs_filter
	local program seed
	for program in close_only free_then_close unix_socketpair; do
		play '' client 1.3 "$program" 1000
		assert_equal "$(field order "$RESULT")" '["handshake","data","fin"]'
		for seed in {1..6}; do
			STORM_ONLY=send STORM_FAULTS="$seed 2 -" play "$SHIM:$BUILD/tests/storm/faults.so" client 1.3 "$program" 1000
			assert_equal "$(field order "$RESULT")" '["handshake","data","close_notify","fin"]'
		done
	done
}

@test "the program's own FIN goes before the rest of the goodbye: then the record knows of none" {
	needs_filter
	local log=$BATS_TEST_TMPDIR/log program seed heard truncated=0
	for program in shutdown_wr_then_close shutdown_rdwr_then_close; do
		for seed in {1..12}; do
			CLOSENOTIFY_LOG=json:$log STORM_ONLY=send STORM_FAULTS="$seed 1 -" \
				play "$SHIM:$BUILD/tests/storm/faults.so" client 1.3 "$program" 1000
			heard=$(field '|[.verdict, .bytes] | join(" ")' "$RESULT")
			case $heard in
			'truncated 1000') truncated=$((truncated + 1)) ;;
			*) assert_equal "$heard" 'closed 1000' ;;
			esac
			assert_equal "${heard% *} $(jq -r '[.verdict, .our_end, .reason] | join(" ")' "$log")" \
				"$([[ $heard == closed* ]] && echo 'closed repaired close_notify repaired' ||
					echo 'truncated truncated_by_us fin truncated_by_us')"
			rm "$log"
		done
	done
	[ "$truncated" -gt 0 ]
}

@test "make soak refuses what is no time" {
	local value
	for value in abc 0 59 -60 1e3 '60 5' 99999999; do
		run make -s -C "$PROJECT" soak SOAK_SECONDS="$value"
		assert_failure
		assert_line "soak: SOAK_SECONDS '$value': accepted is a whole number from 60 to 999999"
	done
}
