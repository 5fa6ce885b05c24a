#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Not a byte lost: what the program wrote arrives although it closed at once, with input unread and a slow reader. Each
# case runs without the library first, where bytes are lost or the end is not told, then with it: all bytes by count
# and hash, one close_notify, FIN. And the socket that outlives its close can't be noticed, nor hold anything for ever.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	THREADS=$BUILD/tests/threads
	JUDGE_ARGS=()
}

# play SHIM TLS PROGRAM ARGS...: one run of a client against a judge with JUDGE_ARGS. Sets RESULT (the judge's last
# line), STATUS and SAID (the program's output).
play() {
	local shim=$1 tls=$2 program=$THREADS/$3
	shift 3
	STATUS=0
	start_judge --tls "$tls" "${JUDGE_ARGS[@]}"
	SAID=$(LD_PRELOAD=$shim timeout 300 "$program" "$JUDGE_PORT" "$tls" "$@" 2>&1) || STATUS=$?
	case " ${JUDGE_ARGS[*]} " in # these would go on like that
	*' --never-read '* | *' --linger-open-ms '*) kill -USR1 "$JUDGE_PID" 2>/dev/null || true ;;
	esac
	judge_result >/dev/null
	RESULT=$(tail -n 1 "$JUDGE_OUT")
	echo "${program##*/} $*, TLS $tls, judge ${JUDGE_ARGS[*]}, ${shim:-without}: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ] # 99: it went wrong before the sin
}

# A judge with JUDGE_ARGS, and no program yet.
start_peer() {
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
}

# letters N: the hash of what the programs write.
letters() {
	yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c "$1" | sha256sum | cut -d ' ' -f 1
}

arrived() {
	assert_equal "$(field '|[.verdict, .close_notify, .bytes, .sha256] | join(" ")' "$RESULT")" \
		"closed 1 $1 $(letters "$1")"
}

# sizes HOW: one way to end, for all sizes, both versions, both kinds of sockets, with and without unread input.
sizes() {
	local how=$1 tls size mode unread lossy=0 said
	for size in 1000 300000 3000000; do
		for tls in 1.2 1.3; do
			for mode in blocking nonblocking; do
				for unread in 0 10000; do
					JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096)
					[ "$size" -lt 3000000 ] || JUDGE_ARGS=(--read-pause-ms 1)
					[ "$unread" -eq 0 ] || JUDGE_ARGS+=(--send "$unread")
					[ "$tls" = 1.3 ] || JUDGE_ARGS+=(--no-tickets)
					play '' "$tls" ends_with_bytes "$size" "$how" "$mode" "$unread"
					[ "$STATUS" -eq 0 ]
					said=$SAID
					[ "$(verdict_of "$RESULT")" = closed ] || lossy=$((lossy + 1))
					if [ "$how" = shutdown_close ]; then
						[ "$size$tls" = 10001.2 ] || [ "$unread" -eq 0 ] || refute_closed
					else
						refute_closed
					fi
					play "$SHIM" "$tls" ends_with_bytes "$size" "$how" "$mode" "$unread"
					arrived "$size"
					assert_equal "$STATUS $SAID" "0 $said"
				done
			done
		done
	done
	[ "$lossy" -gt 8 ]
}

refute_closed() {
	assert_not_equal "$(verdict_of "$RESULT")" closed
}

@test "close: every byte, then the goodbye" {
	sizes close
}

@test "SSL_free, close: every byte, then the goodbye" {
	sizes free_close
}

@test "SSL_shutdown, close: a proper end is not lost to RST" {
	sizes shutdown_close
}

@test "shutdown(SHUT_WR), close: every byte, then the goodbye" {
	sizes shut_wr_close
}

@test "SSL_free, shutdown(SHUT_RDWR), close: every byte, then the goodbye" {
	sizes free_shut_rdwr_close
}

@test "exit 0: every byte, then the goodbye" {
	sizes exit
}

@test "_exit 0: every byte, then the goodbye" {
	sizes _exit
}

