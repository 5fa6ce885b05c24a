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
