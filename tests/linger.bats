#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Not a byte lost: what the program wrote arrives although it closed at once, with input unread and a slow reader, and was
# gone right after. Each case runs without the library first, where bytes are lost or the end is not told, then with it:
# all bytes by count and hash, one close_notify, FIN. And the program never waits for that.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

# Where the kernel refuses the filter the background delivers, while the program lives: so it does until that is done.
setup_file() {
	make_certs
	export ALONE=
	may_filter || ALONE=alone
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
	SAID=$(LD_PRELOAD=$shim timeout -k 10 300 "$program" "$JUDGE_PORT" "$tls" "$@" 2>&1) || STATUS=$?
	case " ${JUDGE_ARGS[*]} " in # these would go on like that
	*' --never-read '* | *' --linger-open-ms '*) ! is_ours "$JUDGE_PID" || kill -USR1 "$JUDGE_PID" 2>/dev/null || true ;;
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
	local how=$1 tls size mode unread lossy=0 said alone
	read -ra alone <<<"${ALONE:+0 $ALONE}"
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
					play "$SHIM" "$tls" ends_with_bytes "$size" "$how" "$mode" "$unread" "${alone[@]}"
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
	needs_filter
	sizes free_shut_rdwr_close
}

@test "exit 0: every byte, then the goodbye" {
	needs_filter
	sizes exit
}

@test "_exit 0: every byte, then the goodbye" {
	needs_filter
	sizes _exit
}

# --- what the program does while the background has its socket ---

# meanwhile WHAT [JUDGE-ARG...]: a rude server, whose client might still be sending. WHAT changes nothing for the bytes, nor they for it.
meanwhile() {
	local shim said
	for shim in '' "$SHIM"; do
		serves "$shim" while_lingering 300000 "$1" ${shim:+$ALONE}
		STATUS=0
		RESULT=$("$JUDGE" client --port "$PORT" --read-pause-ms 1 --rcvbuf 4096 "${@:2}")
		wait "$SERVER" || STATUS=$?
		SAID=$(tail -n +2 "$LOG.said")
		echo "$1, ${shim:-without}: status $STATUS $RESULT $SAID"
		[ "$shim" ] || { refute_closed; said="$STATUS $SAID"; }
	done
	assert_equal "$STATUS $SAID" "$said"
	assert_equal "$(told | head -n 1)" background
	arrived 300000
}

