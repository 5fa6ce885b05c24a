#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where records go: files that are rotated, removed, full or shared, descriptors, pipes that nobody reads, syslog and
# journald. And what else is told: calls, callers, how many.
# shellcheck disable=SC2030,SC2031,SC2093,SC2154 # stderr comes from run; each test is a subshell of its own

bats_require_minimum_version 1.5.0

load helper

CLIENT=$BUILD/tests/plain_client
PYTHON=/usr/bin/python3

setup_file() {
	make_certs
}

setup() {
	LOG=$BATS_TEST_TMPDIR/log
	JUDGE_ARGS=(--silent-end)
	WITHIN=()
	PUBLIC=
}

teardown() {
	stop_judges
	[ -z "$PUBLIC" ] || rm -r "$PUBLIC"
}

# host NUMBER: a program that makes so many connections, one each time that `next` is called; CLOSENOTIFY_LOG is set.
host() {
	start_judge --connections "$1"
	coproc HOST { exec "${WITHIN[@]}" env "LD_PRELOAD=${PUBLIC:-$BUILD}/libclosenotify.so" "$PYTHON" "${PUBLIC:-$BATS_TEST_DIRNAME/clients}/in_turn.py" "$JUDGE_PORT"; }
	STARTED+=("$HOST_PID")
}

next() { # [WORD]: what the program gets to read
	local word
	echo "${1-}" >&"${HOST[1]}"
	read -r word <&"${HOST[0]}"
	assert_equal "$word" closed
}

host_ends() {
	local pid=$HOST_PID
	eval "exec ${HOST[1]}>&-"
	wait "$pid"
}

ends_in() { # FILE: how many records of connections, all lines of it being records
	jq -s '[.[] | select(.event == "end")] | length' "$1"
}

# --- files ---

@test "a file that is moved away is opened anew, as logrotate wants it" {
	export CLOSENOTIFY_LOG=json:$LOG
	host 4
	next
	mv "$LOG" "$LOG.1"
	next
	mv "$LOG" "$LOG.2"
	: >"$LOG" # as with logrotate's `create`
	next
	rm "$LOG"
	next
	host_ends
	assert_equal "$(ends_in "$LOG.1") $(ends_in "$LOG.2") $(ends_in "$LOG")" '1 1 1'
}

@test "a relative path stays where it was, though the program goes elsewhere" {
	mkdir "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
	start_judge
	cd "$BATS_TEST_TMPDIR/here"
	IN_TURN=$BATS_TEST_DIRNAME/clients/in_turn.py CLOSENOTIFY_LOG=json:log LD_PRELOAD=$SHIM $PYTHON -c 'import os, sys
os.chdir("../there")
os.rename("../here/log", "../here/log.1")
sys.argv = ["", sys.argv[1]]
sys.stdin = ["x"]
exec(open(os.environ["IN_TURN"]).read())' "$JUDGE_PORT" >/dev/null
	assert_equal "$(ls ../there)" ''
	assert_equal "$(ends_in log)" 1
}

@test "a directory that is gone: the old file goes on, and nothing is lost" {
	mkdir "$BATS_TEST_TMPDIR/dir"
	export CLOSENOTIFY_LOG=json:$BATS_TEST_TMPDIR/dir/log
	host 3
	next
	mv "$BATS_TEST_TMPDIR/dir" "$BATS_TEST_TMPDIR/moved"
	next
	next
	host_ends
	assert_equal "$(ends_in "$BATS_TEST_TMPDIR/moved/log")" 3
}

