#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Threads: who closes while another reads, two that close at once, numbers that are taken the moment they are free.
# Each case runs without the library first; with it, the programs see the same, every connection is heard to end once,
# and nothing is ever written to another one.

load helper

setup_file() {
	make_certs
}

setup() {
	THREADS=$BUILD/tests/threads
	JUDGE_ARGS=()
}

# play SHIM TLS PROGRAM ARGS...: one run of a client against a judge with JUDGE_ARGS. Sets ENDS (how often each verdict
# and number of close_notify), STATUS and SAID (the program's output).
play() {
	local shim=$1 tls=$2 program=$THREADS/$3
	shift 3
	STATUS=0
	start_judge --tls "$tls" "${JUDGE_ARGS[@]}"
	SAID=$(LD_PRELOAD=$shim timeout -k 10 120 "$program" "$JUDGE_PORT" "$tls" "$@" 2>&1) || STATUS=$?
	judge_result >/dev/null
	ENDS=$(tail -n +2 "$JUDGE_OUT" | jq -r '[.verdict, .close_notify] | join(" ")' | sort | uniq -c | sed 's/^ *//')
	echo "${program##*/} $*, TLS $tls, judge ${JUDGE_ARGS[*]}, ${shim:-without}: status $STATUS, $ENDS, $SAID"
	[ "$STATUS" -ne 99 ] # 99: it went wrong before the sin
}

# all_heard TLS COUNT PROGRAM ARGS...: COUNT connections, none of which says goodbye without the library, all with it.
all_heard() {
	local tls=$1 count=$2 said
	shift 2
	JUDGE_ARGS=(--connections "$count" --timeout-ms 600000 --no-tickets)
	play '' "$tls" "$@"
	assert_equal "$ENDS" "$count truncated 0"
	said="$STATUS $SAID"
	play "$SHIM" "$tls" "$@"
	assert_equal "$ENDS" "$count closed 1"
	assert_equal "$STATUS $SAID" "$said"
}

@test "thousands of short connections, churned by eight threads: each is heard to end, once" {
	all_heard 1.2 2000 churn 100 2000 8
	all_heard 1.3 2000 churn 100 2000 8
}

@test "the same with unread tickets: none is reset" {
	JUDGE_ARGS=(--connections 2000 --timeout-ms 600000)
	play "$SHIM" 1.3 churn 20000 2000 8
	assert_equal "$ENDS" '2000 closed 1'
}

@test "two threads close the same descriptor at once" {
	all_heard 1.2 1000 two_close 100 1000 close
	all_heard 1.3 1500 two_close 100 1500 close
}

@test "one thread frees the session while another closes its descriptor" {
	all_heard 1.2 1000 two_close 100 1000 free
	MALLOC_PERTURB_=165 all_heard 1.3 1500 two_close 100 1500 free
}

# --- a thread inside ---

# sees_the_same CALL HOW: what the thread inside gets, and what the call returns that ends its socket.
sees_the_same() {
	local tls said
	for tls in 1.2 1.3; do
		play '' "$tls" thread_in_call 10000 "$1" "$2"
		said="$STATUS $(sort <<<"$SAID")"
		play "$SHIM" "$tls" thread_in_call 10000 "$1" "$2"
		assert_equal "$STATUS $(sort <<<"$SAID")" "$said"
		refute_regex "$ENDS" 'unclean'
	done
}

@test "close, shutdown, SSL_free while another thread is inside SSL_read" {
	JUDGE_ARGS=(--no-tickets --timeout-ms 60000)
	sees_the_same read close
	sees_the_same read shutdown
	sees_the_same read free
}

@test "close, shutdown, SSL_free while another thread is inside SSL_write" {
	JUDGE_ARGS=(--no-tickets --timeout-ms 60000 --rcvbuf 4096 --read-pause-ms 20)
	sees_the_same write close
	sees_the_same write shutdown
	sees_the_same write free
}

# ends_in_time HOW VERDICT: the thread has left its call without returning from it; the peer sees the end all the same,
# while the program lives on.
ends_in_time() {
	local shim feed=$BATS_TEST_TMPDIR/feed
	mkfifo "$feed"
	exec 8<>"$feed" # it has no other end
	for shim in '' "$SHIM"; do
		start_judge --no-tickets --timeout-ms 60000 --connections "${3:-1}"
		LD_PRELOAD=$shim "$THREADS/abandoned_call" "$JUDGE_PORT" 1.3 10000 "$1" <"$feed" >/dev/null 3>&- &
		STARTED+=($!)
		judge_result >/dev/null
		run jq -sr '[.[].verdict] | unique | join(" ")' <(tail -n +2 "$JUDGE_OUT")
		[ -n "$shim" ] || assert_output truncated
	done
	exec 8>&-
	assert_output "$2"
}

@test "a reader that is cancelled, then close: the peer hears the end" {
	ends_in_time cancel closed
}

@test "a jump out of SSL_read, then close: the peer sees the end" {
	ends_in_time longjmp truncated
}

@test "a jump out of SSL_read does not spoil the next connection" {
	ends_in_time again 'closed truncated' 2
}

