#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A process that may filter no TCP socket, as in an ordinary container and for an ordinary user on Linux from August 2026 on:
# closenotify-check says so, the kernel is not asked in vain for ever, and no end waits.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	PARTS=$BUILD/tests/threads/parts_with_bytes LOG=$BATS_TEST_TMPDIR/log
	WITHOUT=() # the capability; a user has none
	[ "$EUID" -ne 0 ] || WITHOUT=(setpriv --bounding-set -net_admin --inh-caps -net_admin)
}

# told: the deliveries in the log, one after the other.
told() {
	jq -r 'select(.event == "end") | .delivery' "$LOG" | paste -sd ' '
}

# --- closenotify-check ---

@test "closenotify-check: what the kernel lets this process do, and what follows" {
	local here=refused there=refused pid
	! may_filter || here=allowed
	! (export -f may_filter && "${WITHOUT[@]}" bash -c may_filter) || there=allowed
	run "$PROJECT/scripts/closenotify-check" openssl
	assert_line --regexp "^kernel filter: +$here: "
	run "${WITHOUT[@]}" "$PROJECT/scripts/closenotify-check" openssl
	assert_line --regexp "^kernel filter: +$there: "
	[ "$there" = allowed ] || assert_line --regexp '^kernel filter: .*background .*unguarded .*CAP_NET_ADMIN \(AmbientCapabilities=, --cap-add NET_ADMIN\)$'
	# A process is asked for its own right.
	sleep 60 3>&- &
	STARTED+=($!)
	assert_equal "$("$PROJECT/scripts/closenotify-check" --json $! | jq -r '.kernel_filter | .[:index(":")]')" "$here"
	"${WITHOUT[@]}" sleep 60 3>&- &
	pid=$!
	STARTED+=("$pid")
	until grep -qx sleep "/proc/$pid/comm"; do is_ours "$pid"; a_moment; done
	assert_equal "$("$PROJECT/scripts/closenotify-check" --json "$pid" | jq -r '.kernel_filter | .[:index(":")]')" "$there"
}

@test "closenotify-check without a build: perl or python3 tries; where neither is, nothing is told" {
	local here=refused tool path=$BATS_TEST_TMPDIR/bin
	! may_filter || here=allowed
	mkdir -p "$BATS_TEST_TMPDIR/tree/scripts" "$path"
	cp "$PROJECT"/scripts/closenotify{,-check} "$BATS_TEST_TMPDIR/tree/scripts"
	for tool in bash sh sed grep awk ldd dirname readlink od head tr sort uniq cut paste xargs cat openssl file env; do
		tool=$(type -P $tool) || continue
		ln -s "$tool" "$path"
	done
	run env PATH="$path" "$BATS_TEST_TMPDIR/tree/scripts/closenotify-check" openssl
	assert_line --regexp '^kernel filter: +unknown: neither perl nor python3 '
	ln -s "$(type -P perl)" "$path/perl.there"
	ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$path/python3.there" # it may be behind a script
	for tool in perl python3; do
		mv "$path/$tool.there" "$path/$tool"
		run env PATH="$path" "$BATS_TEST_TMPDIR/tree/scripts/closenotify-check" openssl
		assert_line --regexp "^kernel filter: +$here: "
		rm "$path/$tool"
	done
}

# --- the ends ---

# ends ORDER GONE [JUDGE-ARG...]: ends with 60,000 bytes in a process to which the filter is refused (EPERM), with a log unless LOG is
# empty. Sets STATUS; leaves in WAITS the calls of its thread that wait, and in the trace all of them.
ends() {
	[ ! "$LOG" ] || rm -f "$LOG"
	start_judge --tls 1.3 --timeout-ms 60000 --rcvbuf 4096 "${@:3}"
	STATUS=0
	CLOSENOTIFY_LOG=${LOG:+json:}${LOG:-off} timeout -k 10 60 strace -qq -o "$BATS_TEST_TMPDIR/trace" -e signal=none -E LIBRARY="$SHIM" "$BUILD/tests/confine" \
		no_capability "$PARTS" "$JUDGE_PORT" 1.3 60000 "$1" "$2" </dev/null || STATUS=$?
	[[ " $* " != *\ --never-read* ]] || stop "$JUDGE_PID" # it may have been reset
	# The background starts at the first end that needs it, some 100 microseconds, and depends on no peer (1073741824: STARTING).
	WAITS=$(sed '1,/^connect(/d' "$BATS_TEST_TMPDIR/trace" | grep -v FUTEX_WAKE |
		grep -E '^(poll|ppoll|select|pselect6|epoll_p?wait2?|futex|nanosleep|clock_nanosleep|pause|sched_yield)\(' |
		if [ ! "$LOG" ]; then grep -v '^futex(0x[0-9a-f]*, FUTEX_WAIT_PRIVATE, 1073741824, {tv_sec=1, tv_nsec=0}'; else cat; fi) || :
	echo "$*: status $STATUS, ${LOG:+delivery $(told)} $WAITS"
}

