#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/run, and make: where they can't work they say so at once, in one line.

load helper

setup() {
	unset CN_BUILD
}

# suite_in DIRECTORY: a suite of one test.
suite_in() {
	mkdir -p "$1/tests" "$1/build/tests"
	cp "$PROJECT/tests/run" "$PROJECT/tests/environment" "$PROJECT/tests/durations" "$1/tests"
	printf '%s\n' '@test "passes" {' $'\ttrue' '}' >"$1/tests/one.bats"
	cp "$(type -P true)" "$1/build/tests/judge"
}

refused() { # WORDS
	assert_equal "$status ${#lines[@]}" '2 1'
	assert_output --partial "$1"
}

@test "a path that can't be quoted for LD_PRELOAD, PATH or make" {
	local name
	cd "$BATS_TEST_TMPDIR" || return
	# shellcheck disable=SC2016
	for name in 'a b' 'a:b' 'a;b' 'a$b' "a'b"; do
		suite_in "$PWD/$name"
		run "./$name/tests/run"
		refused "the path '$PWD/$name' has '${name:1:1}' in it"
		run make -C "$name" -f "$PROJECT/Makefile" --no-print-directory help
		refused "the path '$PWD/$name' has '${name:1:1}' in it"
		mkdir -p "tmp/$name"
		suite_in "$PWD/good"
		TMPDIR=$PWD/tmp/$name run good/tests/run
		refused "has '${name:1:1}' in it"
	done
	suite_in "$PWD/a#ä,~+@=%b"
	run "./a#ä,~+@=%b/tests/run"
	assert_success
	assert_line '1 passed, 0 failed'
}

@test "nothing built, a file that is not there, a temporary directory without execution" {
	cd "$BATS_TEST_TMPDIR" || return
	suite_in "$PWD"
	run tests/run tests/two.bats
	refused 'there is no tests/two.bats'
	rm build/tests/judge
	run tests/run
	refused 'nothing is built yet: make test does that'
	if may_mount; then
		mkdir noexec
		# shellcheck disable=SC2016
		run unshare --map-root-user --mount sh -c 'mount -t tmpfs -o noexec none noexec && TMPDIR=$PWD/noexec tests/run'
		refused "no program may be run in $PWD/noexec"
	fi
}

@test "the caller's settings of shell and tools are not the suite's" {
	suite_in "$BATS_TEST_TMPDIR"
	# shellcheck disable=SC2016
	printf '%s\n' '@test "passes" {' $'\t[ -z "${GIT_DIR-}${OPENSSL_CONF-}${SSLKEYLOGFILE-}${PYTHONHOME-}${CDPATH-}" ]' '}' \
		>"$BATS_TEST_TMPDIR/tests/one.bats"
	run env POSIXLY_CORRECT=1 SHELLOPTS=noclobber GIT_DIR=/nowhere OPENSSL_CONF=/nowhere SSLKEYLOGFILE=/nowhere/keys PYTHONHOME=/nowhere \
		CDPATH=.:/ "$BATS_TEST_TMPDIR/tests/run"
	assert_success
	assert_line '1 passed, 0 failed'
}
