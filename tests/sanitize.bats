#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library and the programs under the sanitizers: not one report, and the judge's verdict is that of the plain build.
# And the tests can fail: builds with one check taken out are caught.

load helper

setup_file() {
	make_certs
}

# build NAME TARGETS FLAG...: library and programs, in $BUILD/NAME, unless they are there.
build() {
	local name=$1 targets=$2
	shift 2
	(
		flock 9
		# shellcheck disable=SC2086 # words
		make -s -j "$(nproc)" -C "$PROJECT" BUILD="$BUILD/$name" CFLAGS="-O1 -g $*" all $targets >&2
	) 9>"$BUILD/tests/$name.lock" 3>&-
}

setup() {
	JUDGE_ARGS=()
	ARGS=()
}

# A sanitizer's runtime wants to be the first library; for TSan the program brings it, and ours stands before it, so
# that close() is told to TSan when it is real and not when it is asked for.
preload_of() {
	case $1 in
	asan) echo "$(cc -print-file-name=libasan.so):$(cc -print-file-name=libubsan.so):$BUILD/asan/libclosenotify.so" ;;
	tsan) echo "$BUILD/tsan/libclosenotify.so" ;;
	*) echo "$SHIM" ;;
	esac
}

# add PROGRAM: to what play_runs plays: one run as TLS 1.3 client of the plain build, and one of SANITIZER's.
add() {
	local directory preload=$SHIM
	for directory in "$BUILD" "$BUILD/$SANITIZER"; do
		add_run client 1.3 "$preload" --timeout-ms 60000 "${JUDGE_ARGS[@]}" -- \
			ASAN_OPTIONS=detect_leaks=0:exitcode=66:handle_segv=1 UBSAN_OPTIONS=print_stacktrace=1 \
			TSAN_OPTIONS="exitcode=66 ignore_noninstrumented_modules=1 suppressions=$BATS_FILE_TMPDIR/suppressions" \
			"$directory/tests/$1" "${ARGS[@]}"
		preload=$PRELOAD
	done
	ADDED+=("$1")
}

# with SANITIZER: what add and as_in_plain are about.
with() {
	case $1 in
	asan) build asan 'rude-programs thread-programs' -fsanitize=address,undefined -fno-sanitize-recover=undefined ;;
	tsan) build tsan thread-programs -fsanitize=thread ;;
	esac
	PRELOAD=$(preload_of "$1") SANITIZER=$1 ADDED=()
}

# How this run's connections ended: what they have in common with those of every run.
ends() {
	local result
	for result in "${RESULTS[@]}"; do
		echo "$(verdict_of "$result") $(field close_notify "$result")"
	done | sort | uniq -c
}

# Plays what was added: not one report, and each has ended as in the plain build.
as_in_plain() {
	local i plain wrong=
	play_runs
	for i in "${!ADDED[@]}"; do
		this_run "${RUNS[2 * i]}" >/dev/null || wrong+="${ADDED[i]}: plain: status $STATUS: $SAID"$'\n'
		plain="status $STATUS, $(ends)"
		this_run "${RUNS[2 * i + 1]}" >/dev/null || true
		if grep -qE 'Sanitizer|runtime error' <<<"$SAID" || [ "status $STATUS, $(ends)" != "$plain" ]; then
			wrong+="${ADDED[i]}: plain: $plain; $SANITIZER: status $STATUS, $(ends): $SAID"$'\n'
		fi
	done
	assert_equal "$wrong" ''
}

# What TSan must not take for shared: recv() without a buffer writes nowhere, and the background's descriptors have
# numbers of their own. OpenSSL is not instrumented; its memory is left out.
suppress() {
	printf 'race:^%s$\n' drain discard post >"$BATS_FILE_TMPDIR/suppressions"
}

# Peers that some programs need to come to their end. Where the program says goodbye itself, the peer does not answer: that
# the answer comes before close(), which makes RST of it, or after it, is a matter of speed.
peer_of() {
	JUDGE_ARGS=(--no-tickets --silent-end)
	case $1 in
	shutdown_after_reset) JUDGE_ARGS+=(--first rst --first-after 10000) ;;
	told_then_reset) JUDGE_ARGS+=(--first close_notify_rst --first-after 10000) ;;
	read_to_end* | ignore_eof*) JUDGE_ARGS+=(--first both --first-after 10000) ;;
	*_with_unread | close_writing_number) JUDGE_ARGS+=(--send 10000) ;;
	ssl_clear_reuse | connected_again | up_ref_cleared | share_used_again | stale_fd_tls* | child_has_its_own | reused_number) JUDGE_ARGS+=(--connections 2) ;;
	stale_queue) JUDGE_ARGS+=(--first close_notify --first-after 10000) ;;
	reads_after_shutdown) JUDGE_ARGS=(--no-tickets --send 50000 --send-when eof --first close_notify) ;;
	buffer_holds_input) JUDGE_ARGS+=(--send 6000 --send-when request --first close_notify) ;;
	zero_read) JUDGE_ARGS+=(--send 10) ;;
	early_data_rejected) JUDGE_ARGS=(--silent-end --connections 2) ;; # with the ticket
	exit_0_answered | plain_at_exit | plain_by_spawned | shutdown_until_answered | monitor_tidies_up) JUDGE_ARGS=(--no-tickets) ;; # wait for the answer
	esac
}

