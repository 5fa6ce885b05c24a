#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The house: each file of shim/ calls to the right and down only, so no file is part of a circle; and the core names no TLS
# library. What is measured are the objects, not the words. And the commands behave alike.

load helper

# calls: "FILE OTHER" for each file that uses a symbol of another one. What is interposed is libc's, whoever is asked.
calls() {
	local object name
	for object in "$BUILD"/obj/*.o; do
		name=${object##*/} name=${name%.o}
		[ "$name" != deep ] || continue
		nm -g --defined-only "$object" | awk -v file="$name" 'NF == 3 && $3 ~ /^cn_/ { print $3, file, "has" }'
		nm -u "$object" | awk -v file="$name" '$2 ~ /^cn_/ { print $2, file, "uses" }'
	done | sort | awk '
		$3 == "has" { home[$1] = $2; next }
		{ users[$1] = users[$1] " " $2 }
		END { for (s in users) if (s in home) { n = split(users[s], u, " "); for (i = 1; i <= n; i++) print u[i], home[s] } }' |
		awk '$1 != $2' | sort -u
}

@test "no file of shim/ is part of a circle" {
	calls >"$BATS_TEST_TMPDIR/calls"
	assert [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -gt 50 ]
	run tsort "$BATS_TEST_TMPDIR/calls"
	assert_success
	refute_output --partial loop
}

@test "a circle would be seen" {
	calls >"$BATS_TEST_TMPDIR/calls"
	echo 'kernel ending' >>"$BATS_TEST_TMPDIR/calls"
	run tsort "$BATS_TEST_TMPDIR/calls"
	assert_failure
	assert_output --partial loop
}

@test "nor does one include what includes it" {
	cd "$PROJECT/shim"
	grep -H '#include "' -- *.[ch] | sed -E 's/^([a-z_]+)\.[ch]:#include "([a-z_]+)\..*/\1 \2/' | awk '$1 != $2' >"$BATS_TEST_TMPDIR/includes"
	assert [ "$(wc -l <"$BATS_TEST_TMPDIR/includes")" -gt 50 ]
	run tsort "$BATS_TEST_TMPDIR/includes"
	assert_success
	refute_output --partial loop
	refute_line --partial tsort:
}

@test "only hooks call a back end, and only a back end and its hooks know its library" {
	run bash -c "$(declare -f calls); BUILD=$BUILD calls"
	refute_line --regexp '^(ending|conn|match|process|policy|farewell|event|session|tls|libc) (tls_openssl|openssl_|tls_gnutls|gnutls_|hook_)'
	run grep -lE '\b(SSL|BIO|gnutls)_[a-z]+ *\(' "$PROJECT"/shim/{conn,ending,session,tls,libc,policy,farewell,event,process,match,kernel}.[ch]
	assert_output ''
}

@test "each command of scripts/ and tests/ explains itself, and refuses what it does not know in one line" {
	local command count=0 status
	cd "$PROJECT"
	while IFS= read -r command; do
		count=$((count + 1))
		run timeout -k 10 60 "$command" --help </dev/null
		[ "$status" -eq 0 ] && [ -n "$output" ] || fail "$command --help: status $status, $output"
		status=0
		timeout 60 "$command" --no-such-option >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
		[ "$command $status" = 'scripts/closenotify 125' ] || [ "$status" -eq 2 ] || fail "$command --no-such-option: status $status"
		[ ! -s "$BATS_TEST_TMPDIR/out" ] && [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ] ||
			fail "$command --no-such-option: $(cat "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/err")"
	done < <(find scripts tests -type f -perm -u+x ! -path '*/debian/*')
	assert [ "$count" -ge 35 ]
}
