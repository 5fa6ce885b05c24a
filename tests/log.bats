#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The log: a record per connection, what stands in it, and a descriptor that is nobody's trouble.
# plain_client --help explains its letters.
# shellcheck disable=SC2030,SC2031,SC2094 # each test is a subshell of its own

bats_require_minimum_version 1.5.0

load helper

CLIENT=$BUILD/tests/plain_client

KEYS='v event time host pid program version id role tls local peer sni verdict fault our_end peer_end cause caller did mode action delivery reason sent received unread unacknowledged held age_us ending_us resumable'

setup_file() {
	make_certs
}

setup() {
	local flag
	for flag in MODE LOG LEVEL BACKTRACE SUMMARY WAIT_MS TIMEOUT_MS LINGER_MS QUIET EXIT ONLY; do
		unset "CLOSENOTIFY_$flag"
	done
	LOG=$BATS_TEST_TMPDIR/log
	OUT=$BATS_TEST_TMPDIR/out # of the client
	ERR=$BATS_TEST_TMPDIR/err
}

# alone COMMAND...: without the descriptors that bats holds for itself.
alone() {
	(exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && exec "$@")
}

# What the background tells later, where the kernel grants no filter, is linger.bats's matter.
only_ends() {
	local file
	for file in "$LOG" "$ERR" "$OUT"; do
		[ ! -f "$file" ] || sed -i '/"event":"after"/d; / kept open after the program.s close /d' "$file"
	done
}

# client LOG-FLAG [OPTION...] DEEDS: runs it with the shim; TLS 1.2 or $VERSION; the status is its own.
client() {
	local status=0
	start_judge --tls "${VERSION-1.2}" --no-tickets
	CLOSENOTIFY_LOG=$1 LD_PRELOAD=$SHIM alone "$CLIENT" "${@:2:$#-2}" "$JUDGE_PORT" "${VERSION-1.2}" 5 "${@: -1}" \
		>"$OUT" 2>"$ERR" || status=$?
	only_ends
	return "$status"
}

# record KEY...: their values in the one record of $LOG.
record() {
	only_ends
	assert_equal "$(wc -l <"$LOG")" 1
	# shellcheck disable=SC2016 # jq's own variables
	jq -r '[.[$ARGS.positional[]] | tostring] | join(" ")' "$LOG" --args "$@"
}

closed() {
	assert_equal "$(verdict_of "$(judge_result)")" closed
}

# --- what stands in a record ---

@test "silent unless asked" {
	client '' C
	closed
	assert_equal "$(cat "$ERR")" ''
	assert_equal "$(grep -c . "$OUT")" 6
}

@test "json: a line with the documented keys, in their order, and nothing else" {
	local VERSION
	for VERSION in 1.2 1.3; do
		rm -f "$LOG"
		client "json:$LOG" --sni www.example FC
		assert_equal "$(jq -r 'keys_unsorted | join(" ")' "$LOG")" "$KEYS"
		assert_equal "$(record v program role tls peer sni cause did mode action reason)" \
			"1 plain_client client TLSv$VERSION 127.0.0.1:$JUDGE_PORT www.example close nothing fix close_notify+half_close repaired"
		assert_equal "$(record host event our_end peer_end)" "$(uname -n) end close_notify open"
		run "$PROJECT/tests/validate" "$LOG"
		assert_success
		assert_regex "$(record time)" '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$'
		closed
	done
}

@test "text: the same in one line" {
	client "text:$LOG" --sni www.example FC
	assert_equal "$(wc -l <"$LOG")" 1
	assert_regex "$(cat "$LOG")" "^[-0-9]{10}T[0-9:.]{15}Z closenotify: plain_client\[[0-9]+\] repaired: closed without \
close_notify id=[0-9]+-[0-9a-f]+ role=client tls=TLSv1.2 local=127.0.0.1:[0-9]+ peer=127.0.0.1:$JUDGE_PORT sni=\"www.example\" \
verdict=repaired fault=close_without_shutdown our_end=close_notify peer_end=open cause=close caller=\"plain_client\(\+0x[0-9a-f]+\)\" \
did=nothing mode=fix action=close_notify\+half_close delivery=(-|kernel|background) reason=repaired sent=[0-9]+ received=[0-9]+ unread=0 \
unacknowledged=[0-9]+ held=0 age_us=[0-9]+ ending_us=[0-9]+ resumable=(true|false)\$"
}

