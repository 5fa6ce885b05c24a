#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Beside other preloaded libraries, and where little is allowed: the goodbye is said as ever, or the program does not
# notice that it could not be.

load helper

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host libfaketime libjemalloc2 libeatmydata1 torsocks >&2
}

setup() {
	LIBRARIES=$("$PROJECT/tests/sysroot" path host)/usr/lib
	export TORSOCKS_CONF_FILE=$BATS_TEST_TMPDIR/torsocks.conf
	echo 'AllowOutboundLocalhost 1' >"$TORSOCKS_CONF_FILE"
}

# play PRELOAD PROGRAM ARGS...: as TLS 1.3 client. Sets RESULT, STATUS and SAID.
play() {
	local preload=$1 program=$BUILD/tests/$2
	shift 2
	[ -x "$program" ] || { echo "play: there is no program $program" && return 1; }
	STATUS=0
	start_judge --no-tickets
	SAID=$(LD_PRELOAD=$preload timeout -k 10 60 "$program" "$JUDGE_PORT" 1.3 "$@" 2>&1) || STATUS=$?
	RESULT=$(judge_result)
	echo "${program##*/} $*, $preload: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ]
}

# beside LIBRARY [ORDER...]: in both orders, programs that free first, close first, and leave it to exit.
beside() {
	local program order said heard orders=("$1:$SHIM" "$SHIM:$1")
	[ $# -eq 1 ] || orders=("${@:2}")
	for program in close_then_free free_then_close exit_0 ssl_shutdown_then_close; do
		play "$1" "rude/$program"
		said="$STATUS $SAID"
		if [ "$program" = ssl_shutdown_then_close ]; then
			assert_equal "$(verdict_of "$RESULT")" closed
		else
			assert_equal "$(verdict_of "$RESULT")" truncated
		fi
		for order in "${orders[@]}"; do
			play "$order" "rude/$program"
			# torsocks before 2.4 tells of each system call that it does not know
			heard=$(grep -v ' WARNING torsocks\[.* Unsupported syscall number' <<<"$SAID" || true)
			assert_equal "$STATUS $heard $(verdict_of "$RESULT") $(field close_notify "$RESULT")" "$said closed 1"
		done
	done
}

@test "beside libfaketime" {
	FAKETIME=+10d beside "$(echo "$LIBRARIES"/*/faketime/libfaketime.so.1)"
}

@test "beside libfaketime for threads" {
	FAKETIME=+10d beside "$(echo "$LIBRARIES"/*/faketime/libfaketimeMT.so.1)"
}

@test "beside jemalloc" {
	beside "$(echo "$LIBRARIES"/*/libjemalloc.so.2)"
}

@test "beside libeatmydata" {
	beside "$(echo "$LIBRARIES"/*/libeatmydata.so.1)"
}

@test "beside torsocks, which calls libc's own close(): before it, all is heard; behind it, what ends with SSL_free" {
	local torsocks
	torsocks=$(echo "$LIBRARIES"/*/torsocks/libtorsocks.so)
	beside "$torsocks" "$SHIM:$torsocks"
	play "$torsocks:$SHIM" rude/free_then_close
	assert_equal "$(verdict_of "$RESULT")" closed
	play "$torsocks:$SHIM" rude/close_then_free
	assert_equal "$(verdict_of "$RESULT")" truncated
}

@test "beside another copy of itself: one goodbye" {
	local program order said copy=$BATS_TEST_TMPDIR/another.so
	cp "$SHIM" "$copy"
	for program in close_then_free free_then_close exit_0 ssl_shutdown_then_close curl_order; do
		play '' "rude/$program"
		said="$STATUS $SAID"
		for order in "$copy:$SHIM" "$SHIM:$copy"; do
			play "$order" "rude/$program"
			# torsocks before 2.4 tells of each system call that it does not know
			heard=$(grep -v ' WARNING torsocks\[.* Unsupported syscall number' <<<"$SAID" || true)
			assert_equal "$STATUS $heard $(verdict_of "$RESULT") $(field close_notify "$RESULT")" "$said closed 1"
		done
	done
}

# confined WHAT VERDICT
confined() {
	local said
	play '' threads/confined 10000 "$1"
	assert_equal "$STATUS $(verdict_of "$RESULT")" '0 truncated'
	said=$SAID
	play "$SHIM" threads/confined 10000 "$1"
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "0 $said $2"
}

@test "in an empty root, without privileges" {
	[ "$EUID" -eq 0 ] || skip 'chroot is for root'
	confined chroot closed
}

@test "with no descriptor left" {
	confined last closed
}

@test "with RLIMIT_NOFILE of a million" {
	confined million closed
}

@test "under a seccomp filter that kills on what the program itself never does" {
	confined strict truncated
}

@test "under a filter that kills on what forks and ends do not need: forks by each way, dup2 over the connection, the first thread's end" {
	local said
	play '' threads/confined_forks 1000
	said=$SAID
	assert_equal "$STATUS ${said##*$'\n'}" '0 first thread over'
	play "$SHIM" threads/confined_forks 1000
	assert_equal "$STATUS $SAID $(verdict_of "$RESULT")" "0 $said truncated"
}

@test "under such a filter, with a log of calls: nothing is written any more" {
	local what log=$BATS_TEST_TMPDIR/log
	for what in strict strict_by_number; do
		rm -f "$log"
		CLOSENOTIFY_LOG=json:$log CLOSENOTIFY_LEVEL=calls confined "$what" truncated
		assert_equal "$(jq -r .call "$log")" handshake
	done
}

@test "beside a library whose constructor forks by syscall() before ours has run" {
	cc -D_GNU_SOURCE -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/early.so" <<-'END'
		#include <signal.h>
		#include <sys/syscall.h>
		#include <sys/wait.h>
		#include <unistd.h>
		__attribute__((constructor)) static void early(void)
		{
			pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
			int status = 0;

			if (!child)
				_exit(3);
			if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3)
				_exit(9);
		}
	END
	LD_PRELOAD=$SHIM:$BATS_TEST_TMPDIR/early.so run true
	assert_success
	assert_output ''
}
