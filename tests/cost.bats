#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a hook costs, in instructions: those do not depend on what else the machine does. Time is for make bench.

load helper

@test "no hook takes more instructions than are recorded" {
	run "$PROJECT/tests/bench/instructions"
	assert_success
	assert_line --regexp '^close_untracked +in the library +[1-9]'
	assert_line --regexp '^session +in the library +[1-9]'
	assert_line --regexp '^SSL_read +in the library +[1-9]'
	assert_line --regexp '^close_then_free +in the library +[1-9]'
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
