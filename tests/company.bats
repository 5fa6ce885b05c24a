#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# More company than in coexist.bats: a wrapper of all sockets, AddressSanitizer's runtime, a proxy that refuses; and
# where descriptors or system calls are short. The goodbye is said as ever, or the program does not notice that it
# could not be.

load helper

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host libsocket-wrapper libseccomp2 torsocks >&2
}

setup() {
	LIBRARIES=$("$PROJECT/tests/sysroot" path host)/usr/lib
	JUDGE_ARGS=(--no-tickets --silent-end)
	ENVIRONMENT=()
}

# ends PRELOAD PROGRAM ARGS...: one run as client in ENVIRONMENT. Sets RESULT, STATUS and SAID. (Not in TLS 1.2: what is
# tried here knows nothing of TLS.)
ends() {
	local preload=$1 program=$2
	shift 2
	STATUS=0
	start_judge "${JUDGE_ARGS[@]}"
	SAID=$(env "${ENVIRONMENT[@]}" LD_PRELOAD="$preload" timeout -k 10 60 "$program" "$JUDGE_PORT" 1.3 "$@" 2>&1) || STATUS=$?
	RESULT=$(judge_result)
	echo "${program##*/} $*, $preload: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ]
}

# heard: the judge's verdict, how much it heard, and how often goodbye.
heard() {
	jq -r '[.verdict, .bytes, .close_notify] | join(" ")' <<<"$RESULT"
}

# --- other libraries ---

# beside PRELOAD PROGRAM WITHOUT PRELOAD_WITH WITH: the verdicts; all that the program sees is the same.
beside() {
	local said
	ends "$1" "$2"
	said="$STATUS $SAID"
	assert_equal "$(verdict_of "$RESULT")" "$3"
	ends "$4" "$2"
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "$said $5"
}

# A judge in the wrapper's network, where every socket is a unix socket.
start_judge_wrapped() {
	local word=''
	JUDGE_OUT=$(mktemp "$BATS_TEST_TMPDIR/judge.XXXXXX")
	LD_PRELOAD=$1 flock --no-fork "$JUDGE_OUT.lock" "$JUDGE" server --cert "$PKI/cert.pem" --key "$PKI/key.pem" \
		"${JUDGE_ARGS[@]}" >"$JUDGE_OUT" 2>"$JUDGE_OUT.err" 3>&- &
	STARTED+=($!)
	until read -r word JUDGE_PORT <"$JUDGE_OUT" && [ "$word" = listening ]; do
		is_ours $!
		a_moment
	done
}

@test "beside socket_wrapper, which calls libc's own close(): before it, all is heard; behind it, what ends with SSL_free or exit" {
	local wrapper program truncated=truncated
	wrapper=$(echo "$LIBRARIES"/*/libsocket_wrapper.so)
	export SOCKET_WRAPPER_DIR=$BATS_TEST_TMPDIR SOCKET_WRAPPER_DEFAULT_IFACE=10
	start_judge() {
		start_judge_wrapped "$wrapper"
	}
	for program in free_then_close close_then_free exit_0; do
		beside "$wrapper" "$RUDE/$program" truncated "$SHIM:$wrapper" closed
		[ "$program" = close_then_free ] || truncated=closed
		beside "$wrapper" "$RUDE/$program" truncated "$wrapper:$SHIM" "$truncated"
		truncated=truncated
	done
	beside "$wrapper" "$RUDE/ssl_shutdown_then_close" closed "$SHIM:$wrapper" closed
	beside "$wrapper" "$RUDE/ssl_shutdown_then_close" closed "$wrapper:$SHIM" closed
}

@test "beside torsocks, which refuses the connection: the program sees the same" {
	local torsocks order
	torsocks=$(echo "$LIBRARIES"/*/torsocks/libtorsocks.so)
	export TORSOCKS_CONF_FILE=$BATS_TEST_TMPDIR/torsocks.conf
	echo 'AllowOutboundLocalhost 0' >"$TORSOCKS_CONF_FILE"
	for order in "$torsocks" "$torsocks:$SHIM" "$SHIM:$torsocks"; do
		start_judge "${JUDGE_ARGS[@]}"
		run env LD_PRELOAD="$order" "$RUDE/free_then_close" "$JUDGE_PORT" 1.3
		assert_failure 99
		assert_output --partial 'connect: Operation not permitted'
	done
}

