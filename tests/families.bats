#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What forks do to those who share a connection: at the same instant, killed at once, failed inside libc, among many
# connections, beside a file system that does not answer. Every program is without a fault of its own, or the same without
# the library.

load helper

setup_file() {
	make_certs
}

# both ROLE PROGRAM WITHOUT WITH [ARG...]: the verdicts of one program, TLS 1.2 and 1.3; what it says is the same.
both() {
	local tls said program=$1 without=$2 with=$3
	shift 3
	for tls in 1.2 1.3; do
		play '' client "$tls" "$program" 1000 "$@"
		said=$SAID
		assert_equal "$(verdict_of "$RESULT")" "$without"
		play "$SHIM" client "$tls" "$program" 1000 "$@"
		assert_equal "$(verdict_of "$RESULT")" "$with"
		assert_equal "$STATUS $SAID" "0 $said"
	done
}

@test "fork_killed: a child that is killed before it has run holds nothing" {
	both fork_killed truncated closed
}

@test "daemon_fails: a fork inside libc that fails has no child" {
	both daemon_fails truncated closed
}

@test "share_used_again: what is done to a closed connection's session does not spoil another connection" {
	JUDGE_ARGS=(--connections 2)
	both share_used_again truncated closed
}

@test "child_hands_over: a child gives the socket to a stranger, and the parent says no goodbye" {
	both child_hands_over truncated truncated
}

@test "two threads fork at the same instant: nobody says goodbye while either child may speak" {
	local shim
	JUDGE_ARGS=(--connections 200 --no-tickets --timeout-ms 60000)
	for shim in '' "$SHIM"; do
		PROGRAMS=threads play "$shim" client 1.3 ../threads/two_forks 100 200
		assert_equal "$STATUS $SAID" '0 '
		run jq -r 'select(.connection) | [.bytes, .close_notify, .verdict] | join(" ")' <(tail -n +2 "$JUDGE_OUT")
		assert_equal "$(sort <<<"$output" | uniq -c | xargs)" '200 200 0 truncated'
	done
}

# calls_of PART FILE...: how many system calls there are between the mark PART and the next, or the end.
calls_of() {
	awk -v part="\"$1\"" '
		FNR == 1 { inside = 0 }
		/^write\(-1, / { inside = index($0, part) > 0; next }
		/^---|^\+\+\+|^brk\(/ { next } # malloc asks for memory when it likes
		inside { count++ }
		END { print count + 0 }' "${@:2}"
}

# counted COUNT CHILD [FORKS]: the system calls of each part of among_many, with so many other connections.
counted() {
	local trace=$BATS_TEST_TMPDIR/trace.$1.$2 part
	start_judge --no-tickets --silent-end --connections 2
	strace -ff -o "$trace" -E LD_PRELOAD="$SHIM" "$BUILD/tests/threads/among_many" "$JUDGE_PORT" 1.3 100 "$@"
	ENDED=$(judge_result 2 | jq -r .verdict)
	for part in forks fork exit end; do
		printf '%s %s\n' "$part" "$(calls_of "$part" "$trace".*)"
	done
}

@test "an end beside a living child, that child's end, and a fork ask the kernel as much among 1000 connections as among 10" {
	local child few ended
	for child in holds closes; do
		counted 10 "$child" >"$BATS_TEST_TMPDIR/few"
		ended=$ENDED
		counted 1000 "$child" >"$BATS_TEST_TMPDIR/many"
		few=$(cat "$BATS_TEST_TMPDIR/few")
		echo "$child: $few"
		assert_regex "$few" 'end [1-9]'
		assert_equal "$(cat "$BATS_TEST_TMPDIR/many")" "$few"
		assert_equal "$ended $ENDED" "$([ "$child" = holds ] && echo truncated truncated || echo closed closed)"
	done
}

@test "a child that holds the socket is asked for that descriptor alone, and by its link" {
	counted 10 holds
	run grep -hE '"/proc/|pidfd' "$BATS_TEST_TMPDIR"/trace.10.holds.*
	refute_output --regexp '(open|stat)[a-z0-9]*\(.*"/proc/[0-9]+/fd|pidfd'
	assert_output --regexp 'readlink[a-z]*\(.*"/proc/[0-9]+/fd/[0-9]+", "socket:\['
}

@test "forty children have come and gone: a fork asks no more among 1000 connections than among 10" {
	counted 10 holds 40 >"$BATS_TEST_TMPDIR/few"
	counted 1000 holds 40 >"$BATS_TEST_TMPDIR/many"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/many")" "$(cat "$BATS_TEST_TMPDIR/few")"
}

@test "child_on_dead_files: a file system that does not answer does not keep SSL_free and close" {
	[ "$EUID" -eq 0 ] || skip 'only root can mount'
	needs_mount
	[ -w /dev/fuse ] || skip 'no file systems of programs here (/dev/fuse)'
	both child_on_dead_files truncated closed "$(mktemp -d "$BATS_TEST_TMPDIR/dead.XXXXXX")"
	assert_equal "$SAID" 'comes back'
}

@test "forks_while_asked: a child that is born while another's descriptors are looked through has none of the library's" {
	play '' client 1.3 ../threads/forks_while_asked 100
	assert_equal "$SAID $(verdict_of "$RESULT")" 'asked 0, strangers 0 truncated'
	play "$SHIM" client 1.3 ../threads/forks_while_asked 100
	assert_equal "$SAID $(verdict_of "$RESULT")" 'asked 1, strangers 0 closed'
}

@test "exit_reuse: a number that is taken while exit looks at it gets no byte of the library's" {
	local shim
	for shim in '' "$SHIM"; do
		play "$shim" client 1.3 ../threads/exit_reuse 100
	done
	assert_equal "$STATUS $SAID" '0 number taken 1, foreign bytes -1'
	assert_equal "$(verdict_of "$RESULT")" closed
}

@test "fibres: SSL_shutdown that another thread goes on with leaves SIGPIPE as it was in both" {
	local shim JUDGE_ARGS=(--silent-end) # an answer may come before close(), which then resets
	for shim in '' "$SHIM"; do
		play "$shim" client 1.3 ../threads/fibres 100
		assert_equal "$(verdict_of "$RESULT") $SAID" "closed $(printf '%s\n' 'first: over 0, SIGPIPE blocked 0' 'second: over 1, SIGPIPE blocked 0')"
	done
}
