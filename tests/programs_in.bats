#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The demo and python3's client in Debian 13; tests/programs-in runs all in each release.

load helper

@test "python3 and the demo in Debian 13: each fault is seen, and each repair" {
	needs_mount
	"$PROJECT/tests/sysroot" add -q trixie python3 openssl git wget
	NO_ADD=yes CN_BUILD=$BUILD run "$PROJECT/tests/programs-in" --demo --suite trixie python_raw
	assert_success
	assert_line '| python3: SSLSocket.close() | client | truncated → closed |'
	assert_line '| make demo: repaired, of four | both | 4 |'
}

@test "programs-in: a release that is not known is refused" {
	run "$PROJECT/tests/programs-in" --suite potato
	assert_equal "$status" 2
	assert_output --partial "--suite 'potato': bullseye, bookworm, trixie or sid is accepted"
}
