#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other versions of GnuTLS than this machine's: a few programs of tests/gnutls, built against the headers and libraries of other
# Debian releases, run there.

load helper

OTHERS=(bullseye trixie sid)
PROGRAMS=(deinit_then_close close_then_deinit exit_0 bye_then_close bye_gave_up own_push own_vec_push corked_then_close
	half_written_record key_update_stalls child_closes fatal_then_goes_on close_then_bye)

setup_file() {
	local suite program
	may_mount || return 0
	make_certs
	for suite in "${OTHERS[@]}"; do
		"$PROJECT/tests/sysroot" add -q "$suite" libc6-dev libgnutls28-dev libssl-dev >&2
		mkdir -p "$BUILD/smoke/gnutls/$suite"
		for program in "${PROGRAMS[@]}"; do
			build "$suite" "$program"
		done
	done
}

# build SUITE PROGRAM: by this machine's compiler; nothing else is this machine's. Debian 11's ld cannot read newer libraries.
build() {
	local root libraries out=$BUILD/smoke/gnutls/$1/$2
	[ "$out" -nt "$PROJECT/tests/gnutls/$2.c" ] && [ "$out" -nt "$PROJECT/tests/gnutls/party.h" ] && return
	root=$("$PROJECT/tests/sysroot" path "$1")
	libraries=$root/usr/lib/$(gcc -print-multiarch)
	gcc -fuse-ld=lld --sysroot="$root" -B"$libraries" -L"$libraries" -std=gnu11 -D_GNU_SOURCE -O2 -I"$PROJECT/tests/rude" \
		"$PROJECT/tests/gnutls/$2.c" -o "$out" -lgnutls -lpthread -ldl
}

setup() {
	needs_mount
	JUDGE_ARGS=()
}

# play_in SUITE LIBRARY TLS PROGRAM: one run in that root. Sets RESULT, STATUS and SAID.
play_in() {
	STATUS=0
	start_judge --tls "$3" --no-tickets "${JUDGE_ARGS[@]}"
	SAID=$(timeout -k 10 60 "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$2" "$1" -- \
		"$BUILD/smoke/gnutls/$1/$4" "$JUDGE_PORT" "$3" 2>&1) || STATUS=$?
	RESULT=$(judge_result)
	echo "$1: $4, TLS $3, ${2:-without}: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ]
}

# changes VERDICT PROGRAM: so without the library, closed with it, all else the same, in each release.
changes() {
	local suite tls without
	for suite in "${OTHERS[@]}"; do
		for tls in 1.2 1.3; do
			play_in "$suite" '' "$tls" "$2"
			assert_equal "$(verdict_of "$RESULT")" "$1"
			without="$(field bytes "$RESULT") $STATUS $SAID"
			play_in "$suite" "$SHIM" "$tls" "$2"
			assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
			assert_equal "$(field bytes "$RESULT") $STATUS $SAID" "$without"
		done
	done
}

# unchanged PROGRAM: the same without and with it, in each version of VERSIONS (both).
unchanged() {
	local suite tls program=$1 without
	for suite in "${OTHERS[@]}"; do
		for tls in ${VERSIONS-1.2 1.3}; do
			play_in "$suite" '' "$tls" "$program"
			without="$(jq -rc '[.verdict, .bytes, .close_notify, .fatal]' <<<"$RESULT") $STATUS $SAID"
			play_in "$suite" "$SHIM" "$tls" "$program"
			assert_equal "$(jq -rc '[.verdict, .bytes, .close_notify, .fatal]' <<<"$RESULT") $STATUS $SAID" "$without"
		done
	done
}

@test "the releases have other versions than this machine" {
	local suite
	for suite in "${OTHERS[@]}"; do
		LC_ALL=C grep -aohE 'Enabled GnuTLS [0-9.]+' "$("$PROJECT/tests/sysroot" path "$suite")"/usr/lib/*/libgnutls.so.30 | head -n 1
	done | sort -u >"$BATS_TEST_TMPDIR/versions"
	cat "$BATS_TEST_TMPDIR/versions"
	assert [ "$(wc -l <"$BATS_TEST_TMPDIR/versions")" -ge 2 ]
}

@test "the orders of an end" {
	changes truncated deinit_then_close
	changes truncated close_then_deinit
	changes truncated exit_0
	changes truncated close_then_bye
}

@test "gnutls_bye that met E_AGAIN is finished" {
	changes truncated bye_gave_up
}

@test "push functions of the program's own" {
	changes truncated own_push
	changes truncated own_vec_push
}

@test "one record that did not fit is finished" {
	local suite tls
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 8192)
	for suite in "${OTHERS[@]}"; do
		for tls in 1.2 1.3; do
			play_in "$suite" "$SHIM" "$tls" half_written_record
			assert_equal "$(jq -c '[.verdict, .bytes, .close_notify]' <<<"$RESULT")" "[\"closed\",$((${SAID%% *} + 16384)),1]"
		done
	done
}

@test "what was right, and what is refused" {
	JUDGE_ARGS=(--silent-end)
	unchanged bye_then_close
	unchanged corked_then_close
	VERSIONS=1.3 unchanged key_update_stalls
	unchanged child_closes
	unchanged fatal_then_goes_on
}