@test "the time is now, the pid is the program's" {
	local before after
	before=$(date -u +%Y-%m-%dT%H:%M:%S)
	start_judge --tls 1.2
	CLOSENOTIFY_LOG="json:$LOG" LD_PRELOAD=$SHIM "$CLIENT" "$JUDGE_PORT" 1.2 5 C >"$OUT" &
	wait $!
	after=$(date -u +%Y-%m-%dT%H:%M:%S.999999Z)
	assert_equal "$(record pid)" $!
	assert [ ! "$(record time)" \< "$before" ]
	assert [ ! "$(record time)" \> "$after" ]
}

@test "cause, deed and reason are those of this end" {
	local deeds wanted
	while read -r deeds wanted; do
		rm -f "$LOG"
		client "json:$LOG" "$deeds" || true
		assert_equal "$deeds: $(record cause did action reason)" "$deeds: $wanted"
	done <<-END
		C close nothing close_notify+half_close repaired
		CF close nothing close_notify+half_close repaired
		FC close nothing close_notify+half_close repaired
		d dup2 nothing close_notify+half_close repaired
		g close_range nothing close_notify+half_close repaired
		a close_range nothing close_notify+half_close repaired
		I fclose nothing close_notify+half_close repaired
		X0 exit nothing close_notify+half_close repaired
		E0 exit nothing close_notify+half_close repaired
		SC close close_notify half_close clean
		SFC close close_notify half_close clean
		SX0 exit close_notify half_close clean
		X3 exit nothing none unclean_exit
		SX3 exit close_notify half_close clean
		L0C close nothing none abort_requested
		QC close nothing none quiet
		QFC close nothing none quiet
		T1C close nothing close_notify+half_close repaired
	END
}

@test "the peer's close_notify and unread bytes are told" {
	start_judge --tls 1.2 --send 100 --first both
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM "$CLIENT" "$JUDGE_PORT" 1.2 5 zFC >"$OUT"
	assert_equal "$(record peer_end unread)" 'close_notify 0'
	rm "$LOG"
	start_judge --tls 1.2 --send 100 --first both
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM "$CLIENT" "$JUDGE_PORT" 1.2 5 eC >"$OUT"
	assert_equal "$(record peer_end)" unread
	assert [ "$(record unread)" -gt 100 ]
}

# addresses PROGRAM REGEX: of this side and the peer, as the record has them. A %s in it is the peer's port.
addresses() {
	rm -f "$LOG"
	CLOSENOTIFY_LOG=json:$LOG play "$SHIM" client 1.3 "$1"
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_regex "$(jq -r 'select(.event == "end") | "\(.local) \(.peer)"' "$LOG")" "^${2/\%s/$PORT}\$"
}

@test "the addresses are told, of IPv4 and unix sockets" {
	addresses close_only '127.0.0.1:[0-9]+ 127.0.0.1:%s'
	addresses unix_socketpair 'unix unix'
}

@test "the addresses are told, of IPv4 in IPv6" {
	needs_ipv6
	addresses mapped_address '.::ffff:127.0.0.1.:[0-9]+ .::ffff:127.0.0.1.:%s'
}

@test "a connection without a handshake has its record too" {
	start_judge
	CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM "$CLIENT" --no-handshake "$JUDGE_PORT" 1.2 0 w1CF >"$OUT" || true
	run cat "$LOG"
	assert_equal "$(jq -r .reason "$LOG")" not_established
	assert_equal "$(jq -r .action "$LOG")" none
}

@test "one record per connection, however often it ends" {
	local deeds
	for deeds in WRFCFX0 CCCF SWSRSFC FX0 CX0 FCX0 CE0 'FCP(X0)X0' DCcF UfFC YC X0; do
		[ "$deeds" = WRFCFX0 ] && deeds=iWRFCX0
		rm -f "$LOG"
		client "json:$LOG" "i$deeds"
		assert_equal "$deeds: $(grep -c '"event":"end"' "$LOG")" "$deeds: 1"
	done
}

