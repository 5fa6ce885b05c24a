#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Safe in any process: what threads, forks, limits and signals do meanwhile.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=()
}

@test "each check that make proofs takes out is still there to be taken out" {
	run "$PROJECT/tests/races" --dry
	assert_success
	assert_output ''
}

@test "a fork in another thread, while a connection is handed to the background, inherits nothing of that" {
	JUDGE_ARGS=(--send 100000)
	play '' server 1.3 ../threads/forks_in_hand_over 20000
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" '0 hand-overs 0, inherited 0 reset'
	play "$SHIM" server 1.3 ../threads/forks_in_hand_over 20000
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" '0 hand-overs 1, inherited 0 closed'
}

@test "forkpty_killed: a child that is killed before it has run holds nothing" {
	local role
	for role in client server; do
		play '' "$role" 1.3 forkpty_killed
		WITHOUT="$STATUS $SAID"
		assert_equal "$(verdict_of "$RESULT")" truncated
		play "$SHIM" "$role" 1.3 forkpty_killed
		assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT closed"
	done
}

@test "fclose_full: what stdio could not write out fails as before, and is no clean end" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096)
	play '' client 1.3 fclose_full
	assert_regex "$SAID" '^fclose\(stream\) = -1 errno 11 '
	WITHOUT="$STATUS $SAID truncated"
	play "$SHIM" client 1.3 fclose_full
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT"
}

@test "window_full: a goodbye that the peer's receive window has no room for arrives" {
	local how
	for how in '' close; do
		play '' client 1.3 ../threads/window_full 5000 $how
		WITHOUT="$STATUS $SAID"
		assert_equal "$(verdict_of "$RESULT")" truncated
		play "$SHIM" client 1.3 ../threads/window_full 5000 $how
		assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$WITHOUT closed"
	done
}

@test "closenotify does not preload where the loader would end the program, and says so: a libc that is too old" {
	local program=$BATS_TEST_TMPDIR/ends newer=$BATS_TEST_TMPDIR/libclosenotify.so here
	cc "$PROJECT/tests/loaders/ends.c" -o "$program" -lpthread
	here=$(grep -aoE 'GLIBC_2\.[0-9]+' "$(ldd "$program" | grep -o '/[^ ]*libc\.so\.6')" | sort -uV | tail -n 1) # by its symbols, as there
	sed 's/GLIBC_2\.17/GLIBC_2.99/g' "$SHIM" >"$newer" # as one built for a libc to come
	LD_PRELOAD=$newer run "$program"
	assert_failure
	assert_output --partial GLIBC_2.99
	WITHOUT=$("$program")
	export CLOSENOTIFY_LIBRARY=$newer
	run "$PROJECT/scripts/closenotify" "$program"
	assert_success
	assert_output "closenotify: warning: $program runs under glibc ${here#GLIBC_}, and $newer needs 2.99: it is not preloaded
$WITHOUT"
	cp "${SHIM%.so}-deep.so" "${newer%.so}-deep.so"
	# shellcheck disable=SC2016 # of sh
	LD_PRELOAD=$SHIM run "$PROJECT/scripts/closenotify" -q --deep sh -c 'echo $LD_PRELOAD $LD_AUDIT' # what was there stays
	assert_output "$SHIM"
	run "$PROJECT/scripts/closenotify-check" "$program"
	assert_failure 1
	assert_line --regexp "^missed: +$program runs under glibc ${here#GLIBC_}, and $newer needs 2.99: it is not preloaded"
	CLOSENOTIFY_LIBRARY=$SHIM run "$PROJECT/scripts/closenotify" "$program"
	assert_success
	assert_output "$WITHOUT"
}

@test "closenotify-check names another machine, and the sanitizer that must come first" {
	cp /bin/true "$BATS_TEST_TMPDIR/other"
	printf '\363' | dd of="$BATS_TEST_TMPDIR/other" bs=1 seek=18 conv=notrunc status=none # e_machine: RISC-V is 243
	run "$PROJECT/scripts/closenotify-check" "$BATS_TEST_TMPDIR/other"
	assert_failure 1
	assert_line --partial 'is for another machine or word size'
	cc -fsanitize=address "$PROJECT/tests/loaders/ends.c" -o "$BATS_TEST_TMPDIR/ends" -lpthread
	run "$PROJECT/scripts/closenotify-check" "$BATS_TEST_TMPDIR/ends"
	assert_line --regexp '^preloaded first: +libasan\.so\.[0-9]+ \(AddressSanitizer\), by closenotify'
	run "$PROJECT/scripts/closenotify-check" --json "$BATS_TEST_TMPDIR/ends"
	assert_equal "$(jq -r .preloaded_first <<<"$output")" "$(sed -n 's/^preloaded first: *//p' < <("$PROJECT/scripts/closenotify-check" "$BATS_TEST_TMPDIR/ends"))"
}
