#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a hook costs, in instructions: those do not depend on what else the machine does. Time is for make bench.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

@test "no hook takes more instructions than are recorded" {
	run "$PROJECT/tests/bench/instructions"
	assert_success
	assert_line --regexp '^close_untracked +in the library +[1-9]'
	assert_line --regexp '^session +in the library +[1-9]'
	assert_line --regexp '^SSL_read +in the library +[1-9]'
	assert_line --regexp '^close_then_free +in the library +[1-9]'
	assert_line --regexp '^gnutls_send +in the library +[1-9]'
	assert_line --regexp '^gnutls_deinit_then_close +in the library +[1-9]'
}

# trace SHIM PORT ORDER GONE: the system calls after the first mark of parts_with_bytes, up to the second if there is one.
trace() {
	strace -qq -o "$BATS_TEST_TMPDIR/trace" -E LD_PRELOAD="$1" "$BUILD/tests/threads/parts_with_bytes" "$2" 1.3 "${BYTES-1000}" "$3" "$4" </dev/null
}

traced() {
	sed -n '/^getppid/,/^getppid/{/^getppid/d;p}' "$BATS_TEST_TMPDIR/trace"
}

# A libc before 2.32 does not tell that there is one thread: there SSL_free and exit hold a copy of the descriptor meanwhile.
without_copies() {
	if printf '%s\n' 2.32 "$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" | sort -CV; then
		cat
	else
		sed -E 's/(prlimit64 )?fcntl (([A-Z_]+ )*sendto (shutdown recvfrom )?)close /\2/g'
	fi
}

