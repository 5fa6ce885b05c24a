#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Observe mode changes nothing: the program makes the same system calls in the same order with the same results, and the
# peer hears the same. Only questions are added, and what writes the log.

load helper

setup_file() {
	make_certs
}

setup() {
	LOG=$BATS_TEST_TMPDIR/log
	JUDGE_ARGS=(--silent-end --no-tickets)
}

# Questions that the library asks; the program's own are left out with them. Of the rest stay name, descriptor and
# result, but how much was read: a signature has one byte more or less. Before the first connect stands the loader, which
# has one library more to load.
calls_of() {
	grep -vE ' (getsockopt|getsockname|getpeername|getpid|gettid|getppid|rt_sigprocmask|rt_sigaction|ioctl|poll|ppoll|fstat|newfstatat|prlimit64|mmap|munmap|mprotect|madvise|brk|futex|uname|getcwd|sched_yield|clock_nanosleep)\(| fcntl\([0-9]+, F_GETF[DL]\)' "$1" |
		sed -nE '/ connect\(/,$ s/^[0-9]+ +([a-z0-9_]+\(-?[0-9]*).* = (-?[0-9]+).*/\1 = \2/p; /exit_group/ s/^[0-9]+ +//p' |
		sed -E 's/^(read|recvfrom)(.*) = [1-9][0-9]*/\1\2 = some/'
}

# heard RESULT: what does not depend on the run.
heard() {
	jq -c '[.verdict, .bytes, .sha256, .close_notify, .end, .order]' <<<"$1"
}

# same COMMAND...: its port and TLS version stand in it as PORT and TLS.
same() {
	local tls mode command bare='' ears='' trace=$BATS_TEST_TMPDIR/trace
	for tls in 1.2 1.3; do
		for mode in bare observe; do
			start_judge --tls "$tls" "${JUDGE_ARGS[@]}"
			command=("${@/#PORT/$JUDGE_PORT}")
			command=("${command[@]/#TLS/$tls}")
			command=("${command[@]/%:PORT/:$JUDGE_PORT}")
			if [ "$mode" = bare ]; then
				strace -f -o "$trace" "${command[@]}" </dev/null >"$trace.out" 2>&1 || true
				bare=$(calls_of "$trace") ears=$(heard "$(judge_result)")
				[ -n "$bare" ]
				cp "$trace.out" "$trace.bare"
			else
				CLOSENOTIFY_MODE=observe strace -f -o "$trace" -E "LD_PRELOAD=$SHIM" "${command[@]}" </dev/null >"$trace.out" 2>&1 || true
				echo "$* TLS $tls"
				diff <(echo "$bare") <(calls_of "$trace")
				assert_equal "$(heard "$(judge_result)")" "$ears"
				[ "${OWN_WORDS-yes}" = no ] || diff "$trace.bare" "$trace.out"
			fi
		done
	done
}

@test "programs with one sin each" {
	local program
	for program in close_only free_then_close close_then_free ssl_shutdown_then_close shutdown_wr_then_close dup2_over \
		fclose_socket exit_0 exit_3 quiet_shutdown linger_zero close_range_all dup_outlives curl_order; do
		same "$RUDE/$program" PORT TLS
	done
}

@test "openssl s_client, and python3" {
	OWN_WORDS=no # has times and keys in it
	same openssl s_client -connect 127.0.0.1:PORT -quiet -no_ign_eof
	same /usr/bin/python3 -c 'import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
connection.send(b"x" * 20000)
connection.close()' PORT
}

@test "with a log, only the log is added" {
	start_judge --tls 1.2 "${JUDGE_ARGS[@]}" --connections 2
	strace -f -o "$BATS_TEST_TMPDIR/bare" "$RUDE/close_only" "$JUDGE_PORT" 1.2 >/dev/null
	CLOSENOTIFY_MODE=observe CLOSENOTIFY_LEVEL=calls CLOSENOTIFY_LOG=json:$LOG \
		strace -f -o "$BATS_TEST_TMPDIR/trace" -E "LD_PRELOAD=$SHIM" "$RUDE/close_only" "$JUDGE_PORT" 1.2 >/dev/null
	run diff <(calls_of "$BATS_TEST_TMPDIR/bare") <(calls_of "$BATS_TEST_TMPDIR/trace")
	# three records: handshake, end, close; on one number, with no open or close between
	echo "$output"
	assert_equal "$(grep -c '^> write(' <<<"$output")" "$(wc -l <"$LOG")"
	assert_equal "$(grep '^[<>]' <<<"$output" | grep -vc '^> write(1000 = ')" 0
}
