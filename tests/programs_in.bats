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

# rows FILE: the first column of its tables.
rows() {
	sed -nE 's/^\| ([^|]*[^| ]) +\|.*/\1/p' "$1" | grep -vxE -- 'program|---' | sort -u
}

# titles ROW...: the second column of the lists.
titles() {
	printf '%s\n' "$@" | cut -d'|' -f2 | sed 's/^ *//; s/ *$//' | sort -u
}

@test "each row of programs.md and of programs-in.md is a case of the lists, and each case is a row and tested" {
	local row name both
	load cases
	for row in "${CASES[@]}"; do
		name=${row%% *}
		assert grep -qE "^[[:space:]](holds|untouched|refuses|.*[( ])[^#]*\b$name\b" "$PROJECT/tests/programs.bats"
		assert grep -q "^$name() " "$PROJECT/tests/cases.bash"
	done
	both=$(titles "${CASES[@]}" "${FAMILY_CASES[@]}")
	assert_equal "$(rows "$PROJECT/tests/programs-in.md" | grep -v '^make demo')" "$both"
	run comm -23 <(titles "${CASES[@]}") <(rows "$PROJECT/tests/programs.md")
	refute_output
}
