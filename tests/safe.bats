#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Safe in any process: what threads, forks, limits and signals do meanwhile.

load helper

@test "each check that make proofs takes out is still there to be taken out" {
	run "$PROJECT/tests/races" --dry
	assert_success
	assert_output ''
}
