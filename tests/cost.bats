#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a hook costs, in instructions: those do not depend on what else the machine does. Time is for make bench.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

@test "no hook takes more instructions than are recorded" {
	run "$PROJECT/tests/bench/instructions"
	assert_success
	assert_line --regexp '^close_untracked +in the library +[1-9]'
	assert_line --regexp '^session +in the library +[1-9]'
	assert_line --regexp '^SSL_read +in the library +[1-9]'
	assert_line --regexp '^close_then_free +in the library +[1-9]'
}

# calls SHIM ORDER [JUDGE-ARG...]: the system calls between the marks of parts_with_bytes.
calls() {
	local port
	start_judge --tls 1.3 --silent-end --timeout-ms 60000 "${@:3}"
	strace -qq -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$1" "$BUILD/tests/threads/parts_with_bytes" "$JUDGE_PORT" 1.3 "${BYTES-1000}" "$2" exits \
		</dev/null >&2
	kill "$JUDGE_PID" 2>/dev/null || true
	sed -n '/^getppid/,/^getppid/{/^getppid/d;p}' "$BATS_TEST_TMPDIR/trace"
}

# at_most COUNT SHIM ORDER [JUDGE-ARG...]
at_most() {
	run calls "${@:2}"
	assert_success
	assert [ "${#lines[@]}" -le "$1" ]
}

@test "the system calls of an end are counted" {
	make_certs
	# By hand, without a guard: SSL_shutdown, SSL_free, shutdown, recv, close.
	at_most 5 '' unread+flushed+mark+say+free+shut_wr+close+mark --send 100
	# Input unread, all acknowledged, by the library: SSL_free and close.
	at_most 13 "$SHIM" unread+flushed+mark+free+close+mark --send 100
	# Bytes at risk: and the filter.
	BYTES=20000 at_most 16 "$SHIM" unread+mark+free+close+mark --send 100 --never-read --rcvbuf 4096
	# A program that is right.
	at_most 21 "$SHIM" flushed+mark+say+free+shut_wr+close+mark --no-tickets
}

@test "a close() that takes three instructions more is caught" {
	local copy=$BUILD/broken/cost
	rm -rf "$copy"
	mkdir -p "$copy/tests/bench"
	cp -r "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	cp "$PROJECT"/tests/bench/instructions* "$copy/tests/bench"
	sed -i '/^EXPORT int close(int fd)/,/^}/s/^{$/{\n\t__asm__ volatile("nop\\n\\tnop\\n\\tnop");/' "$copy/shim/hook_fd.c"
	make -s -C "$copy" BUILD="$copy/build" WARN= all >&2
	mkdir -p "$copy/build/tests"
	ln -s "$BUILD/tests/bench" "$copy/build/tests/bench"
	run env CN_BUILD="$copy/build" "$copy/tests/bench/instructions"
	assert_failure 1
	assert_line --regexp '^close_untracked .*\(was [0-9]+\)'
	assert_line --partial 'tests/bench/instructions --record'
	refute_line --regexp '^shutdown_untracked .*was'
}

@test "the table of make bench says what was measured" {
	cat >"$BATS_TEST_TMPDIR/kept" <<-'END'
		{"machine": "here", "rounds": 3, "seconds": {"all": 90}, "samples": {
		"calls, close": {"without": [100, 110, 120], "with": [101, 114, 122]},
		"nginx, new": {"without": [1000, 1000, 2000], "with": [1000, 980, 1960]},
		"stunnel, processor": {"without": [10, 20, 30], "with": [12, 23, 34], "other": [34, 50, 90]},
		"haproxy, processor": {"without": [10, 20, 30], "with": [9, 21, 33], "other": [50, 70, 90]},
		"haproxy, latency": {"without": [10, 20, 30], "with": [11, 21, 31], "other": [9, 19, 31]},
		"trace, bpftrace uprobes": {"without": [10, 20, 30], "with": [12, 23, 34], "other": [30]}}}
	END
	run "$PROJECT/tests/bench/table" "$BATS_TEST_TMPDIR/kept"
	assert_success
	assert_line --regexp '^  close\(\) +110 ns +114 ns +\+2 ns \(\+1 ns to \+4 ns\) +at most \+2 ns: met$'
	assert_line --regexp '^  nginx: new .* 1,000 /s +1,000 /s +0\.980 times \(0\.980 to 1\.000\) +at least 0.99 times: MISSED$'
	# 24/2, 30/3, 60/4
	assert_line --regexp '^  stunnel: .* 20 ns +23 ns +50 ns +12 times cheaper \(10 to 15\) +10 times cheaper: met$'
	# In one round the library added nothing: the spread from -1 to +3 counts.
	assert_line --regexp '^  haproxy: processor .* > 12.5 times cheaper \(10 to 15\) +10 times cheaper: met$'
	assert_line --regexp '^  haproxy: one .* lost in the noise +10 times cheaper: MISSED$'
	refute_line --partial bpftrace
	assert_line '3 of 5 targets are met.'
}