# --- what the program does meanwhile ---

# meanwhile WHAT: WHAT changes nothing for the bytes, nor they for it.
meanwhile() {
	local said
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096 "${@:2}")
	play '' 1.3 while_lingering 300000 "$1"
	assert_equal "$(verdict_of "$RESULT")" reset
	said="$STATUS $SAID"
	play "$SHIM" 1.3 while_lingering 300000 "$1"
	assert_equal "$STATUS $SAID" "$said"
	arrived 300000
	! tail -n +2 "$JUDGE_OUT" | grep -v '"verdict":"closed"'
}

@test "fork while a socket lingers" {
	meanwhile fork
}

@test "fork while a socket lingers, and the child's lingers too" {
	meanwhile fork_lingers --connections 2
}

@test "closefrom(3) while a socket lingers" {
	meanwhile closefrom
}

@test "the program's descriptors are the same while a socket lingers" {
	meanwhile descriptors
	assert_output_has 'descriptors 0'
}

assert_output_has() {
	assert_regex "$SAID" "$1"
}

@test "an epoll set of the program does not report a socket that lingers" {
	meanwhile pollers
	assert_output_has 'before close 4 of 4'
	assert_output_has 'after close 0'
}

@test "nor does one that has the socket by a number which was closed before another" {
	local what
	for what in poller_by_first poller_by_copy; do
		meanwhile "$what"
		assert_output_has 'before close 1 of 1'
		assert_output_has 'after close 0'
	done
}

@test "no SIGIO comes from a socket that lingers" {
	meanwhile sigio --send 50000000
}

@test "nor SIGURG" {
	local shim
	JUDGE_ARGS=(--no-tickets)
	for shim in '' "$SHIM"; do
		play "$shim" 1.3 urgent_while_lingering 150000
		assert_output_has 'SIGURG 0$'
	done
	arrived 150000
}

@test "SO_LINGER: close waits until the peer has all" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096 --no-tickets)
	play '' 1.3 while_lingering 300000 waits
	assert_equal "$STATUS $SAID" $'0 close(r.fd) = 0 errno 0 queue 0\nunacknowledged: none'
	refute_closed
	play "$SHIM" 1.3 while_lingering 300000 waits
	assert_equal "$STATUS $SAID" $'0 close(r.fd) = 0 errno 0 queue 0\nunacknowledged: none'
	arrived 300000
}

@test "SO_LINGER: a signal ends the wait, and the background never waits" {
	local shim
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --no-tickets --timeout-ms 50000)
	for shim in '' "$SHIM"; do
		start_peer
		SAID=$(CLOSENOTIFY_LINGER_MS=200 LD_PRELOAD=$shim timeout 20 \
			"$THREADS/while_lingering" "$JUDGE_PORT" 1.3 20000 waits_until_signal)
		assert_equal "$SAID" $'close(r.fd) = 0 errno 0 queue 0\nunacknowledged: some'
		kill "$JUDGE_PID"
	done
}

@test "SO_LINGER: close does not wait where it would have reset, with input unread" {
	local shim
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --send 1000 --timeout-ms 50000)
	for shim in '' "$SHIM"; do
		start_peer
		SAID=$(CLOSENOTIFY_LINGER_MS=60000 CLOSENOTIFY_TIMEOUT_MS=1000 LD_PRELOAD=$shim timeout 20 \
			"$THREADS/while_lingering" "$JUDGE_PORT" 1.3 20000 waits_unread)
		assert_regex "$SAID" '^close\(r.fd\) = 0 errno 0 queue 0'
		kill "$JUDGE_PID" 2>/dev/null || true # it may have met RST
	done
}

@test "a seccomp filter for all threads binds none of the library's: it might kill for what that does" {
	local shim
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096)
	for shim in '' "$SHIM"; do
		play "$shim" 1.3 while_lingering 300000 under_filter
		assert_equal "$STATUS" 0
		assert_output_has 'program\) = 0 errno 0'
		assert_output_has 'threads 1$'
	done
}