@test "the program's descriptors stay its own when a reader comes back from a closed socket" {
	local said
	JUDGE_ARGS=(--no-tickets --timeout-ms 60000)
	play '' 1.3 number_taken 10000
	said="$STATUS $SAID"
	play "$SHIM" 1.3 number_taken 10000
	assert_equal "$STATUS $SAID" "$said"
}

# cancelled WHERE VERDICT
cancelled() {
	local said
	JUDGE_ARGS=(--connections 2 --no-tickets --silent-end --timeout-ms 60000)
	play '' 1.3 cancelled 100 "$1"
	assert_equal "$ENDS" "2 $2"
	said="$STATUS $SAID"
	play "$SHIM" 1.3 cancelled 100 "$1"
	assert_equal "$STATUS $SAID" "$said"
	assert_equal "$ENDS" "2 $2"
}

@test "a thread that is cancelled in SSL_shutdown: the socket ends with its last descriptor" {
	cancelled reading 'closed 1'
	cancelled writing 'truncated 0'
}

@test "a thread that is cancelled in close(): the descriptor stays open, and the connection goes on" {
	cancelled closing 'closed 1'
	assert_regex "$SAID" '^cancelled 1, open 1'
}

@test "a thread that is cancelled while the goodbye is sent: it closes" {
	gcc -D_GNU_SOURCE -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/meanwhile.so" -ldl -lpthread <<-'END'
		#include <dlfcn.h>
		#include <pthread.h>
		int shutdown(int fd, int how) {
			int (*real)(int, int) = dlsym(RTLD_NEXT, "shutdown");
			pthread_cancel(pthread_self());
			return real(fd, how);
		}
	END
	JUDGE_ARGS=(--connections 2 --no-tickets --timeout-ms 60000)
	play "$SHIM:$BATS_TEST_TMPDIR/meanwhile.so" 1.3 cancelled 100 meanwhile
	assert_equal "$ENDS" '2 closed 1'
	assert_equal "$SAID" "$(printf 'cancelled 0, open 0\n%.0s' 1 2)"
}

@test "a thread that is cancelled while close() waits for the peer (SO_LINGER) waits no longer" {
	local library
	for library in '' "$SHIM"; do
		start_judge --tls 1.3 --connections 2 --no-tickets --never-read --rcvbuf 4096 --timeout-ms 60000
		LD_PRELOAD=$library run timeout -k 10 60 "$THREADS/cancelled" "$JUDGE_PORT" 1.3 20000 waiting
		stop "$JUDGE_PID"
		assert_success
		assert_output "$(printf 'waits no longer\n%.0s' 1 2)"
	done
}

# --- the number is somebody else's ---

# foreign: how many rounds' bytes came out at the other end of the socketpair.
foreign() {
	sed -nE 's/.*number taken 20{2,3}, foreign bytes //p' <<<"$SAID" | grep .
}

@test "close, the number is reused, then SSL_shutdown: nothing is written to its new owner" {
	JUDGE_ARGS=(--connections 200 --no-tickets --timeout-ms 600000)
	play '' 1.3 reuse_race 100 200 shutdown first
	assert_equal "$(foreign)" 200
	play "$SHIM" 1.3 reuse_race 100 200 shutdown first
	assert_equal "$(foreign) $ENDS" '0 200 closed 1'
	play "$SHIM" 1.3 reuse_race 100 200 shutdown raw_first
	assert_equal "$(foreign) $ENDS" '0 200 truncated 0'
	play "$SHIM" 1.3 reuse_race 100 200 free raw_first
	assert_equal "$(foreign) $ENDS" '0 200 truncated 0'
}

@test "the same as a race: SSL_shutdown in one thread, close and reuse in another" {
	JUDGE_ARGS=(--connections 2000 --no-tickets --timeout-ms 600000)
	play '' 1.3 reuse_race 100 2000 shutdown raw
	assert [ "$(foreign)" -gt 0 ]
	play "$SHIM" 1.3 reuse_race 100 2000 shutdown raw
	assert_equal "$(foreign)" 0
	play "$SHIM" 1.3 reuse_race 100 2000 shutdown close
	assert_equal "$(foreign)" 0
}

@test "the same as a race: SSL_free in one thread, close and reuse in another" {
	JUDGE_ARGS=(--connections 2000 --no-tickets --timeout-ms 600000)
	play '' 1.3 reuse_race 100 2000 free close
	assert_equal "$(foreign)" 0
	play "$SHIM" 1.3 reuse_race 100 2000 free close
	assert_equal "$(foreign) $ENDS" '0 2000 closed 1'
	play "$SHIM" 1.3 reuse_race 100 2000 free raw
	assert_equal "$(foreign)" 0
	refute_regex "$ENDS" unclean
}

@test "fork in one thread, SSL_free in another: the child has no descriptor that it does not know of" {
	local shim
	JUDGE_ARGS=(--connections 300 --no-tickets --timeout-ms 600000)
	for shim in '' "$SHIM"; do
		play "$shim" 1.3 forks_meanwhile 100 300
		assert_equal "$STATUS $SAID" '0 strangers 0'
	done
}