@test "no end waits for a peer that never reads, and the record says who delivers" {
	local order gone delivery log=$LOG # no tickets: one that comes after shutdown(SHUT_RDWR) resets
	while read -r order gone delivery; do
		LOG=$log
		ends "$order" "$gone" --never-read --no-tickets --connections 3
		assert_equal "$STATUS $(told)" "0 ${delivery//,/ }"
		LOG='' # with a log an exit waits for the background's words on what is lost
		[[ $delivery = unguarded ]] || ends "$order" "$gone" --never-read --no-tickets --connections 3
		assert_equal "$WAITS" ''
	done <<-'END'
		close exits background
		free+close _exits background
		say+close exec background
		close+second+swap+free+close+second+swap+say+close exits background,background,background
		leave exits unguarded
		leave _exits unguarded
		shut_rdwr+free+close exits unguarded
		free+shut_rdwr+close exits unguarded
		say+shut_rdwr+close exec unguarded
	END
}

@test "what the background has not delivered at the exit, the log says" {
	ends close exits --never-read
	assert_equal "$(jq -r 'select(.event == "after") | "\(.ended_by) \(.unacknowledged > 0)"' "$LOG")" 'exit true'
}

@test "SO_LINGER with a time: the kernel waits as the program asks, the library does not" {
	local order
	for order in patient+close patient+free+shut_rdwr+close; do
		ends $order exits --read-pause-ms 20 --no-tickets
		assert_equal "$STATUS $(told) $WAITS" '0 unguarded '
		RESULT=$(judge_result)
		assert_equal "$(field '|[.bytes, .close_notify, .verdict] | join(" ")' "$RESULT")" '60000 1 closed'
	done
}

@test "the main thread ends before the process, and the background is not the last one: what stdio holds is written" {
	local gone
	for gone in cancelled thrd_exits; do
		LOG='' ends close $gone --never-read >"$BATS_TEST_TMPDIR/said"
		cat "$BATS_TEST_TMPDIR/said"
		grep -qx 'the last word' "$BATS_TEST_TMPDIR/said"
		assert_equal "$STATUS" 0
	done
}

@test "no memory for what is handed to the background: it ends all the same" {
	local confine=$BUILD/tests/confine
	start_judge --tls 1.3 --timeout-ms 60000 --rcvbuf 4096 --never-read
	CLOSENOTIFY_LOG=json:$LOG timeout -k 10 60 "$confine" no_recvmsg env LIBRARY="$SHIM" \
		"$confine" no_capability "$PARTS" "$JUDGE_PORT" 1.3 60000 close alone
	stop "$JUDGE_PID" # it may have been reset
	assert_equal "$(told)" background # what it was handed is lost
}

@test "while the process lives all arrives, in whatever order it ends" {
	local order
	for order in close free+close say+close shut_wr+close; do
		ends "$order" alone --read-pause-ms 20 --first close_notify --first-after 10000
		assert_equal "$STATUS $(told)" '0 background'
		RESULT=$(judge_result)
		assert_equal "$(field '|[.bytes, .close_notify, .verdict] | join(" ")' "$RESULT")" '60000 1 closed'
	done
}

# names N: the calls between marks 2 N - 1 and 2 N; what is asked counts with the question.
names() {
	awk -v n="$1" '/^getppid/ { at++; next } at == 2 * n - 1' "$BATS_TEST_TMPDIR/trace" |
		sed -nE 's/^getsockopt\([0-9]+, [A-Z_]+, ([A-Z_]+).*/\1/p; s/^setsockopt\([0-9]+, [A-Z_]+, ([A-Z_]+).*/set:\1/p
			s/^ioctl\([0-9]+, ([A-Z]+).*/\1/p; /^[gs]etsockopt|^ioctl/!s/^([a-z_0-9]+)\(.*/\1/p' | paste -sd ' '
}

@test "the system calls of an end: at the first the kernel is asked, at the next ones not" {
	local LOG='' order=mark+close+free+mark
	local asked='SO_COOKIE TCP_INFO SO_LINGER sendto shutdown TIOCOUTQ' handed='socket connect SO_PEERCRED sendmsg close fcntl close'
	ends "$order+second+swap+$order" exits --never-read --connections 2
	assert_regex "$(names 1)" "^$asked set:SO_ATTACH_FILTER SO_LOCK_FILTER .*clone.* $handed\$"
	assert_equal "$(names 2)" "$asked $handed"
}

# A program may drop the capability and take it again, as FTP servers do with root's.
@test "what was refused is asked again: at once where nobody else delivers, else after 64 ends" {
	local order=drops+close i
	needs_filter
	JUDGE_ARGS=(--tls 1.3 --timeout-ms 60000 --never-read --rcvbuf 4096)
	start_judge "${JUDGE_ARGS[@]}" --connections 2
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM timeout -k 10 60 "$PARTS" "$JUDGE_PORT" 1.3 60000 drops+close+second+swap+regains exits
	stop "$JUDGE_PID"
	assert_regex "$(told)" '^(background|kernel) kernel$'
	rm "$LOG"
	order+=+regains
	for ((i = 0; i < 65; i++)); do order+=+second+swap+close; done
	start_judge "${JUDGE_ARGS[@]}" --connections 66
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM timeout -k 10 60 "$PARTS" "$JUDGE_PORT" 1.3 60000 "$order" exits
	stop "$JUDGE_PID"
	told | tr ' ' '\n' | uniq -c >"$BATS_TEST_TMPDIR/told"
	# An older kernel refuses nobody.
	assert_regex "$(xargs <"$BATS_TEST_TMPDIR/told")" '^(65 background 1 kernel|66 kernel)$'
}