@test "with no descriptor left" {
	meanwhile last_three
}

@test "with fewer descriptors than the background has: exit does not wait for what it could not take" {
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096 --connections 2)
	CLOSENOTIFY_LINGER_MS=600000 CLOSENOTIFY_TIMEOUT_MS=600000 play "$SHIM" 1.3 while_lingering 300000 few_numbers
	assert_equal "$STATUS" 0
}

@test "where no thread may be started: close waits in place" {
	meanwhile no_threads
}

@test "where no thread may be started, at exit: a non-blocking socket is waited for as well" {
	meanwhile no_threads_exit
}

@test "in a thread with a stack of 32 KB" {
	meanwhile small_stack
	assert_output_has 'below the stack: as before'
}

@test "pthread_exit in main: what stdio holds is written when the process ends" {
	meanwhile pthread_exit
	assert_output_has 'the last word'
}

@test "eight threads close at once: nobody's socket is lost while the first starts the background" {
	local round
	JUDGE_ARGS=(--connections 8 --read-pause-ms 1 --rcvbuf 4096)
	play '' 1.3 close_together 100000 8
	assert_equal "$(grep -c '"verdict":"closed"' "$JUDGE_OUT")" 0
	for round in 1 2 3 4 5 6 7 8 9 10; do
		play "$SHIM" 1.3 close_together 100000 8
		assert_equal "$(grep -c '"bytes":100000.*"verdict":"closed"' "$JUDGE_OUT")" 8
	done
}

@test "two thousand lingering sockets: one thread, no descriptor, and both go" {
	JUDGE_ARGS=(--connections 2000 --rcvbuf 4096 --read-pause-ms 20 --timeout-ms 100000)
	ulimit -n 4096 || skip 'not so many descriptors here'
	play "$SHIM" 1.3 many_linger 40000 2000
	assert_equal "$STATUS $SAID" $'0 descriptors 0\nthreads 1'
	assert_equal "$(grep -c '"bytes":40000.*"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2000
}

@test "when all is acknowledged before the goodbye, nothing is left to linger for" {
	local how
	JUDGE_ARGS=(--connections 40 --no-tickets)
	for how in free_close close_free shutdown_close; do
		play '' 1.3 flushed_ends 1000 40 "$how"
		assert_equal "$STATUS $SAID" '0 threads 0'
		play "$SHIM" 1.3 flushed_ends 1000 40 "$how"
		assert_equal "$STATUS $SAID" '0 threads 0'
		assert_equal "$(grep -c '"bytes":1000.*"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 40
	done
}

# --- peers that do not help ---

# bounded HOW: the peer never reads. Without the library the program ends at once; with it, when the bound has passed.
bounded() {
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	play '' 1.3 ends_with_bytes 150000 "$1" "$2" 0 212992
	assert_equal "$STATUS" 0
	CLOSENOTIFY_LINGER_MS=200 CLOSENOTIFY_TIMEOUT_MS=1000 \
		play "$SHIM" 1.3 ends_with_bytes 150000 "$1" "$2" 0 212992
	assert_equal "$STATUS" 0
	assert_equal "$(field close_notify "$RESULT")" 0
}

@test "a peer that never reads holds exit no longer than the bound" {
	bounded close blocking
	bounded close nonblocking
	bounded exit blocking
	bounded _exit nonblocking
}

@test "where no thread may be started, a peer that never reads holds close no longer than the bound" {
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	CLOSENOTIFY_LINGER_MS=200 CLOSENOTIFY_TIMEOUT_MS=1000 play "$SHIM" 1.3 while_lingering 20000 no_threads
	assert_equal "$STATUS" 0
}

RESETS=(--never-read --rcvbuf 4096 --first rst --first-after 1000000 --timeout-ms 60000) # when it is told to

@test "a peer that resets is waited for no longer" {
	JUDGE_ARGS=("${RESETS[@]}")
	CLOSENOTIFY_LINGER_MS=600000 CLOSENOTIFY_TIMEOUT_MS=600000 \
		play "$SHIM" 1.3 ends_with_bytes 150000 close nonblocking 0 212992 now
	assert_equal "$STATUS $(field end "$RESULT")" '0 open' # the judge's own
}