@test "fork while a socket lingers" {
	meanwhile fork
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

@test "a seccomp filter for all threads binds none of the library's: it might kill for what that does" {
	meanwhile under_filter
	assert_output_has 'threads 1$'
}

@test "pthread_exit in main: what stdio holds is written when the process ends, not by the background" {
	meanwhile pthread_exit
	assert_output_has 'the last word'
}

# --- and while the kernel has it ---

# kernel_has WHAT: the same of a client.
kernel_has() {
	local said
	JUDGE_ARGS=(--read-pause-ms 1 --rcvbuf 4096 "${@:2}")
	play '' 1.3 while_lingering 300000 "$1"
	assert_equal "$(verdict_of "$RESULT")" reset
	said="$STATUS $SAID"
	play "$SHIM" 1.3 while_lingering 300000 "$1" ${ALONE:+"$ALONE"}
	assert_equal "$STATUS $SAID" "$said"
	arrived 300000
	! tail -n +2 "$JUDGE_OUT" | grep -v '"verdict":"closed"'
}

@test "fork, and the child closes a connection too" {
	kernel_has fork_lingers --connections 2
}

@test "with no descriptor left" {
	needs_filter # the way to the background takes one
	kernel_has last_three
}

@test "in a thread with a stack of 32 KB" {
	kernel_has small_stack
	assert_output_has 'below the stack: as before'
}

@test "SIGURG" {
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

@test "SO_LINGER: a signal ends the wait" {
	local shim
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --no-tickets --timeout-ms 50000)
	for shim in '' "$SHIM"; do
		start_peer
		SAID=$(LD_PRELOAD=$shim timeout -k 10 60 "$THREADS/while_lingering" "$JUDGE_PORT" 1.3 20000 waits_until_signal)
		assert_equal "$SAID" $'close(r.fd) = 0 errno 0 queue 0\nunacknowledged: some'
		stop "$JUDGE_PID"
	done
}

@test "eight threads close at once: nobody's socket is lost" {
	local round
	JUDGE_ARGS=(--connections 8 --read-pause-ms 1 --rcvbuf 4096)
	play '' 1.3 close_together 100000 8
	assert_equal "$(grep -c '"verdict":"closed"' "$JUDGE_OUT")" 0
	for round in 1 2 3 4 5 6 7 8 9 10; do
		play "$SHIM" 1.3 close_together 100000 8 ${ALONE:+"$ALONE"}
		assert_equal "$(grep -c '"bytes":100000.*"verdict":"closed"' "$JUDGE_OUT")" 8
	done
}

@test "two thousand sockets at once: no thread, no descriptor" {
	[ ! "$ALONE" ] || export CLOSENOTIFY_LINGER_MS=600000 CLOSENOTIFY_TIMEOUT_MS=600000 # one thread, however slow it all is
	JUDGE_ARGS=(--connections 2000 --rcvbuf 4096 --read-pause-ms 20 --timeout-ms 600000)
	ulimit -n 4096 || skip 'not so many descriptors here'
	play "$SHIM" 1.3 many_linger 40000 2000
	assert_equal "$STATUS $SAID" $'0 descriptors 0\nthreads '$((${#ALONE} > 0))
	assert_equal "$(grep -c '"bytes":40000.*"close_notify":1.*"verdict":"closed"' "$JUDGE_OUT")" 2000
}

@test "when all is acknowledged before the goodbye, nothing is done at all" {
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

# --- gone right after ---

# What the peer still sends while the program is gone, each of which makes the kernel reset: a record when it has read some, that
# record and FIN, or more than it reads itself.
LATE=('--first close_notify --first-after 300000' '--first both --first-after 300000' '--send 3000000 --send-when request')
SIZE=1000000
REFUSED=nothing # confine's word for what is denied to the program

# parts SHIM TLS ARGS...: parts_with_bytes, which may be killed.
parts() {
	local shim=$1 tls=$2 said=$BATS_TEST_TMPDIR/parts
	shift 2
	STATUS=0
	start_judge --tls "$tls" "${JUDGE_ARGS[@]}"
	(LIBRARY=$shim exec "$BUILD/tests/confine" "$REFUSED" "$THREADS/parts_with_bytes" "$JUDGE_PORT" "$tls" "$@") \
		>"$said" 2>&1 </dev/null 3>&- || STATUS=$?
	RESULT=$(judge_result)
	echo "parts_with_bytes $*, TLS $tls, judge ${JUDGE_ARGS[*]}, ${shim:-without}: status $STATUS $RESULT $(cat "$said")"
	[ "$STATUS" -ne 99 ]
}

# gone STATUS TLS ARGS...: less than all arrives without the library, all with it, whatever comes late; the program ends as before.
gone() {
	local late pause status=$1 tls=$2
	shift 2
	for late in "${LATE[@]}"; do
		read -ra late <<<"$late"
		# The program is to be gone before all is read: the slower it is, the slower the judge.
		pause=1
		while :; do
			JUDGE_ARGS=(--read-pause-ms "$pause" --timeout-ms 60000 "${FAMILY[@]/#/--}" "${late[@]}")
			parts '' "$tls" "$SIZE" "$@" "${FAMILY[@]}"
			assert_equal "$STATUS" "$status"
			[ "$(field bytes "$RESULT")" -ge "$SIZE" ] || break
			pause=$((pause * 4))
			[ $pause -lt 1000 ]
		done
		parts "$SHIM" "$tls" "$SIZE" "$@" "${FAMILY[@]}"
		assert_equal "$STATUS" "$status"
		arrived "$SIZE"
	done
}

@test "close, then SIGKILL" {
	needs_filter
	FAMILY=()
	gone 137 1.3 close killed
	gone 137 1.2 close killed
}

@test "close, then exec" {
	needs_filter
	FAMILY=()
	gone 0 1.3 close exec
	gone 0 1.2 free+close exec
}

@test "close, then exit; and exit without close" {
	needs_filter
	FAMILY=()
	gone 0 1.3 close exits
	gone 0 1.3 leave exits
	gone 0 1.2 leave _exits
}

@test "over IPv6: close, then SIGKILL, exec or exit" {
	needs_filter
	needs_ipv6
	FAMILY=(ipv6)
	gone 137 1.3 free+close killed
	gone 0 1.3 close exec
	gone 0 1.3 free exits
}

@test "exit, and a crash in an atexit handler from before TLS" {
	needs_filter
	FAMILY=()
	gone 139 1.3 leave crashes
}

@test "SSL_shutdown, then close: the program's own goodbye arrives, though it is killed" {
	needs_filter
	FAMILY=()
	gone 137 1.3 say+close killed
}

@test "shutdown(SHUT_RDWR) before SSL_free, after it, and after SSL_shutdown" {
	needs_filter
	local gone
	FAMILY=()
	for gone in exits killed; do
		for order in shut_rdwr+free+close free+shut_rdwr+close say+shut_rdwr+close; do
			gone "$([ $gone = exits ] && echo 0 || echo 137)" 1.3 $order $gone
		done
	done
}

@test "shutdown(SHUT_RDWR), and the same socket is connected again: the filter is off" {
	local order shim
	for order in free+shut_rdwr say+free+shut_rdwr; do
		for shim in '' "$SHIM"; do
			JUDGE_ARGS=(--connections 2 --rcvbuf 4096 --no-tickets --timeout-ms 60000)
			parts "$shim" 1.3 "$SIZE" "$order+again+say+free+close" exits
			assert_equal "$STATUS" 0
			RESULT=$(judge_result 2)
			arrived "$SIZE"
		done
	done
}

@test "shutdown(SHUT_RDWR) still wakes a thread that sleeps in recv()" {
	JUDGE_ARGS=(--read-pause-ms 1 --timeout-ms 60000 --no-tickets)
	parts "$SHIM" 1.3 "$SIZE" reads+shut_rdwr+woken+free+close exits
	assert_equal "$STATUS" 0
	assert_equal "$(field bytes "$RESULT")" "$SIZE"
}

# waits REFUSED N ORDER GONE: the calls that wait which the program makes under the library, and what is amiss with it. What the
# background does is its own, but for the moment in which it starts (1073741824: STARTING): that depends on no peer.
waits() {
	local trace=$BATS_TEST_TMPDIR/trace follow=(-f)
	[ ! "$ALONE" ] || follow=()
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	timeout 60 strace "${follow[@]}" -qq -o "$trace" -E LIBRARY="$SHIM" \
		-e trace=connect,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,futex,nanosleep,clock_nanosleep,pause,sched_yield \
		-e signal=none "$BUILD/tests/confine" "$1" "$THREADS/parts_with_bytes" "$JUDGE_PORT" 1.3 "${@:2}" </dev/null ||
		echo "status $?"
	stop "$JUDGE_PID" # it may have been reset
	grep -q 'connect(' "$trace" || echo 'it has no connection'
	grep -v -e FUTEX_WAKE -e 'connect(' "$trace" | { [ ! "$ALONE" ] && cat || grep -v 'FUTEX_WAIT_PRIVATE, 1073741824, {tv_sec=1,'; } || true
}

@test "neither close nor exit waits for a peer that never reads, whatever is denied to the program" {
	local refused order
	for refused in nothing no_unix no_threads no_close_range no_pidfd; do
		for order in close leave free say+close free+shut_rdwr+close; do
			run waits "$refused" 20000 "$order" exits
			assert_success
			assert_output ''
		done
	done
}

# told: what the log says of the delivery.
told() {
	jq -r 'select(.event == "end") | .delivery' "$LOG"
}

@test "a kernel that refuses the filter: no wait, what lives on delivers in the background, what does not says so" {
	local LOG=$BATS_TEST_TMPDIR/log
	export CLOSENOTIFY_LOG=json:$LOG
	local pause=10
	FAMILY=()
	JUDGE_ARGS=(--timeout-ms 60000 --first close_notify --first-after 300000 --read-pause-ms "$pause")
	if [ ! "$ALONE" ]; then
		parts "$SHIM" 1.3 "$SIZE" close killed
		arrived "$SIZE"
		assert_equal "$(told)" kernel
		rm "$LOG"
		REFUSED=no_filter
	fi
	# As in gone: the slower the program, the slower the judge.
	until parts "$SHIM" 1.3 "$SIZE" leave exits; [ "$(field bytes "$RESULT")" -lt "$SIZE" ]; do
		rm "$LOG"
		pause=$((pause * 4))
		JUDGE_ARGS[-1]=$pause
		[ $pause -lt 1000 ]
	done
	assert_equal "$STATUS $(told)" '0 unguarded'
	rm "$LOG"
	parts "$SHIM" 1.3 "$SIZE" close alone
	arrived "$SIZE"
	assert_equal "$STATUS $(told)" '0 background'
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

@test "Multipath TCP, whose sockets take no filter, is delivered in the background" {
	local LOG=$BATS_TEST_TMPDIR/log
	[ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null)" = 1 ] || skip 'no Multipath TCP here'
	JUDGE_ARGS=(--mptcp --read-pause-ms 1 --timeout-ms 60000 --first close_notify --first-after 300000)
	# Without the library all may arrive: that kernel does not always reset.
	CLOSENOTIFY_LOG=json:$LOG parts "$SHIM" 1.3 "$SIZE" close alone mptcp
	arrived "$SIZE"
	# Of what lies above its first subflow, which may have nothing to do, TCP_INFO does not tell.
	assert_regex "$STATUS $(told)" '^0 (background|null)$'
}

# filters PROGRAM ARGS...: how many filters the library has set, in a program that succeeds.
filters() {
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=setsockopt -E LD_PRELOAD="$SHIM" "$1" "$JUDGE_PORT" 1.3 "${@:2}" >&2 ||
		echo "status $?"
	stop "$JUDGE_PID"
	grep -c SO_ATTACH_FILTER "$BATS_TEST_TMPDIR/trace" || true
}

@test "a filter is set only where the program was the last to hold the socket, and bytes were at risk" {
	local program
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000 --no-tickets)
	for program in close_only shutdown_rdwr_then_close; do # what was refused is tried again
		assert_regex "$program $(filters "$RUDE/$program" 20000)" "^$program [1${ALONE:+-4}]\$"
	done
	for program in handed_over quiet_close; do
		assert_equal "$program $(filters "$RUDE/$program" 20000)" "$program 0"
	done
	assert_equal "$(filters "$THREADS/parts_with_bytes" 20000 abort+free+close exits)" 0
	JUDGE_ARGS=(--no-tickets --silent-end)
	assert_equal "$(filters "$THREADS/flushed_ends" 1000 1 free_close)" 0
}

@test "CLOSENOTIFY_TIMEOUT_MS bounds what the kernel delivers as well" {
	needs_filter
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --timeout-ms 60000)
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	run strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=setsockopt -E LD_PRELOAD="$SHIM" -E CLOSENOTIFY_TIMEOUT_MS=1234 \
		"$THREADS/parts_with_bytes" "$JUDGE_PORT" 1.3 20000 close exits
	grep -q 'TCP_USER_TIMEOUT, \[1234\]' "$BATS_TEST_TMPDIR/trace"
	stop "$JUDGE_PID"
}

@test "while one thread waits in close(), another does not" {
	local shim
	JUDGE_ARGS=(--never-read --rcvbuf 4096 --no-tickets --timeout-ms 60000)
	for shim in '' "$SHIM"; do
		play "$shim" 1.3 while_lingering 20000 frees
		assert_equal "$STATUS $SAID" '0 freed while another thread waits in close'
	done
}

@test "a handler that jumps out of the goodbye: exit in another thread does not wait for it for ever" {
	JUDGE_ARGS=(--no-tickets)
	start_judge --tls 1.3 "${JUDGE_ARGS[@]}"
	# The library's is the only sendto: OpenSSL writes.
	run timeout -k 10 60 strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=sendto -e inject=sendto:signal=USR1:when=1 \
		-E LD_PRELOAD="$SHIM" "$THREADS/jumps_out_of_close" "$JUDGE_PORT" 1.3 1000
	assert_success
	assert_output jumped
}

# --- the background: a client that is still sending ---

# serves SHIM PROGRAM ARGS...: as a TLS 1.3 server, with a log; sets PORT, SERVER and LOG.
serves() {
	local word=
	LOG=$BATS_TEST_TMPDIR/log
	rm -f "$LOG" "$LOG.said"
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$1 "$THREADS/$2" 0 1.3 "${@:3}" >"$LOG.said" 2>&1 3>&- </dev/null &
	SERVER=$!
	STARTED+=("$SERVER")
	until read -r word PORT <"$LOG.said" && [ "$word" = listening ]; do
		is_ours "$SERVER"
		a_moment
	done
}

# after: how it went on with the socket, and whether bytes were left.
after() {
	jq -r 'select(.event == "after") | "\(.ended_by) \(.unacknowledged > 0)"' "$LOG"
}

@test "a client that is still sending is heard out, and the log says how it ended" {
	export CLOSENOTIFY_LEVEL=calls
	serves "$SHIM" parts_with_bytes 1000 unread+close alone
	RESULT=$("$JUDGE" client --port "$PORT" --send 20000000)
	wait "$SERVER"
	arrived 1000
	assert_equal "$(told) $(after)" 'background peer_end false'
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

@test "a client that never ends is given up when nothing comes any more, and in the end in any case" {
	export CLOSENOTIFY_LEVEL=calls
	CLOSENOTIFY_LINGER_MS=100 serves "$SHIM" parts_with_bytes 1000 unread+close alone
	"$JUDGE" client --port "$PORT" --send 10000 --silent-end --linger-open-ms 60000 &
	STARTED+=($!)
	wait "$SERVER"
	assert_equal "$(told) $(after)" 'background idle false'
	CLOSENOTIFY_TIMEOUT_MS=300 serves "$SHIM" parts_with_bytes 1000 unread+close alone
	"$JUDGE" client --port "$PORT" --send 100000000000 --timeout-ms 60000 &
	STARTED+=($!)
	wait "$SERVER"
	assert_equal "$(told) $(after)" 'background timeout false'
}

@test "at exit the kernel gets what the background holds, at once" {
	serves "$SHIM" parts_with_bytes 300000 unread+close exits
	RESULT=$("$JUDGE" client --port "$PORT" --send 10000 --read-pause-ms 10 --rcvbuf 4096 --silent-end)
	wait "$SERVER"
	arrived 300000
	assert_equal "$(told) $(after)" 'background exit true'
}

@test "errors that wait on a socket do not keep the background busy" {
	serves "$SHIM" parts_with_bytes 300000 stamps+unread+close alone
	strace -f -qq -o "$LOG.trace" -e trace=epoll_wait -p "$SERVER" 2>"$LOG.attached" 3>&- &
	STARTED+=($!)
	until grep -q . "$LOG.attached" || [ "$(sed -n 's/^TracerPid:\t//p' "/proc/$SERVER/status")" != 0 ]; do
		is_ours "$SERVER"
		a_moment
	done
	"$JUDGE" client --port "$PORT" --send 10000 --read-pause-ms 20 --rcvbuf 4096 >"$LOG.judge"
	RESULT=$(cat "$LOG.judge")
	wait "$SERVER"
	arrived 300000
	assert [ "$(grep -c 'epoll_wait(' "$LOG.trace")" -gt 0 ]
	assert [ "$(grep -c 'epoll_wait(' "$LOG.trace")" -lt 2000 ]
}

@test "another network namespace: the background is not looked for by its name there" {
	local LOG=$BATS_TEST_TMPDIR/log
	needs_network_namespace
	start_judge --tls 1.3 --connections 2 --never-read --rcvbuf 4096 --timeout-ms 60000
	# Without the filter, else there is no background.
	CLOSENOTIFY_LOG=json:$LOG CLOSENOTIFY_LINGER_MS=100 LIBRARY=$SHIM "$BUILD/tests/confine" no_filter \
		"$THREADS/parts_with_bytes" "$JUDGE_PORT" 1.3 30000 second+close+moves+swap+close alone
	stop "$JUDGE_PID" # it may have been reset
	assert_equal "$(told | xargs)" 'background unguarded'
}

# --- what did not fit ---

@test "a record that is half out when the program closes is completed, and a goodbye follows" {
	local tls size taken
	JUDGE_ARGS=(--read-pause-ms 20 --rcvbuf 4096)
	for tls in 1.2 1.3; do
		for size in 100 1000 10000 16384; do
			play '' "$tls" half_write "$size"
			refute_closed
			play "$SHIM" "$tls" half_write "$size" ${ALONE:+close 8192 "$ALONE"}
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
			play "$SHIM" "$tls" half_write "$size" ${ALONE:+close 8192 "$ALONE"}
			assert_equal "$(verdict_of "$RESULT")" truncated
			got=$(field bytes "$RESULT")
			[ "$got" -lt $((SAID + size)) ]
			assert_equal "$(field sha256 "$RESULT")" "$(letters "$got")"
		done
	done
}

# So it does by chance while the peer reads: the kernel fills the segment that is begun.
@test "a send buffer that holds more than its size is widened to that" {
	local tls how
	JUDGE_ARGS=(--read-pause-ms 20 --rcvbuf 4096)
	for tls in 1.2 1.3; do
		for how in close free_close; do
			play '' "$tls" half_write 10000 "$how" 65536 shrunk
			refute_closed
			play "$SHIM" "$tls" half_write 10000 "$how" 65536 shrunk ${ALONE:+"$ALONE"}
			arrived $((SAID + 10000))
			assert_equal "$STATUS" 0
		done
	done
}

@test "a send buffer that can't be widened: what does not fit of the goodbye follows when the peer has read" {
	local tls how
	JUDGE_ARGS=(--read-pause-ms 1)
	for tls in 1.2 1.3; do
		for how in close free_close free_wait_close; do
			play '' "$tls" half_write 10000 "$how" 212992 alone
			refute_closed
			play "$SHIM" "$tls" half_write 10000 "$how" 212992 alone
			arrived $((SAID + 10000))
			assert_equal "$STATUS" 0
		done
	done
}