@test "a record is one write" {
	start_judge --tls 1.3
	CLOSENOTIFY_LOG=json:$LOG strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=write,writev,pwrite64 \
		-E LD_PRELOAD="$SHIM" "$CLIENT" --sni www.example "$JUDGE_PORT" 1.3 5 FC >"$OUT"
	only_ends
	grep '"{\\"v\\":1,\\"event\\":\\"end\\"' "$BATS_TEST_TMPDIR/trace" >"$OUT"
	assert_equal "$(wc -l <"$OUT")" 1
	assert_regex "$(cat "$OUT")" " write\([0-9]+, .*= $(wc -c <"$LOG")\$"
}

# --- FILE ---

@test "FILE: %p is the pid, %n the program, any other % itself" {
	client "json:$BATS_TEST_TMPDIR/%n.%p.100%.%x" C
	LOG=$(echo "$BATS_TEST_TMPDIR"/plain_client.*)
	assert_equal "$LOG" "$BATS_TEST_TMPDIR/plain_client.$(record pid).100%.%x"
}

@test "FILE is appended to" {
	client "json:$LOG" C
	client "json:$LOG" C
	assert_equal "$(jq -s length "$LOG")" 2
}

@test "FILE that can't be opened: one line, no log, and the program goes its way" {
	local file why
	mkfifo "$BATS_TEST_TMPDIR/fifo" # without a reader, open would wait
	while read -r file why; do
		client "json:$file" C
		closed
		assert_equal "$(cat "$ERR")" "closenotify: CLOSENOTIFY_LOG: cannot open $file for appending${why:+: $why}; taking the default: no log"
	done <<-END
		$BATS_TEST_TMPDIR/none/log
		$BATS_TEST_TMPDIR it is no regular file (fd:N takes any that is open: fd:2 is standard error)
		$BATS_TEST_TMPDIR/fifo it is no regular file (fd:N takes any that is open: fd:2 is standard error)
		/dev/full it is no regular file (fd:N takes any that is open: fd:2 is standard error)
		$BATS_TEST_TMPDIR/err/x
	END
	client "$(printf 'json:/nonexistent/\n\e[2J')" C
	assert_equal "$(cat "$ERR")" \
		'closenotify: CLOSENOTIFY_LOG: cannot open /nonexistent/\u000a\u001b[2J for appending; taking the default: no log'
}

@test "FILE: the longest name there is, and one beyond" {
	local name
	printf -v name '%0250d' 0
	client "json:$BATS_TEST_TMPDIR/$name" C
	LOG=$BATS_TEST_TMPDIR/$name
	assert_equal "$(record reason)" repaired
	printf -v name '%05000d' 0
	client "json:$BATS_TEST_TMPDIR/$name" C
	closed
	assert_equal "$(wc -l <"$ERR")" 1
	assert_equal "$(grep -c 'cannot open' "$ERR")" 1
}

@test "FILE: a long path is kept or refused, never cut" {
	local path name length
	mkdir "$BATS_TEST_TMPDIR/dir"
	path=$BATS_TEST_TMPDIR/dir/
	printf -v name 'x%.0s' {1..200}
	for length in 1880 3800 4000 5000; do
		while [ "${#path}" -lt "$length" ]; do path+=./; done
		rm -f "$BATS_TEST_TMPDIR/dir/"*
		client "json:$path$name" C
		closed
		# the file that was asked for, or a complaint and none
		run ls "$BATS_TEST_TMPDIR/dir"
		[ "$output" = "$name" ] || assert_equal "$length: $output$(grep -c 'cannot open' "$ERR")" "$length: 1"
	done
}

@test "default: stderr" {
	local kind
	for kind in text json; do
		client "$kind" C
		assert_equal "$(wc -l <"$ERR")" 1
		grep -q repaired "$ERR"
	done
}

# --- what comes from outside ---

@test "a hostile SNI is escaped" {
	client "json:$LOG" --sni $'a\nb\e[2J"\\\x7f\xc3\xbc\r' C
	assert_equal "$(record sni | od -An -c | tr -d ' \n')" "$(printf 'a\nb\e[2J"\\\x7f\xc3\x83\xc2\xbc\r\n' | od -An -c | tr -d ' \n')"
	assert_equal "$(grep -cP '[^\x20-\x7e]' "$LOG")" 0
	rm "$LOG"
	client "text:$LOG" --sni $'a\nb\e[2J x=y' C
	assert_equal "$(wc -l <"$LOG")" 1
	grep -qF 'a\u000ab\u001b[2J' "$LOG"
	assert_equal "$(grep -cP '[^\x20-\x7e]' "$LOG")" 0
}