@test "a peer that goes on sending is heard out and thrown away" {
	JUDGE_ARGS=(--send 50000000 --read-pause-ms 1)
	play '' 1.3 ends_with_bytes 300000 close nonblocking 50000
	assert_equal "$(verdict_of "$RESULT")" reset
	play "$SHIM" 1.3 ends_with_bytes 300000 close nonblocking 50000
	assert_equal "$STATUS" 0
	assert_equal "$(field '|[.bytes, .sha256, .order[-2:]]' "$RESULT")" \
		"[300000,\"$(letters 300000)\",[\"close_notify\",\"fin\"]]"
}

# start_program BOUNDS PROGRAM ARGS...: against the judge last started, in the background; sets PROGRAM_PID.
start_program() {
	env "LD_PRELOAD=$SHIM" "CLOSENOTIFY_LINGER_MS=${1% *}" "CLOSENOTIFY_TIMEOUT_MS=${1#* }" \
		"$THREADS/$2" "$JUDGE_PORT" 1.3 "${@:3}" >"$BATS_TEST_TMPDIR/said" 3>&- &
	PROGRAM_PID=$!
	STARTED+=("$PROGRAM_PID")
}

# waits_in WCHAN: until the program has come to where it waits for its peer; fails if it ends instead.
waits_in() {
	until grep -q "$1" "/proc/$PROGRAM_PID/wchan"; do
		kill -0 "$PROGRAM_PID"
		sleep 0.01
	done
}

# gives_up BOUNDS ARGS...: with bounds that do not pass the program waits for a peer with JUDGE_ARGS; with BOUNDS (idle,
# total) it ends, and the peer did not end first.
gives_up() {
	start_peer
	start_program '600000 600000' "${@:2}"
	waits_in futex
	kill "$PROGRAM_PID" "$JUDGE_PID"
	start_peer
	start_program "$1" "${@:2}"
	wait "$PROGRAM_PID"
	refute_regex "$(cat "$JUDGE_OUT")" '"verdict":"(timeout|open|closed)"' # it has heard RST by now, or goes on
}

@test "a peer that sends for ever and reads nothing is given up when nothing is acknowledged" {
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --send 100000000000 --timeout-ms 60000)
	gives_up '300 600000' ends_with_bytes 150000 close nonblocking 10000 212992
}

@test "a peer that takes a little at a time is given up in the end" {
	JUDGE_ARGS=(--read-pause-ms 100 --rcvbuf 4096 --timeout-ms 60000)
	gives_up '600000 1000' ends_with_bytes 200000 close nonblocking 0 212992
}

# At exit the program's own descriptors stay open: what comes from a peer that is done with goes on coming.
@test "a peer that was given up wakes nobody while exit waits for another" {
	local other other_pid
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	start_peer
	other=$JUDGE_PORT other_pid=$JUDGE_PID
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096)
	start_peer
	CLOSENOTIFY_LINGER_MS=1000 timeout 60 strace -f -e trace=epoll_wait,epoll_pwait -o "$BATS_TEST_TMPDIR/trace" \
		-E LD_PRELOAD="$SHIM" "$THREADS/exits_with_two" "$JUDGE_PORT" 1.3 30000 "$other"
	RESULT=$(judge_result)
	arrived 30000
	kill "$other_pid"
	# Some ten looks, with pauses twice as long each time.
	assert [ "$(grep -c 'epoll_p\?wait(' "$BATS_TEST_TMPDIR/trace")" -gt 3 ]
	assert [ "$(grep -c 'epoll_p\?wait(' "$BATS_TEST_TMPDIR/trace")" -lt 200 ]
}

# --- what is told of it ---