@test "64 processes on one file: every record whole" {
	local pids=() i
	start_judge --tls 1.3 --connections 64 --timeout-ms 60000
	for ((i = 0; i < 64; i++)); do
		CLOSENOTIFY_LOG=json:$LOG LD_PRELOAD=$SHIM "$CLIENT" --sni "client-$i.example" "$JUDGE_PORT" 1.3 5 FC >/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	assert_equal "$(jq -r 'select(.event == "end") | .sni' "$LOG" | sort -u | wc -l)" 64
	assert_equal "$(ends_in "$LOG")" 64
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

@test "a disk that is full for a while: the program goes on, and what was lost is told" {
	[ "$EUID" -eq 0 ] || skip 'only root mounts so that programs see it'
	needs_mount
	local disk=$BATS_TEST_TMPDIR/disk
	mkdir "$disk"
	export CLOSENOTIFY_LOG=json:$disk/log
	# shellcheck disable=SC2016 # for the inner shell
	WITHIN=(unshare --mount sh -c 'mount -t tmpfs -o size=8k none "$0" && exec "$@"' "$disk")
	host 11
	next
	disk=/proc/$HOST_PID/root$disk # as the program sees it
	head -c 100000 /dev/zero >"$disk/fill" 2>/dev/null || true
	for _ in 1 2 3 4 5 6 7 8; do next; done # the page that the log has begun takes some
	rm "$disk/fill"
	next
	next
	cp "$disk/log" "$LOG"
	host_ends
	# what was cut is a line of its own
	jq -cR 'fromjson? // empty' "$LOG" >"$LOG.whole"
	assert [ "$(wc -l <"$LOG")" -le "$(($(wc -l <"$LOG.whole") + 1))" ]
	assert_equal "$(($(ends_in "$LOG.whole") + $(jq -s 'map(.lost // 0) | add' "$LOG.whole")))" 11
	assert [ "$(jq -s 'map(.lost // 0) | add' "$LOG.whole")" -ge 1 ]
	run "$PROJECT/tests/validate" "$LOG.whole"
	assert_success
}

# --- files that others may touch ---

NOBODY=(setpriv --reuid=65534 --regid=65534 --clear-groups)

# in_public OWNER: a new directory that everybody can enter, $PUBLIC, and in it $DIR, which is the owner's. Library and client are
# there as well, for those who may not look into the build directory.
in_public() {
	[ -z "$PUBLIC" ] || rm -r "$PUBLIC"
	PUBLIC=$(mktemp -d)
	DIR=$PUBLIC/dir
	chmod 755 "$PUBLIC"
	mkdir "$DIR"
	chown "$1" "$DIR"
	install -m 755 "$SHIM" "$CLIENT" "$BATS_TEST_DIRNAME/clients/in_turn.py" "$PUBLIC"
}

# refused_at_start LOG WHY: it is not opened, which is told in one line, and the program goes its way.
refused_at_start() {
	start_judge --tls 1.2
	run --separate-stderr "${WITHIN[@]}" env "CLOSENOTIFY_LOG=json:$1" LD_PRELOAD="$PUBLIC/libclosenotify.so" "$PUBLIC/plain_client" \
		"$JUDGE_PORT" 1.2 5 C
	assert_success
	assert_equal "$stderr" "closenotify: CLOSENOTIFY_LOG: cannot open $1 for appending: $2; taking the default: no log"
	assert_equal "$(verdict_of "$(judge_result)")" closed
}

# taken_at_start LOG FILE: what is logged to the one is in the other.
taken_at_start() {
	start_judge --tls 1.2
	run --separate-stderr "${WITHIN[@]}" env "CLOSENOTIFY_LOG=json:$1" LD_PRELOAD="$PUBLIC/libclosenotify.so" "$PUBLIC/plain_client" \
		"$JUDGE_PORT" 1.2 5 C
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(ends_in "$2")" 1
}

# as root: in the directory of another user, who is the one to be wary of; as another user: in his own.
as_each() { # FUNCTION
	WITHIN=("${NOBODY[@]}")
	"$1" 65534
	WITHIN=()
	"$1" 0
}

needs_root() {
	[ "$(id -u)" -eq 0 ] || skip 'only root can be two users'
}

link_at_start() { # USER
	in_public 65534
	echo precious >"$PUBLIC/victim"
	chown "$1" "$PUBLIC/victim"
	ln -s ../victim "$DIR/log"
	ln -s ../made "$DIR/dangling"
	refused_at_start "$DIR/log" 'it is a link'
	refused_at_start "$DIR/dangling" 'it is a link'
	assert_equal "$(cat "$PUBLIC/victim")" precious
	assert [ ! -e "$PUBLIC/made" ]
}

@test "a link in the place of the file is not followed" {
	needs_root
	as_each link_at_start
}

@test "nor is another name of somebody's file taken, a pipe, a device, or another user's file" {
	needs_root
	in_public 65534
	echo precious >"$PUBLIC/victim"
	ln "$PUBLIC/victim" "$DIR/log"
	refused_at_start "$DIR/log" 'it has another name as well'
	assert_equal "$(cat "$PUBLIC/victim")" precious
	mkfifo "$DIR/pipe"
	exec 9<>"$DIR/pipe"
	refused_at_start "$DIR/pipe" 'it is no regular file (fd:N takes any that is open: fd:2 is standard error)'
	exec 9>&-
	refused_at_start /dev/null 'it is no regular file (fd:N takes any that is open: fd:2 is standard error)'
	chown 0 "$DIR"
	chmod 1777 "$DIR"
	"${NOBODY[@]}" touch "$DIR/theirs"
	refused_at_start "$DIR/theirs" "it is another user's"
	touch "$DIR/roots"
	chmod 666 "$DIR/roots"
	WITHIN=("${NOBODY[@]}")
	taken_at_start "$DIR/roots" "$DIR/roots"
}

link_at_rotation() { # USER
	in_public 65534
	chown "$1" "$PUBLIC"
	export CLOSENOTIFY_LOG=json:$DIR/log
	host 4
	next
	mv "$DIR/log" "$DIR/log.1"
	ln -s ../made "$DIR/log"
	next
	rm "$DIR/log"
	echo precious >"$PUBLIC/victim"
	chown "$1" "$PUBLIC/victim"
	ln -s ../victim "$DIR/log"
	next
	next
	host_ends
	assert [ ! -e "$PUBLIC/made" ]
	assert_equal "$(cat "$PUBLIC/victim")" precious
	assert_equal "$(jq -r .event "$DIR/log.1" | sort | uniq -c | xargs)" '4 end 1 warning'
	assert_equal "$(jq -r 'select(.event == "warning") | .message' "$DIR/log.1")" \
		"the log's file was moved away, and what has its name now is not opened: it is a link"
	run "$PROJECT/tests/validate" "$DIR/log.1"
	assert_success
}

@test "nor is one that is put there when logs are rotated: the old file goes on, and that is told once" {
	needs_root
	as_each link_at_rotation
}

@test "another user's log is rotated as well" {
	needs_root
	in_public 65534
	WITHIN=("${NOBODY[@]}")
	export CLOSENOTIFY_LOG=json:$DIR/log
	host 2
	next
	mv "$DIR/log" "$DIR/log.1"
	next
	host_ends
	assert_equal "$(ends_in "$DIR/log.1") $(ends_in "$DIR/log")" '1 1'
	assert_equal "$(stat -c %u "$DIR/log")" 65534
}

@test "root, and links in the way to the directory: only root's, and such as lead to a directory of their own owner" {
	local theirs='in the way is a link of another user'
	needs_root
	in_public 65534
	mkdir "$PUBLIC/etc"
	"${NOBODY[@]}" mkdir "$DIR/sub"
	"${NOBODY[@]}" ln -s ../etc "$DIR/to_etc"
	"${NOBODY[@]}" ln -s "$PUBLIC/etc" "$DIR/straight_to_etc"
	"${NOBODY[@]}" ln -s sub "$DIR/to_sub"
	"${NOBODY[@]}" ln -s loop "$DIR/loop"
	ln -s "$DIR/to_etc" "$PUBLIC/by_root_to_theirs"
	ln -s dir/sub "$PUBLIC/by_root_to_sub"
	ln -s etc "$PUBLIC/by_root"
	refused_at_start "$DIR/to_etc/log" "$theirs"
	refused_at_start "$DIR/straight_to_etc/log" "$theirs"
	refused_at_start "$DIR/to_sub/../to_etc/log" "$theirs"
	refused_at_start "$DIR/to_sub/../../etc/log" "$theirs"
	refused_at_start "$PUBLIC/by_root_to_theirs/log" "$theirs"
	assert_equal "$(ls "$PUBLIC/etc")" ''
	taken_at_start "$DIR/to_sub/log1" "$DIR/sub/log1"
	taken_at_start "$PUBLIC/by_root_to_sub/log2" "$DIR/sub/log2"
	taken_at_start "$PUBLIC/by_root/log3" "$PUBLIC/etc/log3"
	WITHIN=("${NOBODY[@]}") # who has nothing to lose
	taken_at_start "$DIR/to_sub/log4" "$DIR/sub/log4"
}

another_directory() { # USER
	in_public 65534
	chown "$1" "$PUBLIC"
	mkdir "$DIR/logs" "$PUBLIC/etc"
	chown "$1" "$DIR/logs" "$PUBLIC/etc"
	export CLOSENOTIFY_LOG=json:$DIR/logs/log
	host 2
	next
	mv "$DIR/logs" "$DIR/moved"
	ln -s ../etc "$DIR/logs"
	next
	host_ends
	assert_equal "$(ls "$PUBLIC/etc")" ''
	assert_equal "$(ends_in "$DIR/moved/log")" 2
}

@test "a directory that was put in the place of the first: nothing is opened there" {
	needs_root
	as_each another_directory
}

@test "after chroot() nothing is opened in the jail, and the old file goes on" {
	needs_root
	in_public 0
	mkdir -p "$PUBLIC/jail$DIR"
	cat >"$PUBLIC/in_turn.py" <<-'END'
		import os, socket, ssl, sys
		context = ssl._create_unverified_context()
		for line in sys.stdin:
		    if line.strip():
		        os.chroot(line.strip())
		    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
		    connection.send(b"x")
		    connection.close()
		    print("closed", flush=True)
	END
	export CLOSENOTIFY_LOG=json:$DIR/log
	host 3
	next
	next "$PUBLIC/jail"
	mv "$DIR/log" "$DIR/log.1"
	next
	host_ends
	assert_equal "$(find "$PUBLIC/jail" -type f)" ''
	assert_equal "$(ends_in "$DIR/log.1")" 3
}

# --- descriptors ---

@test "fd:N: the log goes there, also when the program closes N" {
	start_judge --tls 1.2
	CLOSENOTIFY_LOG=json:fd:9 LD_PRELOAD=$SHIM "$CLIENT" --before b20 "$JUDGE_PORT" 1.2 5 C >/dev/null 9>"$LOG"
	assert_equal "$(ends_in "$LOG")" 1
	assert_equal "$(verdict_of "$(judge_result)")" closed
}

@test "fd:N that is not there, or only to be read: one line, no log, and the program goes its way" {
	local how
	for how in '9>&-' '9</dev/null'; do
		start_judge --tls 1.2
		run --separate-stderr bash -c "CLOSENOTIFY_LOG=json:fd:9 LD_PRELOAD=\$SHIM '$CLIENT' $JUDGE_PORT 1.2 5 C $how"
		assert_success
		# shellcheck disable=SC2154 # set by run
		assert_equal "$stderr" 'closenotify: CLOSENOTIFY_LOG: cannot open fd:9 for writing; taking the default: no log'
		assert_equal "$(verdict_of "$(judge_result)")" closed
	done
}

@test "a pipe that nobody reads for a while: nothing waits, and what was lost is told" {
	local pipe=$BATS_TEST_TMPDIR/pipe
	mkfifo "$pipe"
	exec 9<>"$pipe"
	export CLOSENOTIFY_LOG=json:fd:9
	host 4
	next
	dd if=/dev/zero of="$pipe" bs=4096 oflag=nonblock count=100000 2>/dev/null || true
	next
	next
	dd if="$pipe" of="$BATS_TEST_TMPDIR/all" bs=1048576 iflag=nonblock count=100 2>/dev/null || true
	next
	host_ends
	dd if="$pipe" of="$LOG" bs=1048576 iflag=nonblock count=100 2>/dev/null || true
	exec 9>&-
	assert_equal "$(jq -r '[.event, .lost] | join(" ")' "$LOG" | xargs)" 'lost 2 end'
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

# --- daemons ---

# daemon PATH LOG-FLAG: what the daemon there gets of one connection, in a mount namespace of its own.
daemon() {
	start_judge --tls 1.2
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c '
		set -e
		mount -t tmpfs none /run
		if [ "$1" = /dev/log ]; then
			mkdir /run/dev
			for name in null zero urandom; do
				: >/run/dev/$name
				mount --bind /dev/$name /run/dev/$name
			done
			mount --bind /run/dev /dev
		fi
		coproc DAEMON { exec /usr/bin/python3 "$3" "$1" "$4"; }
		pid=$DAEMON_PID
		read -r word <&"${DAEMON[0]}"
		CLOSENOTIFY_LOG=$2 LD_PRELOAD=$SHIM "$5" --sni "$7" "$6" 1.2 5 C >/dev/null
		read -r word <&"${DAEMON[0]}"
		kill $pid' \
		- "$1" "$2" "$BATS_TEST_DIRNAME/clients/datagrams.py" "$LOG" "$CLIENT" "$JUDGE_PORT" $'a\nb' 3>&-
	assert_equal "$(verdict_of "$(judge_result)")" closed
	jq -r . "$LOG"
}

@test "syslog: a line with priority, tag and pid" {
	[ "$EUID" -eq 0 ] || skip 'only root mounts so that programs see it'
	needs_mount
	run daemon /dev/log text:syslog
	assert_success
	assert_output --regexp '^<14>closenotify\[[0-9]+\]: plain_client\[[0-9]+\] repaired: closed without close_notify id=.* sni="a.u000ab" '
	assert_equal "${#lines[@]}" 1
	run daemon /dev/log json:syslog
	assert_success
	assert_output --regexp '^<14>closenotify\[[0-9]+\]: \{"v":1,'
	tail -n +1 <<<"${output#*: }" >"$LOG.json"
	run "$PROJECT/tests/validate" "$LOG.json"
	assert_success
}

@test "journald: fields of the native protocol, one a line" {
	[ "$EUID" -eq 0 ] || skip 'only root mounts so that programs see it'
	needs_mount
	run daemon /run/systemd/journal/socket json:journal
	assert_success
	assert_line SYSLOG_IDENTIFIER=closenotify
	assert_line PRIORITY=6
	assert_line CLOSENOTIFY_VERDICT=repaired
	assert_line CLOSENOTIFY_FAULT=close_without_shutdown
	assert_line --regexp '^MESSAGE=plain_client\[[0-9]+\] repaired: closed without close_notify$'
	assert_line 'CLOSENOTIFY_SNI=a\u000ab'
	assert_equal "$(grep -cvE '^[A-Z][A-Z0-9_]*=' <<<"$output")" 0
}

@test "no daemon there: no harm, and what was lost is counted" {
	start_judge --tls 1.2
	run env CLOSENOTIFY_SUMMARY=exit CLOSENOTIFY_LOG=json:journal LD_PRELOAD="$SHIM" "$CLIENT" "$JUDGE_PORT" 1.2 5 C
	assert_success
	assert_equal "$(verdict_of "$(judge_result)")" closed
}

# --- calls, callers, how many ---

# told PROGRAM: its calls as the log has them, NAME RET a line.
told() {
	rm -f "$LOG"
	CLOSENOTIFY_LEVEL=calls CLOSENOTIFY_LOG=json:$LOG play "$SHIM" client 1.2 "$1" >/dev/null
	jq -r 'select(.event == "call" and .call != "handshake") | "\(.call) \(.ret)"' "$LOG"
	"$PROJECT/tests/validate" "$LOG" >/dev/null
}

# What the program itself says that it called, and what came of it.
own_words() {
	CLOSENOTIFY_LOG='' play '' client 1.2 "$1" >/dev/null
	sed -nE 's/^([A-Za-z_0-9]+)\(.*\) = (-?[0-9]+) errno.*/\1 \2/p' <<<"$SAID"
}

@test "calls: in their order, with what they returned, as the program itself saw it" {
	local program
	for program in close_only ssl_shutdown_then_close free_then_close close_then_free fclose_socket dup2_over; do
		assert_equal "$(told "$program" | sed 's/(.*)//')" "$(own_words "$program")"
	done
	# curl's way: the session ends before it is freed.
	assert_equal "$(told curl_order)" $'SSL_shutdown 0\nSSL_set_connect_state 0\nclose 0'
}

# In its parent's memory, but with a pid and descriptors of its own.
@test "calls: those of a vforked child are not told" {
	assert_equal "$(told vfork_child_closes)" $'SSL_shutdown 0\nSSL_free 0\nclose 0'
	assert_equal "$(jq .pid "$LOG" | sort -u | wc -l)" 1
}

@test "calls: a failed one has its error" {
	JUDGE_ARGS=(--send 100 --first fin)
	told read_to_end_then_close >"$BATS_TEST_TMPDIR/told"
	# OpenSSL 1.1.1 takes a bare end of file for an error of the system.
	assert_regex "$(jq -r 'select(.call == "read") | .error' "$LOG")" '^SSL_ERROR_(SSL|SYSCALL)$'
}

# function_of "MODULE(+0xOFFSET)": the function that the debug information has there. A return address: the call is
# before it.
function_of() {
	local module offset
	IFS='(+)' read -r module _ offset <<<"$1"
	addr2line -f -e "$RUDE/$module" "$(printf '0x%x' "$((offset - 1))")" | head -n 1
}

@test "the caller is the function that called" {
	told ssl_shutdown_then_close >/dev/null
	assert_equal "$(function_of "$(jq -r 'select(.event == "end") | .caller' "$LOG")")" main
	while read -r caller; do
		assert_equal "$(function_of "$caller")" main
	done < <(jq -r 'select(.event == "call" and .caller) | .caller' "$LOG")
}

@test "a backtrace, where it is asked for" {
	CLOSENOTIFY_BACKTRACE=on told close_only >/dev/null
	assert_equal "$(function_of "$(jq -r 'select(.event == "end") | .backtrace[0]' "$LOG")")" main
	assert [ "$(jq 'select(.event == "end") | .backtrace | length' "$LOG")" -ge 2 ]
	told close_only >/dev/null
	assert_equal "$(jq 'select(.event == "end") | .backtrace' "$LOG")" null
}

@test "a summary at exit, and in a program that runs on with the next end that is due" {
	local ends=0
	export CLOSENOTIFY_LOG=json:$LOG CLOSENOTIFY_SUMMARY=exit
	host 3
	next
	next
	next
	host_ends
	assert_equal "$(jq -c 'select(.event == "summary") | [.connections, .verdicts, .lost]' "$LOG")" '[3,{"repaired":3},0]'
	assert_equal "$(jq -r .event "$LOG" | tail -n 1)" summary
	rm "$LOG"
	CLOSENOTIFY_SUMMARY=1
	host 1000
	until grep -qs '"event":"summary"' "$LOG"; do # it is due once a second
		MOMENT=0.1 a_moment
		next
		ends=$((ends + 1))
	done
	next
	host_ends
	assert_equal "$(jq -s -c '[.[] | select(.event == "summary") | .connections] | [first, last]' "$LOG")" "[$ends,$((ends + 1))]"
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

@test "a fork child counts and tells its own" {
	export CLOSENOTIFY_LOG=json:$LOG CLOSENOTIFY_SUMMARY=exit
	play "$SHIM" server 1.2 forked_server
	assert_equal "$(jq -s -c '[.[] | select(.event == "summary") | .connections] | add' "$LOG")" \
		"$(jq -s '[.[] | select(.event == "end")] | length' "$LOG")"
}

# --- who reads them ---

@test "closenotify-report understands all that the library writes" {
	local program all=$BATS_TEST_TMPDIR/all
	for program in close_only ssl_shutdown_then_close exit_0 linger_zero async_mode handshake_given_up forked_server; do
		CLOSENOTIFY_SUMMARY=exit CLOSENOTIFY_BACKTRACE=on told "$program" >/dev/null
		cat "$LOG" >>"$all"
	done
	run "$PROJECT/scripts/closenotify-report" --json "$all"
	assert_failure 1 # truncations were found
	assert_equal "$(jq -c '[.broken.lines, .not_understood]' <<<"$output")" '[0,{}]'
	assert_equal "$(jq .connections <<<"$output")" \
		"$(jq -s '[.[] | select(.event == "end" and .verdict != "held_elsewhere")] | length' "$all")"
}

@test "static probes: a library that was built before their header came is built anew" {
	local make=(make -s -C "$PROJECT" BUILD="$BATS_TEST_TMPDIR/build" WARN=) headers=$BATS_TEST_TMPDIR/include
	cp -rs /usr/include "$headers"
	find "$headers" -name sdt.h -delete
	CPATH='' "${make[@]}" -j "$(nproc)" "CC=cc -nostdinc -isystem $(cc -print-file-name=include) -isystem $headers/$(cc -print-multiarch) -isystem $headers" all
	run readelf -n "$BATS_TEST_TMPDIR/build/libclosenotify.so"
	refute_output --partial stapsdt
	"${make[@]}" -j "$(nproc)" all
	run readelf -n "$BATS_TEST_TMPDIR/build/libclosenotify.so"
	assert_output --partial stapsdt
	run make -C "$PROJECT" BUILD="$BATS_TEST_TMPDIR/build" WARN= all
	refute_output --partial ' -c '
}

@test "static probes: gdb stops at both, and sees what the log will say" {
	start_judge --tls 1.2
	# shellcheck disable=SC2016 # gdb's own variables
	run gdb -batch -nx -iex 'set debuginfod enabled off' -ex 'set breakpoint pending on' \
		-ex "set exec-wrapper env LD_PRELOAD=$SHIM CLOSENOTIFY_LOG=json:$LOG" \
		-ex 'break -probe-stap closenotify:decision' -ex 'break -probe-stap closenotify:outcome' \
		-ex run -ex 'printf "decision %d %s %s %d\n", $_probe_arg1, $_probe_arg2, $_probe_arg3, $_probe_arg4' \
		-ex continue -ex 'printf "outcome %s %s %s\n", $_probe_arg1, $_probe_arg2, $_probe_arg3' -ex continue \
		--args "$RUDE/close_only" "$JUDGE_PORT" 1.2
	assert_success
	assert_line --regexp '^decision [0-9]+ close repaired 7$'
	assert_line "outcome $(jq -r 'select(.event == "end") | [.verdict, .fault, .reason] | join(" ")' "$LOG")"
}