@test "text: a value can't pass for another field" {
	client "text:$LOG" --sni 'x reason=clean' C
	assert_equal "$(sed 's/"[^"]*"//g' "$LOG" | grep -o ' reason=[a-z_]*')" ' reason=repaired'
}

@test "a hostile program name is escaped, and names no other directory" {
	local name=$'evil\n\e[2J"\\%p'
	ln -s "$CLIENT" "$BATS_TEST_TMPDIR/$name"
	CLIENT=$BATS_TEST_TMPDIR/$name
	client "json:$LOG" C
	assert_equal "$(record program)" "$name"
	rm "$LOG"
	client "text:$LOG" C
	grep -qF 'closenotify: evil\u000a\u001b[2J\u0022\u005c%p[' "$LOG"
	assert_equal "$(wc -l <"$LOG")" 1
	mkdir "$BATS_TEST_TMPDIR/dir"
	client "json:$BATS_TEST_TMPDIR/dir/%n" C
	assert [ -e "$BATS_TEST_TMPDIR/dir/$name" ]
}

@test "the longest record there can be is whole" {
	local name sni
	printf -v name '\n%.0s' {1..200}
	printf -v sni '\e%.0s' {1..255}
	ln -s "$CLIENT" "$BATS_TEST_TMPDIR/$name"
	CLIENT=$BATS_TEST_TMPDIR/$name
	client "json:$LOG" --sni "$sni" C
	assert_equal "$(jq -r 'keys_unsorted | join(" ")' "$LOG")" "$KEYS"
	assert [ "$(wc -c <"$LOG")" -le 4096 ] # PIPE_BUF: one write to a pipe stays whole
	rm "$LOG"
	client "text:$LOG" --sni "$sni" C
	assert_regex "$(cat "$LOG")" ' resumable=(true|false)$'
}

# --- the descriptor ---

@test "the log survives a program that closes everything, in every way" {
	local deeds
	for deeds in b l y M bM Ml lM yMb M1100; do
		rm -f "$LOG"
		client "json:$LOG" --before "$deeds" C
		closed
		assert_equal "$deeds: $(record reason)" "$deeds: repaired"
		client json --before "$deeds" C
		assert_equal "$deeds: $(grep -c repaired "$ERR")" "$deeds: 1"
	done
}

@test "the program's closing finds as many descriptors as without the log" {
	local deeds
	for deeds in b M M1100; do
		start_judge --tls 1.2 --connections 2
		"$CLIENT" --before "$deeds" "$JUDGE_PORT" 1.2 0 C >"$BATS_TEST_TMPDIR/bare"
		CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM "$CLIENT" --before "$deeds" "$JUDGE_PORT" 1.2 0 C >"$OUT"
		diff "$BATS_TEST_TMPDIR/bare" "$OUT"
	done
}

# numbers LIMIT DEEDS [NAME=VALUE...]: which ones the program gets that takes all there are.
numbers() {
	(
		start_judge --tls 1.2
		ulimit -n "$1"
		alone env "${@:3}" "$CLIENT" --before "$2" "$JUDGE_PORT" 1.2 0 C </dev/null | sed -n 's/^J: got \([0-9]*\) to \([0-9]*\)/\1 \2/p' |
			while read -r from to; do seq "$from" "$to"; done
	)
}

# The log takes one number, 24 below the program's limit or below 1024; every other is the program's as before.
@test "the program gets the numbers it would have got, but one high one" {
	local limit
	for limit in 64 256 1024 2048; do
		numbers "$limit" J >"$BATS_TEST_TMPDIR/bare"
		numbers "$limit" J LD_PRELOAD="$SHIM" "CLOSENOTIFY_LOG=json:$LOG" >"$BATS_TEST_TMPDIR/with"
		run diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
		assert_equal "$limit: $(grep '^[<>]' <<<"$output")" "$limit: < $(((limit < 1024 ? limit : 1024) - 24))"
		numbers "$limit" J LD_PRELOAD="$SHIM" >"$BATS_TEST_TMPDIR/with"
		diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
	done
}

@test "moved away by dup2, the log still stands above what the program uses" {
	local limit
	for limit in 1024 2048; do
		numbers "$limit" MJ >"$BATS_TEST_TMPDIR/bare"
		numbers "$limit" MJ LD_PRELOAD="$SHIM" "CLOSENOTIFY_LOG=json:$LOG" >"$BATS_TEST_TMPDIR/with"
		run diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/with"
		assert_regex "$limit: $(grep '^[<>]' <<<"$output")" "^$limit: < 10[0-9][0-9]\$"
	done
}

@test "stderr closed and its number reused by a socket: nothing is written into it" {
	client json --before vo Cm
	closed
	grep -q '^o: it is 2 and 3' "$OUT"
	grep -q '^m: recv from the pair = -1, errno 11' "$OUT"
	# it was stderr that was asked for, and that is still there
	assert_equal "$(grep -c repaired "$ERR")" 1
}

@test "stderr closed from the start: no log, no harm" {
	start_judge --tls 1.2
	CLOSENOTIFY_LOG=json LD_PRELOAD=$SHIM "$CLIENT" --before t20 "$JUDGE_PORT" 1.2 5 Co >"$OUT" 2>&-
	closed
	grep -q '^-: socket = 2,' "$OUT"
}

@test "a program that is executed in its place does not inherit the log" {
	run bash -c 'exec 3>&-; CLOSENOTIFY_LOG=json:$1 LD_PRELOAD=$2 exec env -u LD_PRELOAD ls -l /proc/self/fd' - "$LOG" "$SHIM"
	refute_output --partial "$LOG"
	run bash -c 'CLOSENOTIFY_LOG=json:$1 LD_PRELOAD=$2 exec ls -l /proc/self/fd' - "$LOG" "$SHIM"
	assert_output --partial "$LOG" # and the first would have shown it
}

# --- the program never pays for the log ---

# broken_pipe COMMAND...: with a stderr whose reader is gone.
broken_pipe() {
	local status=0
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe" 6>"$BATS_TEST_TMPDIR/pipe" 5>&-
	rm "$BATS_TEST_TMPDIR/pipe"
	"$@" 2>&6 6>&- || status=$?
	exec 6>&-
	return "$status"
}

@test "stderr is a pipe without a reader: the program does not die of it" {
	start_judge --tls 1.2
	run broken_pipe sh -c 'echo x >&2; exit 0' # the fault is there to meet
	assert_failure
	status=0
	broken_pipe env CLOSENOTIFY_LOG=json LD_PRELOAD="$SHIM" "$CLIENT" "$JUDGE_PORT" 1.2 5 FC >"$OUT" || status=$?
	assert_equal "$status" 0
	closed
}

@test "stderr is a full pipe: the program does not wait for it" {
	local status=0
	start_judge --tls 1.2
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe"
	dd if=/dev/zero of="$BATS_TEST_TMPDIR/pipe" bs=4096 oflag=nonblock count=100000 2>/dev/null || true
	CLOSENOTIFY_LOG=json LD_PRELOAD="$SHIM" timeout -k 10 20 "$CLIENT" "$JUDGE_PORT" 1.2 5 FC >"$OUT" 2>&5 5>&- || status=$?
	exec 5>&-
	assert_equal "$status" 0
	closed
}

@test "FILE has reached the size that the program is allowed: the program does not die of it" {
	start_judge --tls 1.2
	run bash -c 'ulimit -f 0; echo x >"$1"' - "$BATS_TEST_TMPDIR/file" # the fault is there to meet
	assert_failure
	status=0
	# in a shell of its own, as bats writes files too
	bash -c 'set -o pipefail; (ulimit -f 0 && CLOSENOTIFY_LOG=json:$1 LD_PRELOAD=$2 exec "${@:3}") | cat' - \
		"$LOG" "$SHIM" "$CLIENT" "$JUDGE_PORT" 1.2 5 FC >"$OUT" || status=$?
	assert_equal "$status" 0
	grep -q '^C: close = 0' "$OUT"
	closed
}

@test "the disk is full: the program goes its way" {
	[ -w /dev/full ] || skip 'no /dev/full'
	client json:fd:20 FC 20>/dev/full
	closed
	assert_equal "$(cat "$ERR")" ''
	client "json:$LOG" FC
	grep -v '^[mt]:' "$OUT" >"$BATS_TEST_TMPDIR/good"
	client json:fd:20 FC 20>/dev/full
	diff "$BATS_TEST_TMPDIR/good" "$OUT"
}