# afterwards WHAT ARGS...: what the log says of a lingering socket in the end, and whether bytes were left.
afterwards() {
	local log=$BATS_TEST_TMPDIR/after
	rm -f "$log"
	CLOSENOTIFY_LOG=json:$log CLOSENOTIFY_LEVEL=calls play "$SHIM" 1.3 ends_with_bytes "${@:2}"
	assert_equal "$(jq -r 'select(.event == "after") | "\(.ended_by) \(.unacknowledged > 0)"' "$log")" "$1"
	assert_equal "$(jq -r 'select(.event == "after") | .id' "$log")" "$(jq -r 'select(.event == "end") | .id' "$log")"
	run "$PROJECT/tests/validate" "$log"
	assert_success
}

@test "the log says what became of a socket that lingered" {
	JUDGE_ARGS=(--read-pause-ms 1 --silent-end --linger-open-ms 60000)
	afterwards 'acknowledged false' 300000 close nonblocking
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	CLOSENOTIFY_LINGER_MS=200 afterwards 'idle true' 150000 close nonblocking 0 212992
	CLOSENOTIFY_LINGER_MS=200 afterwards 'idle true' 150000 exit blocking 0 212992
	CLOSENOTIFY_TIMEOUT_MS=1000 afterwards 'exit true' 150000 exit blocking 0 212992
	JUDGE_ARGS=("${RESETS[@]}")
	afterwards 'reset true' 150000 close nonblocking 0 212992 now
}

@test "SIGTERM ends a program that waits at exit" {
	local tries
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 20000)
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	CLOSENOTIFY_LINGER_MS=600000 CLOSENOTIFY_TIMEOUT_MS=600000 LD_PRELOAD=$SHIM \
		"$THREADS/ends_with_bytes" "$JUDGE_PORT" 1.3 150000 close blocking 0 212992 \
		>"$BATS_TEST_TMPDIR/said" 3>&- &
	STARTED+=($!)
	until grep -q . "$BATS_TEST_TMPDIR/said" && grep -q futex "/proc/$!/wchan"; do
		kill -0 "$!"
		sleep 0.01
	done
	kill -TERM "$!"
	wait "$!" || STATUS=$?
	assert_equal "$STATUS" 143
}

@test "SIGTERM ends a program that waits in place" {
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	start_program '600000 600000' while_lingering 20000 no_threads
	waits_in poll
	kill -TERM "$PROGRAM_PID"
	wait "$PROGRAM_PID" || STATUS=$?
	assert_equal "$STATUS" 143
}

# --- what did not fit ---

@test "a record that is half out when the program closes is completed, and a goodbye follows" {
	local tls size taken
	JUDGE_ARGS=(--read-pause-ms 20 --rcvbuf 4096)
	for tls in 1.2 1.3; do
		for size in 100 1000 10000 16384; do
			play '' "$tls" half_write "$size"
			refute_closed
			play "$SHIM" "$tls" half_write "$size"
			taken=$(tail -n 1 <<<"$SAID")
			arrived $((taken + size))
		done
	done
}

@test "an unfinished write of more than a record stays visibly truncated, without a forged byte" {
	local tls size got
	JUDGE_ARGS=(--read-pause-ms 20 --rcvbuf 4096)
	for tls in 1.2 1.3; do
		for size in 16385 20000 32768 50000 100000; do
			play "$SHIM" "$tls" half_write "$size"
			assert_equal "$(verdict_of "$RESULT")" truncated
			got=$(field bytes "$RESULT")
			[ "$got" -lt $((SAID + size)) ]
			assert_equal "$(field sha256 "$RESULT")" "$(letters "$got")"
		done
	done
}

@test "a send buffer that can't be widened: what does not fit of the goodbye follows when the peer has read" {
	local tls how
	JUDGE_ARGS=(--read-pause-ms 1)
	for tls in 1.2 1.3; do
		for how in close free_close free_wait_close; do
			play '' "$tls" half_write 10000 "$how" 212992
			refute_closed
			play "$SHIM" "$tls" half_write 10000 "$how" 212992
			arrived $((SAID + 10000))
			assert_equal "$STATUS" 0
		done
	done
}
