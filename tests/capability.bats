#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The list of tests that are skipped without CAP_SYS_ADMIN is what the test files say.

load helper

@test "tests/capability.md is what tests/capability prints" {
	run diff "$PROJECT/tests/capability.md" <("$PROJECT/tests/capability")
	assert_success
	assert [ "$(grep -c '^- ' "$PROJECT/tests/capability.md")" -gt 30 ]
}

@test "a test that asks for the capability is in the list, one that would not be seen fails it" {
	printf '%s\n' '@test "asks" {' $'\tneeds_mount # because' '}' '@test "does not" {' $'\ttrue' '}' >"$BATS_TEST_TMPDIR/it.bats"
	run "$PROJECT/tests/capability" "$BATS_TEST_TMPDIR/it.bats"
	assert_success
	assert_line '- asks'
	refute_line '- does not'
	printf '%s\n' 'as_root() {' $'\tneeds_mount' '}' >>"$BATS_TEST_TMPDIR/it.bats"
	run "$PROJECT/tests/capability" "$BATS_TEST_TMPDIR/it.bats"
	assert_failure
	assert_output --partial 'as_root() asks for a capability'
}
