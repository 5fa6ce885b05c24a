#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What takes input from outside, fed with the cases of tests/fuzz/corpus and what libFuzzer makes of them: always the same
# ones, so many that it takes seconds. The long way is "make soak". And the targets can fail: builds with one check taken
# out are caught.

load helper

setup_file() {
	(
		flock 9
		make -s -C "$PROJECT" BUILD="$BUILD" fuzzers >&2
	) 9>"$BUILD/fuzz.lock" 3>&-
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# fuzz TARGET RUNS [PROGRAM]: from the corpus on.
fuzz() {
	mkdir -p found
	run timeout -k 10 300 "${3:-$BUILD/fuzz/$1}" -seed=1 -runs="$2" -timeout=20 -max_len=2048 found "$PROJECT/tests/fuzz/corpus/$1"
}

# unbroken TARGET RUNS: the corpus, every case by itself; then onward from there.
unbroken() {
	"$BUILD/fuzz/$1" "$PROJECT/tests/fuzz/corpus/$1"/*
	fuzz "$@"
	assert_success
	assert_output --regexp "Done $2 runs"
}

# caught TARGET RUNS FILE SED: with that taken out of shim/FILE it is found.
caught() {
	local copy=$BATS_TEST_TMPDIR/broken
	mkdir -p "$copy/tests"
	cp -r "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	cp -r "$PROJECT/tests/fuzz" "$copy/tests"
	sed -i "$4" "$copy/shim/$3"
	run diff -q "$PROJECT/shim/$3" "$copy/shim/$3"
	assert_failure 1
	make -s -C "$copy" BUILD="$copy/build" WARN= "$copy/build/fuzz/$1"
	fuzz "$1" "$2" "$copy/build/fuzz/$1"
	assert_failure
	assert_output --regexp 'does not hold|Sanitizer'
}

@test "the flags: a value is one that the help names, or it is complained of and the default stays" {
	unbroken flags 20000
}

@test "the configuration file: each wrong line is told with its number, and the last right line of a flag holds" {
	unbroken conf 20000
}

@test "the hellos: found where they were written, in however many pieces, and nowhere if on two sockets" {
	unbroken hello 20000
}

@test "the log: one line, valid, shorter than PIPE_BUF, whatever the names are" {
	unbroken record 10000
}

@test "closenotify-report reads damaged logs to their end" {
	run "$PROJECT/tests/fuzz/report" 500
	assert_success
	assert_output --partial 'none breaks it'
}

@test "a flag without an upper bound is caught" {
	caught flags 20000 config.c 's/ms > MS_MAX/ms > 4200000000U/'
}

@test "a section whose names are not looked at, and a line number that is one too small, are caught" {
	caught conf 20000 config.c 's/if (!meant || !parse_only(at + 1, &meant))/if (!meant)/'
	rm -r "$BATS_TEST_TMPDIR/broken"
	caught conf 20000 config.c 's/^\tunsigned int number = 0;/\tunsigned int number = UINT_MAX;/; s/^#include <errno.h>/&\n#include <limits.h>/'
}

@test "a random that is found although it was on two sockets is caught" {
	caught hello 20000 match.c 's/where.fd = -1;/where.fd += 0;/'
}

@test "a quote that is not escaped is caught" {
	caught record 20000 format.c "s/ && c != '\"'//"
}

@test "a reader that takes a number for a text is caught" {
	local copy=$BATS_TEST_TMPDIR/broken
	mkdir -p "$copy/tests" "$copy/scripts"
	cp -r "$PROJECT/tests/fuzz" "$PROJECT/tests/report" "$copy/tests"
	cp -r "$PROJECT/scripts/report" "$copy/scripts"
	sed 's/"text": {"type": "string",/"text": {"type": ["string", "integer", "null", "boolean"], "minimum": -9, "maximum": 99999,/' \
		"$PROJECT/scripts/closenotify-record.schema.json" >"$copy/scripts/closenotify-record.schema.json"
	run "$copy/tests/fuzz/report" 500
	assert_failure 1
	assert_output --regexp 'FAILED, seed 1, run [0-9]+: [A-Za-z]+Error'
}