# with_runtime COMPILER PRELOAD FLAG...: programs with AddressSanitizer, the library as it is.
with_runtime() {
	local name preload=$2
	for name in free_then_close close_then_free close_only exit_0 close_with_unread ssl_shutdown_then_close; do
		"$1" -std=gnu11 -D_GNU_SOURCE -g -fsanitize=address "${@:3}" "$PROJECT/tests/rude/$name.c" \
			-o "$BATS_TEST_TMPDIR/$name" -lssl -lcrypto -lpthread -ldl
		JUDGE_ARGS=(--no-tickets --silent-end)
		case $name in
		close_with_unread)
			JUDGE_ARGS+=(--send 10000)
			beside "$preload" "$BATS_TEST_TMPDIR/$name" reset "$preload:$SHIM" closed
			;;
		ssl_shutdown_then_close) beside "$preload" "$BATS_TEST_TMPDIR/$name" closed "$preload:$SHIM" closed ;;
		*) beside "$preload" "$BATS_TEST_TMPDIR/$name" truncated "$preload:$SHIM" closed ;;
		esac
		assert_equal "$STATUS" 0
	done
}

@test "beside AddressSanitizer's runtime, a library of its own" {
	ENVIRONMENT=(ASAN_OPTIONS=detect_leaks=0)
	with_runtime gcc "$(gcc -print-file-name=libasan.so)"
}

@test "beside AddressSanitizer's runtime, within the program" {
	ENVIRONMENT=(ASAN_OPTIONS=detect_leaks=0)
	with_runtime clang ''
}

# --- few descriptors, or many ---

# short_of WHAT...
short_of() {
	local said
	ends '' "$BUILD/tests/company" 10000 "$@"
	assert_equal "$STATUS $(heard)" '0 truncated 10000 0'
	said=$SAID
	ends "$SHIM" "$BUILD/tests/company" 10000 "$@"
	assert_equal "$STATUS $(heard) $SAID" "0 closed 10000 1 $said"
}

@test "with three descriptors left at the close" {
	short_of left 3
}

@test "with no descriptor left at the close" {
	short_of left 0
}

@test "with RLIMIT_NOFILE of 17" {
	short_of few 17
}

@test "with RLIMIT_NOFILE of 3, below the connection's number" {
	short_of few 3
}

@test "with a connection on number 600000, or the highest there is, and no more memory" {
	short_of high 600000
	assert_output_of_last small
}

@test "the same with input unread, and more to deliver than the peer takes at once" {
	needs_filter
	local what
	JUDGE_ARGS=(--silent-end --read-pause-ms 1 --rcvbuf 4096) # and tickets, which nobody reads
	for what in 'left 3' 'left 0' 'few 17' 'few 3' 'high 600000'; do
		# shellcheck disable=SC2086 # two words
		set -- "$BUILD/tests/company" 1000000 $what
		ends '' "$@"
		assert_equal "$STATUS $(verdict_of "$RESULT")" '0 reset'
		ends "$SHIM" "$@"
		assert_equal "$STATUS $(heard)" '0 closed 1000000 1'
	done
	assert_output_of_last small
}

assert_output_of_last() {
	assert_equal "$(tail -n 1 <<<"$SAID")" "$1"
}

# --- filters of system calls ---

# filtered STATUS WHAT...: as without the library, but for the status.
filtered() {
	local status=$1 said
	shift
	ends '' "$BUILD/tests/company" 10000 "$@"
	assert_equal "$STATUS $(heard)" '0 truncated 10000 0'
	said=$SAID
	ends "$SHIM" "$BUILD/tests/company" 10000 "$@"
	assert_regex "$STATUS" "^($status)$"
	assert_equal "$(heard)" 'truncated 10000 0'
	[ "$STATUS" -ne 0 ] || assert_equal "$SAID" "$said"
}

@test "under a filter that denies, set by the seccomp system call: nothing is said, and nothing noticed" {
	filtered 0 seccomp deny
}

@test "under a filter that denies, set by libseccomp: nothing is said, and nothing noticed" {
	filtered 0 libseccomp deny "$(echo "$LIBRARIES"/*/libseccomp.so.2)"
}

# libclosenotify(7), CAVEATS: such a filter is not seen, and the first call of the library's own may be the program's death
# (159: SIGSYS). The peer hears no lie for it.
@test "under a filter that kills, set by the seccomp system call: no goodbye is begun" {
	filtered '0|159' seccomp kill
}

@test "under a filter that kills, set by libseccomp: no goodbye is begun" {
	filtered '0|159' libseccomp kill "$(echo "$LIBRARIES"/*/libseccomp.so.2)"
}