# names [OPTION]: what is asked counts with the question.
names() {
	traced | sed -nE 's/^getsockopt\([0-9]+, [A-Z_]+, ([A-Z_]+).*/\1/p; s/^setsockopt\([0-9]+, [A-Z_]+, ([A-Z_]+).*/set:\1/p
		s/^ioctl\([0-9]+, ([A-Z]+).*/\1/p; /^[gs]etsockopt|^ioctl/!s/^([a-z_0-9]+)\(.*/\1/p' | paste -sd ' ' | without_copies
}

# client_calls SHIM ORDER [JUDGE-ARG...]
client_calls() {
	start_judge --tls 1.3 --silent-end --timeout-ms 60000 "${@:3}"
	trace "$1" "$JUDGE_PORT" "$2" exits >&2
	stop "$JUDGE_PID"
	names
}

# server_calls SHIM ORDER [JUDGE-ARG...]
server_calls() {
	local out=$BATS_TEST_TMPDIR/server word='' port
	: >"$out"
	trace "$1" 0 "$2" exits >"$out" 3>&- &
	STARTED+=($!)
	until read -r word port <"$out" && [ "$word" = listening ]; do
		is_ours "${STARTED[-1]}" || { echo "$2 ends before it listens" && return; }
		a_moment
	done
	"$JUDGE" client --port "$port" --tls 1.3 --silent-end "${@:3}" >&2 || true # its verdict is its status
	wait "${STARTED[-1]}" || echo "$2: status $?"
	names
}

@test "the system calls of an end are these, and no more" {
	local own
	make_certs
	# By hand: SSL_shutdown, SSL_free, shutdown, close. A careful program reads in between, as the library does.
	assert_equal "$(client_calls '' unread+flushed+mark+say+free+shut_wr+close+mark --send 100)" 'write shutdown close'
	# Input unread, all acknowledged, SSL_free and close.
	assert_equal "$(client_calls "$SHIM" unread+flushed+mark+free+close+mark --send 100)" \
		'SO_COOKIE TCP_INFO SO_LINGER sendto SO_COOKIE TCP_INFO shutdown recvfrom close'
	# close and SSL_free.
	assert_equal "$(client_calls "$SHIM" unread+flushed+mark+close+free+mark --send 100)" \
		'SO_COOKIE TCP_INFO SO_LINGER sendto shutdown recvfrom close'
	# Bytes at risk: the filter too. Where it is refused: unfiltered.bats.
	! may_filter || assert_equal "$(BYTES=20000 client_calls "$SHIM" unread+mark+free+close+mark --send 100 --never-read --rcvbuf 4096)" \
		'SO_COOKIE TCP_INFO SO_LINGER sendto SO_COOKIE TCP_INFO shutdown TIOCOUTQ set:SO_ATTACH_FILTER recvfrom close'
	# exit() instead of SSL_free and close.
	own=$(client_calls '' unread+flushed+mark --send 100)
	assert_equal "$(client_calls "$SHIM" unread+flushed+mark --send 100)" "SO_COOKIE TCP_INFO SO_LINGER sendto shutdown recvfrom $own"
	# A server whose client has ended first.
	assert_equal "$(server_calls "$SHIM" unread+flushed+mark+free+close+mark --first both)" \
		'SO_COOKIE TCP_INFO SO_LINGER sendto SO_COOKIE TCP_INFO shutdown recvfrom close'
}

@test "the system calls of a right program's end are these, and no more" {
	make_certs
	assert_equal "$(client_calls '' flushed+mark+say+shut_wr+mark+over+free+close --no-tickets)" 'write shutdown'
	# SSL_shutdown and shutdown; then, with the peer's FIN there, SSL_free and close: 4 more than without.
	assert_equal "$(client_calls "$SHIM" flushed+mark+say+shut_wr+mark+over+free+close --no-tickets)" \
		'SO_COOKIE TCP_INFO sendto shutdown'
	assert_equal "$(client_calls "$SHIM" flushed+say+shut_wr+over+mark+free+close+mark --no-tickets)" 'SO_COOKIE TCP_INFO close'
	# The peer keeps its side open: what comes may reset, and is read away.
	assert_equal "$(client_calls "$SHIM" flushed+mark+say+shut_wr+free+close+mark --no-tickets --linger-open-ms 60000)" \
		'SO_COOKIE TCP_INFO sendto shutdown SO_COOKIE TCP_INFO recvfrom close'
}

@test "where a child runs in the program's memory, it is asked which process this is" {
	make_certs
	assert_equal "$(client_calls "$SHIM" lends+unread+flushed+mark+free+close+mark --send 100)" \
		'SO_COOKIE TCP_INFO SO_LINGER sendto getpid SO_COOKIE TCP_INFO shutdown recvfrom close'
}

# HAProxy sets it after SSL_free, just before close().
@test "SO_LINGER set between SSL_free and close() is obeyed: nothing is shut, nothing read" {
	local how
	make_certs
	for how in abort abort_by_number; do
		assert_equal "$(client_calls "$SHIM" "unread+flushed+free+$how+mark+close+mark" --send 100)" 'SO_COOKIE TCP_INFO SO_LINGER close'
		assert_equal "$(client_calls "$SHIM" "flushed+say+$how+mark+free+close+mark" --no-tickets --linger-open-ms 60000)" 'SO_COOKIE TCP_INFO SO_LINGER close'
	done
}

# What the library adds to a program that has no TLS, compared with a library that has nothing in it.
empty_library() {
	# libpthread is a library of its own before glibc 2.34.
	echo 'int nothing;' | cc -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/empty.so" -Wl,--no-as-needed -lpthread
	echo "$BATS_TEST_TMPDIR/empty.so"
}

@test "a program without TLS: one system call more, at its start, and none at its end" {
	local empty
	empty=$(empty_library)
	strace -qq -o "$BATS_TEST_TMPDIR/empty" -E LD_PRELOAD="$empty" /bin/true
	strace -qq -o "$BATS_TEST_TMPDIR/ours" -E LD_PRELOAD="$SHIM" /bin/true
	# The configuration file. All else is the loader's, which maps the same.
	run diff <(sed 's/(.*//' "$BATS_TEST_TMPDIR/empty") <(sed 's/(.*//' "$BATS_TEST_TMPDIR/ours")
	assert_equal "$(grep '^[<>]' <<<"$output" | grep -v mmap)" '> openat'
	assert_equal "$(tail -n 2 "$BATS_TEST_TMPDIR/ours" | sed 's/".*"/file/; s/(.*file.*/ file/; s/(.*//')" $'openat file\nexit_group'
}

@test "a program without TLS: at most 6 page faults more than with a library that has nothing in it" {
	run "$BUILD/tests/bench/startup" 20 /bin/true "$(empty_library)" "$SHIM"
	assert_success
	assert [ $(($(sed -n 's/^faults,1 //p' <<<"$output") - $(sed -n 's/^faults,0 //p' <<<"$output"))) -le 6 ]
}

@test "a close() that takes three instructions more is caught" {
	local copy=$BUILD/broken/cost
	rm -rf "$copy"
	mkdir -p "$copy/tests/bench"
	cp -r "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	cp "$PROJECT"/tests/bench/instructions* "$copy/tests/bench"
	sed -i '/^EXPORT int close(int fd)/,/^}/s/^{$/{\n\t__asm__ volatile("nop\\n\\tnop\\n\\tnop");/' "$copy/shim/hook_fd.c"
	make -s -C "$copy" BUILD="$copy/build" WARN= all >&2
	mkdir -p "$copy/build/tests"
	ln -s "$BUILD/tests/bench" "$copy/build/tests/bench"
	# Of a compiler that the file does not have, so little is not seen: the unspoilt build says what it was.
	grep -q "^gcc-$(gcc -dumpversion | cut -d. -f1) $(uname -m) " "$copy/tests/bench/instructions.txt" ||
		CN_INSTRUCTIONS=$copy/tests/bench/instructions.txt "$PROJECT/tests/bench/instructions" --record >&2
	run env CN_BUILD="$copy/build" "$copy/tests/bench/instructions"
	assert_failure 1
	assert_line --regexp '^close_untracked .*\(was [0-9]+\)'
	assert_line --partial 'tests/bench/instructions --record'
	refute_line --regexp '^shutdown_untracked .*was'
}

@test "the table of make bench says what was measured" {
	cat >"$BATS_TEST_TMPDIR/kept" <<-'END'
		{"machine": "here", "rounds": 3, "seconds": {"all": 90}, "samples": {
		"calls, close": {"without": [100, 110, 120], "with": [101, 114, 122]},
		"nginx, new": {"without": [1000, 1000, 2000], "with": [1000, 980, 1960]},
		"processor, nginx, open": {"without": [100, 100, 200], "with": [101, 100, 204]},
		"processor, nginx, bulk": {"without": [100, 100, 200], "with": [101, 101, 204]},
		"stunnel, processor": {"without": [10, 20, 30], "with": [12, 23, 34], "other": [34, 50, 90]},
		"haproxy, processor": {"without": [10, 20, 30], "with": [9, 21, 33], "other": [50, 70, 90]},
		"haproxy, latency": {"without": [10, 20, 30], "with": [11, 21, 31], "other": [9, 19, 31]},
		"trace, bpftrace uprobes": {"without": [10, 20, 30], "with": [12, 23, 34], "other": [30]}}}
	END
	run "$PROJECT/tests/bench/table" "$BATS_TEST_TMPDIR/kept"
	assert_success
	assert_line --regexp '^  close\(\) +110 ns +114 ns +\+2 ns \(\+1 ns to \+4 ns\) +at most \+2 ns: met$'
	assert_line --regexp '^  nginx: new .* 1,000 /s +1,000 /s +0\.980 times \(0\.980 to 1\.000\) +at least 0.99 times: MISSED$'
	# Once nothing was added; never.
	assert_line --regexp '^  nginx: a request .* 1\.010 times \(1\.000 to 1\.020\) +within noise: met$'
	assert_line --regexp '^  nginx: 1 MB .* 1\.010 times \(1\.010 to 1\.020\) +within noise: MISSED$'
	# 24/2, 30/3, 60/4
	assert_line --regexp '^  stunnel: .* 20 ns +23 ns +50 ns +12 times cheaper \(10 to 15\) +10 times cheaper: met$'
	# In one round the library added nothing: the spread from -1 to +3 counts.
	assert_line --regexp '^  haproxy: processor .* > 12.5 times cheaper \(10 to 15\) +10 times cheaper: met$'
	assert_line --regexp '^  haproxy: one .* lost in the noise +10 times cheaper: MISSED$'
	refute_line --partial bpftrace
	assert_line 'missed: haproxy, latency (haproxy: one new connection at a time, connect to end). It adds so little to one connection that a tenth of it can not be told from nothing.'
	assert_line --regexp '^missed: nginx, new .*\. [A-Z].*\.$'
	assert_line '4 of 7 targets are met.'
}
