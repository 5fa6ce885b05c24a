#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The lists of tests that are skipped without CAP_SYS_ADMIN or CAP_NET_ADMIN are what the test files say.

load helper

@test "tests/capability.md is what tests/capability prints" {
	run diff "$PROJECT/tests/capability.md" <("$PROJECT/tests/capability")
	assert_success
	assert [ "$("$PROJECT/tests/capability" --named CAP_SYS_ADMIN | wc -l)" -gt 30 ]
	assert [ "$("$PROJECT/tests/capability" --named CAP_NET_ADMIN | wc -l)" -gt 5 ]
}

@test "a test that asks for the capability is in the list, one that would not be seen fails it" {
	printf '%s\n' '@test "asks" {' $'\tneeds_mount # because' '}' '@test "does not" {' $'\ttrue' '}' \
		'@test "asks for the other" {' $'\tneeds_filter' '}' >"$BATS_TEST_TMPDIR/it.bats"
	run "$PROJECT/tests/capability" "$BATS_TEST_TMPDIR/it.bats"
	assert_success
	assert_equal "$(grep -E '^(# |- )' <<<"$output")" '# Tests that need CAP_SYS_ADMIN
- asks
# Tests that need CAP_NET_ADMIN
- asks for the other'
	printf '%s\n' 'as_root() {' $'\tneeds_mount' '}' >>"$BATS_TEST_TMPDIR/it.bats"
	run "$PROJECT/tests/capability" "$BATS_TEST_TMPDIR/it.bats"
	assert_failure
	assert_output --partial 'as_root() asks for a capability'
}