@test "ASan and UBSan: every rude program ends as in the plain build, without a report" {
	local source name
	with asan
	for source in "$PROJECT"/tests/rude/*.c; do
		name=$(basename "$source" .c)
		case $name in
		dtls | quic | half_record_stalls | buffer_unflushed | child_on_dead_files) continue ;; # no client of the judge's, or not ended by it
		write_amid_handshake) continue ;; # TLS 1.2 only
		esac
		peer_of "$name"
		add "rude/$name"
	done
	as_in_plain
}

# threads SANITIZER: the thread tests at a smaller scale.
threads() {
	with "$1"
	ARGS=(1000 400 8) JUDGE_ARGS=(--connections 400)
	add threads/churn
	ARGS=(1000 300 close) JUDGE_ARGS=(--connections 300 --no-tickets)
	add threads/two_close
	ARGS=(1000 300 free)
	add threads/two_close
	ARGS=(1000 300 free close)
	add threads/reuse_race
	ARGS=(100000 8) JUDGE_ARGS=(--connections 8 --read-pause-ms 1 --rcvbuf 4096)
	may_filter || ARGS+=(alone)
	add threads/close_together
	if [ "$1" = asan ]; then # TSan has a thread of its own, for which many_linger would wait
		ARGS=(40000 100) JUDGE_ARGS=(--connections 100 --read-pause-ms 5 --rcvbuf 4096)
		add threads/many_linger
	fi
	ARGS=(10000 read free) JUDGE_ARGS=(--no-tickets)
	add threads/thread_in_call
	as_in_plain
}

@test "ASan and UBSan: threads" {
	threads asan
}

@test "TSan: threads" {
	suppress
	threads tsan
}

@test "valgrind finds nothing that is not there without the library" {
	local program
	# With MSG_TRUNC the kernel throws away what it would have put into the buffer.
	printf '{\n%s\nMemcheck:Param\nsocketcall.recvfrom(buf)\nfun:recv\nfun:%s\n}\n' 1 drain 2 discard \
		>"$BATS_TEST_TMPDIR/suppressions"
	for program in close_only free_then_close close_then_free ssl_shutdown_then_close exit_0; do
		memcheck '' "$program"
		assert_equal "$STATUS" 0
		memcheck "$SHIM" "$program"
		assert_equal "$STATUS $(verdict_of "$RESULT")" '0 closed'
	done
}

# memcheck SHIM PROGRAM: sets STATUS (66 if there was an error) and RESULT.
memcheck() {
	STATUS=0
	start_judge --timeout-ms 60000 --no-tickets
	LD_PRELOAD=$1 timeout -k 10 60 valgrind -q --error-exitcode=66 --suppressions="$BATS_TEST_TMPDIR/suppressions" \
		"$BUILD/tests/rude/$2" "$JUDGE_PORT" 1.3 >"$BATS_TEST_TMPDIR/valgrind" 2>&1 || STATUS=$?
	echo "$2, ${1:-without}:" && cat "$BATS_TEST_TMPDIR/valgrind"
	RESULT=$(judge_result)
}

# --- tests that can fail: one check taken out of a copy of the library ---

# broken NAME FILE SED: such a library, in $BROKEN.
broken() {
	local copy=$BUILD/broken/$1
	rm -rf "$copy"
	mkdir -p "$copy"
	cp -r "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	sed -i "$3" "$copy/shim/$2"
	run diff -q "$PROJECT/shim/$2" "$copy/shim/$2"
	assert_failure 1
	make -s -C "$copy" BUILD="$copy/build" WARN= all >&2
	BROKEN=$copy/build/libclosenotify.so
}

# run_broken PROGRAM
run_broken() {
	add_run client 1.3 "$BROKEN" "${JUDGE_ARGS[@]}" -- "$BUILD/tests/$1" "${ARGS[@]}"
	play_runs
	this_run "${RUNS[0]}" || true
}

@test "without the socket's cookie, bytes in a foreign socket are caught" {
	broken cookie kernel.c '/^void cn_socket_identify/,/^}/s/found == cookie/1/'
	ARGS=(100 100 free raw_first) JUDGE_ARGS=(--connections 100 --no-tickets)
	run_broken threads/reuse_race
	assert_regex "$SAID" 'foreign bytes 100$'
}

@test "without the process check, a vforked child that speaks for its parent is caught" {
	broken process ending.c '/^void cn_end_descriptor/,/^}/s/ || !cn_process_is_real()//'
	JUDGE_ARGS=(--no-tickets)
	run_broken rude/vfork_child_closes
	assert_equal "$STATUS" 99
}
