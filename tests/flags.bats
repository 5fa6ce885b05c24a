#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The environment flags: what each accepts, what a bad value costs (one line), and that off, observe and secure
# execution leave a program alone. plain_client --help explains its letters.
# shellcheck disable=SC2030,SC2031,SC2094,SC2154 # each test is a subshell of its own; stderr comes from run

bats_require_minimum_version 1.5.0

load helper

CLIENT=$BUILD/tests/plain_client

setup_file() {
	make_certs
}

setup() {
	local flag
	for flag in CONF MODE LOG LEVEL BACKTRACE SUMMARY WAIT_MS TIMEOUT_MS LINGER_MS QUIET EXIT ONLY; do
		unset "CLOSENOTIFY_$flag"
	done
	PUBLIC=
}

teardown() {
	stop_judges
	[ -z "$PUBLIC" ] || rm -r "$PUBLIC"
}

# host FLAG=VALUE...: a program that has nothing to do with TLS runs with these flags and ends with its own status.
host() {
	run --separate-stderr env "$@" LD_PRELOAD="$SHIM" /bin/sh -c 'echo hello; exit 7'
	assert_equal "$status" 7
	assert_output hello
}

accepts() { # FLAG VALUE...
	local value
	for value in "${@:2}"; do
		host "$1=$value"
		assert_equal "$1=$value: $stderr" "$1=$value: "
	done
}

refuses() { # FLAG ACCEPTED DEFAULT VALUE...
	local flag=$1 accepted=$2 default=$3 value
	for value in "${@:4}"; do
		host "$flag=$value"
		assert_equal "$stderr" "closenotify: $flag=$value is not accepted ($accepted); taking the default: $default"
	done
}

# verdict [FLAG=VALUE...] DEEDS: how a judge hears the client end that has the shim and these flags.
# VERSION (1.2), SERVER (judge options), CLIENT (program) and bare=1 (without the shim) change the setting.
verdict() {
	local preload=$SHIM server=()
	[ -z "${bare-}" ] || preload=
	read -ra server <<<"${SERVER---no-tickets}"
	start_judge --tls "${VERSION-1.2}" "${server[@]}"
	env "${@:1:$#-1}" LD_PRELOAD="$preload" "$CLIENT" "$JUDGE_PORT" "${VERSION-1.2}" 5 "${@: -1}" \
		>"$BATS_TEST_TMPDIR/client" 2>"$BATS_TEST_TMPDIR/client.err" || true
	verdict_of "$(judge_result)"
}

# hears WANTED [FLAG=VALUE...] DEEDS: that verdict with the shim, in both versions; without it, truncated.
hears() {
	local VERSION
	for VERSION in 1.2 1.3; do
		assert_equal "$VERSION bare: $(bare=1 verdict "${@: -1}")" "$VERSION bare: truncated"
		assert_equal "$VERSION ${*:2}: $(verdict "${@:2}")" "$VERSION ${*:2}: $1"
	done
}

# --- what is accepted ---

@test "every flag takes the values it names, silently" {
	accepts CLOSENOTIFY_MODE fix observe off
	accepts CLOSENOTIFY_LOG off text json "text:$BATS_TEST_TMPDIR/log" "json:$BATS_TEST_TMPDIR/log" text:fd:1 json:syslog text:journal
	accepts CLOSENOTIFY_LEVEL ends calls
	accepts CLOSENOTIFY_BACKTRACE off on
	accepts CLOSENOTIFY_SUMMARY off exit 1 86400
	accepts CLOSENOTIFY_WAIT_MS 0 1 007 3600000
	accepts CLOSENOTIFY_TIMEOUT_MS 0 1 3600000
	accepts CLOSENOTIFY_LINGER_MS 0 1 3600000
	accepts CLOSENOTIFY_QUIET honour override
	accepts CLOSENOTIFY_EXIT clean always
	accepts CLOSENOTIFY_ONLY sh 's*' '*' 'other,[a-z]?,sh' nothing
}

@test "an empty flag is an unset flag" {
	local flag
	for flag in CONF MODE LOG LEVEL BACKTRACE SUMMARY WAIT_MS TIMEOUT_MS LINGER_MS QUIET EXIT ONLY; do
		accepts "CLOSENOTIFY_$flag" ''
	done
	hears closed CLOSENOTIFY_MODE= CLOSENOTIFY_LOG= CLOSENOTIFY_ONLY= CLOSENOTIFY_EXIT= CLOSENOTIFY_QUIET= C
}

@test "a bad value costs one line that names the flag, the value and what is accepted" {
	refuses CLOSENOTIFY_MODE 'fix, observe, off' fix FIX on 'fix ' 1 fixx
	refuses CLOSENOTIFY_LOG 'off, text or json, and after a colon FILE, fd:N, syslog or journal' 'no log' xml text: json: TEXT \
		/tmp/file textfile syslog journal text:fd: text:fd:x text:fd:-1 json:fd:99999999999
	refuses CLOSENOTIFY_LEVEL 'ends, calls' ends all 1 end
	refuses CLOSENOTIFY_BACKTRACE 'off, on' off yes 1
	refuses CLOSENOTIFY_SUMMARY 'off, exit, seconds from 1 to 86400' off 0 on 86401 1.5 -1
	refuses CLOSENOTIFY_WAIT_MS 'milliseconds, 0 to 3600000' 0 -1 +1 1.5 5s ' 5' 0x10 3600001 99999999999999999999
	refuses CLOSENOTIFY_TIMEOUT_MS 'milliseconds, 0 to 3600000' 30000 -1 long 3600001
	refuses CLOSENOTIFY_LINGER_MS 'milliseconds, 0 to 3600000' 5000 -1 long 3600001
	refuses CLOSENOTIFY_QUIET 'honour, override' honour yes honor 1
	refuses CLOSENOTIFY_EXIT 'clean, always' clean yes 0 never
	refuses CLOSENOTIFY_ONLY 'globs of program names, separated by commas' 'every program' a,,b ,a
}

@test "a variable of the library's that is no flag costs one line; an empty one, the commands' own and a service's cost none" {
	local name flags='CLOSENOTIFY_CONF, MODE, LOG, LEVEL, BACKTRACE, SUMMARY, WAIT_MS, LINGER_MS, TIMEOUT_MS, QUIET, EXIT, ONLY'
	for name in WAITMS OBSERVE LOGS MOD LIBRARYS mode ''; do
		host "CLOSENOTIFY_$name=text" CLOSENOTIFY_LEVEL=calls
		assert_equal "$stderr" "closenotify: CLOSENOTIFY_$name is no flag ($flags); it is left out"
		accepts "CLOSENOTIFY_$name" ''
	done
	host CLOSENOTIFY_WAITMS=5 CLOSENOTIFY_LEVEL=x $'CLOSENOTIFY_\e[2J=1'
	assert_equal "${#stderr_lines[@]}" 3
	assert_equal "$(LC_ALL=C tr -d '\n -~' <<<"$stderr")" ''
	host CLOSENOTIFY_LIBRARY=/x CLOSENOTIFY_JOURNALCTL=-u CLOSENOTIFY_BUILT=/x CLOSENOTIFY_SERVICE_HOST=10.0.0.1 \
		CLOSENOTIFY_PORT=tcp://10.0.0.1:443 CLOSENOTIFY_PORT_443_TCP=x CLOSENOTIFY=1 XCLOSENOTIFY_WAITMS=5
	assert_equal "$stderr" ''
	# where the library does nothing it says nothing of that
	host CLOSENOTIFY_WAITMS=5 CLOSENOTIFY_ONLY=curl
	assert_equal "$stderr" ''
	host CLOSENOTIFY_WAITMS=5 CLOSENOTIFY_MODE=off
	assert_equal "$stderr" ''
}

@test "several bad values cost a line each" {
	host CLOSENOTIFY_MODE=a CLOSENOTIFY_LOG=b CLOSENOTIFY_WAIT_MS=c CLOSENOTIFY_TIMEOUT_MS=d CLOSENOTIFY_LINGER_MS=e \
		CLOSENOTIFY_QUIET=f CLOSENOTIFY_EXIT=g CLOSENOTIFY_ONLY=,
	assert_equal "${#stderr_lines[@]}" 8
	assert_equal "$(printf '%s\n' "${stderr_lines[@]}" | sort -u | grep -c '^closenotify: CLOSENOTIFY_[A-Z_]*=[a-g,] is not accepted')" 8
}

@test "a hostile value is escaped and cut, in one line and one write" {
	local long
	host CLOSENOTIFY_MODE=$'fix\n\e[2J\x7f"\\\xc3\xbc'
	assert_equal "${#stderr_lines[@]}" 1
	assert_regex "$stderr" '^closenotify: CLOSENOTIFY_MODE=fix\\u000a\\u001b\[2J\\u007f\\u0022\\u005c\\u00c3\\u00bc is not'
	printf -v long '%02000d' 0
	host CLOSENOTIFY_QUIET="$long"
	assert_equal "${#stderr_lines[@]}" 1
	assert_regex "$stderr" '^closenotify: CLOSENOTIFY_QUIET=0{64} is not accepted \(honour, override\)'
}

@test "a bad value harms nobody whose stderr is closed, or a pipe without a reader" {
	local status=0
	env CLOSENOTIFY_MODE=bad LD_PRELOAD="$SHIM" /bin/sh -c 'exit 7' 2>&- || status=$?
	assert_equal "$status" 7
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 5<>"$BATS_TEST_TMPDIR/pipe" 6>"$BATS_TEST_TMPDIR/pipe" 5>&-
	status=0
	env CLOSENOTIFY_MODE=bad LD_PRELOAD="$SHIM" /bin/sh -c 'exit 7' 2>&6 6>&- || status=$?
	exec 6>&-
	assert_equal "$status" 7
}

@test "a bad value leaves the default" {
	hears closed CLOSENOTIFY_MODE=bad C
	hears closed CLOSENOTIFY_ONLY=a,,b C
	hears truncated CLOSENOTIFY_QUIET=bad Q1C
	hears truncated CLOSENOTIFY_EXIT=bad X3
	hears closed CLOSENOTIFY_LOG=bad C
	assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/client.err")" 1
}

@test "MODE=help lists every flag with what it accepts, and does nothing else" {
	local flag
	host CLOSENOTIFY_MODE=help CLOSENOTIFY_LOG=bad
	for flag in CONF MODE LOG LEVEL BACKTRACE SUMMARY WAIT_MS TIMEOUT_MS LINGER_MS QUIET EXIT ONLY; do
		assert_equal "$(grep -c "^CLOSENOTIFY_$flag\$" <<<"$stderr")" 1
	done
	assert_equal "$(grep -c 'accepted: .*; default: ' <<<"$stderr")" 12
	hears truncated CLOSENOTIFY_MODE=help C
}

# --- the file ---

# conf LINE...: the file that CLOSENOTIFY_CONF names from now on.
conf() {
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/conf"
	export CLOSENOTIFY_CONF=$BATS_TEST_TMPDIR/conf
}

@test "a file sets the flags, for all programs or by their names, and the environment goes before it" {
	conf '# defaults' '' '  Exit   always' "log json:$BATS_TEST_TMPDIR/log" '[curl, wget]' 'mode off'
	hears closed X3 # always, and taken in any case of letters
	assert_equal "$(jq -r .program "$BATS_TEST_TMPDIR/log" | sort -u)" plain_client
	hears truncated CLOSENOTIFY_EXIT=clean X3
	conf 'mode off' '[plain_*,x]' 'mode fix' 'log text' '[x]' 'log json'
	hears closed C
	run cat "$BATS_TEST_TMPDIR/client.err"
	assert_output --partial 'repaired: closed without close_notify'
	hears closed CLOSENOTIFY_LOG=off C
	assert_equal "$(cat "$BATS_TEST_TMPDIR/client.err")" ''
	CLIENT=$BATS_TEST_TMPDIR/alias
	ln -s "$BUILD/tests/plain_client" "$CLIENT"
	hears truncated C
	conf "only alias" "wait_ms 5"
	hears closed C
	hears truncated CLOSENOTIFY_ONLY=plain C
}

@test "a file: what is wrong costs a line each, with its number and what is accepted, and the rest holds" {
	local line why names='mode, log, level, backtrace, summary, wait_ms, linger_ms, timeout_ms, quiet, exit, only'
	while IFS='|' read -r line why; do
		conf 'mode off' 'only a,,b' "$line" 'mode fix' 'exit sometimes' '[sh]' 'mode off'
		host
		assert_equal "$line: $(grep -c . <<<"$stderr") $(grep ':3:' <<<"$stderr")" "$line: ${why%%|*} closenotify: $CLOSENOTIFY_CONF:3: ${why#*|}"
		assert_equal "${stderr_lines[0]}" "closenotify: $CLOSENOTIFY_CONF:2: only a,,b is not accepted (globs of program names, separated by commas); the line is left out"
	done <<-END
		modee fix|3|modee is no flag ($names); the line is left out
		conf /etc/other|3|conf is no flag ($names); the line is left out
		mode|3|mode has no value (fix, observe, off); the line is left out
		Mode help|3|Mode help is not accepted (fix, observe, off); the line is left out
		wait_ms -1|3|wait_ms -1 is not accepted (milliseconds, 0 to 3600000); the line is left out
		[]|2|[] is not accepted ([NAME,...]); the lines below it are left out
		[sh|2|[sh is not accepted ([NAME,...]); the lines below it are left out
		[a,,sh]|2|[a,,sh is not accepted ([NAME,...]); the lines below it are left out
	END
	hears truncated C # of what is below a wrong line of names nothing is taken
	conf 'mode off' 'modee' 'mode fix'
	hears closed C
	conf 'mode off' $'\e[2J\xff' 'mode loud'
	host
	assert_equal "${stderr_lines[0]}" "closenotify: $CLOSENOTIFY_CONF:2: \u001b[2J\u00ff is no flag ($names); the line is left out"
	hears truncated C
	# shellcheck disable=SC2046 # a line each
	conf $(printf 'wrong%s ' {1..50})
	host
	assert_equal "${#stderr_lines[@]}" 9
	assert_equal "${stderr_lines[8]}" "closenotify: $CLOSENOTIFY_CONF: more lines are wrong, and left out"
	conf wrong{1..8}
	host
	assert_equal "${#stderr_lines[@]}" 8
	conf 'only alias' 'timeout_ms 9'
	hears truncated CLOSENOTIFY_ONLY=a,,b CLOSENOTIFY_TIMEOUT_MS=bad C
	assert_equal "$(grep -c 'taking the default: \(alias\|9\)' "$BATS_TEST_TMPDIR/client.err")" 2
	conf 'quiet override'
	host CLOSENOTIFY_QUIET=bad
	assert_equal "$stderr" 'closenotify: CLOSENOTIFY_QUIET=bad is not accepted (honour, override); taking the default: override'
}

@test "a file that is missing, no file, too long or no text: one line, and the defaults" {
	conf
	while read -r file why; do
		host "CLOSENOTIFY_CONF=$file"
		assert_equal "$stderr" "closenotify: $file: $why; taking the defaults"
	done <<-END
		/nonexistent cannot be read
		$BATS_TEST_TMPDIR cannot be read
		/dev/null cannot be read
		$BUILD/libclosenotify.so is longer than 16384 bytes
	END
	printf 'mode off\0\n' >"$CLOSENOTIFY_CONF"
	host
	assert_equal "$stderr" "closenotify: $CLOSENOTIFY_CONF: is no text; taking the defaults"
	hears closed C
}

@test "/etc/closenotify.conf is the default; nothing is said where it is missing" {
	[ "$(id -u)" = 0 ] || skip 'needs root'
	needs_mount
	[ ! -e /etc/closenotify.conf ] || skip 'this machine has one'
	mkdir "$BATS_TEST_TMPDIR/etc"
	cp -a /etc/. "$BATS_TEST_TMPDIR/etc"
	echo 'mode nonsense' >"$BATS_TEST_TMPDIR/etc/closenotify.conf"
	# shellcheck disable=SC2016 # for the inner shell
	run unshare --mount sh -c 'mount --bind "$0" /etc && LD_PRELOAD=$1 exec true' "$BATS_TEST_TMPDIR/etc" "$SHIM"
	assert_success
	assert_output 'closenotify: /etc/closenotify.conf:1: mode nonsense is not accepted (fix, observe, off); the line is left out'
}

# --- what they do ---

@test "QUIET=override says goodbye although the program asked for a quiet shutdown" {
	hears truncated Q1C
	hears closed CLOSENOTIFY_QUIET=override Q1C
	hears closed CLOSENOTIFY_QUIET=override Q1SC
	hears closed CLOSENOTIFY_QUIET=override T1C
}

@test "EXIT=always says goodbye although the program failed" {
	hears truncated X3
	hears truncated E3
	hears closed CLOSENOTIFY_EXIT=always X3
	hears closed CLOSENOTIFY_EXIT=always E3
	hears closed CLOSENOTIFY_EXIT=always X0
}

@test "WAIT_MS: SSL_shutdown returns 1 when the peer answered, 0 when it did not" {
	local VERSION
	for VERSION in 1.2 1.3; do
		bare=1 verdict SC
		assert_equal "$(sed -n 's/^S: SSL_shutdown = \([^,]*\),.*/\1/p' "$BATS_TEST_TMPDIR/client")" 0
		verdict CLOSENOTIFY_WAIT_MS=60000 SC
		assert_equal "$(sed -n 's/^S: SSL_shutdown = \([^,]*\),.*/\1/p' "$BATS_TEST_TMPDIR/client")" 1
		SERVER='--no-tickets --silent-end' verdict CLOSENOTIFY_WAIT_MS=50 SC
		assert_equal "$(sed -n 's/^S: SSL_shutdown = \([^,]*\),.*/\1/p' "$BATS_TEST_TMPDIR/client")" 0
	done
}

@test "WAIT_MS: a goodbye that does not fit is waited for first, and then the answer" {
	local tls
	for tls in 1.2 1.3; do
		play '' client "$tls" gave_up_want_write 10000 continued
		assert_regex "$SAID" 'SSL_shutdown\(r.ssl\) = -1 '
		CLOSENOTIFY_WAIT_MS=60000 play "$SHIM" client "$tls" gave_up_want_write 10000 continued
		assert_regex "$SAID" 'SSL_shutdown\(r.ssl\) = 1 '
		assert_equal "$(verdict_of "$RESULT")" closed
		CLOSENOTIFY_WAIT_MS=50 play "$SHIM" client "$tls" gave_up_want_write # for status 0 it has to fail with WANT_WRITE
		assert_equal "$STATUS" 0
	done
}

@test "WAIT_MS: what a buffer has read from the socket stays to be read" {
	local tls said
	JUDGE_ARGS=(--send 6000 --send-when request --first close_notify)
	for tls in 1.2 1.3; do
		play '' client "$tls" buffer_holds_input 1000
		assert_regex "$SAID" 'read 5488 more, then error 6'
		said=$SAID
		CLOSENOTIFY_WAIT_MS=60000 play "$SHIM" client "$tls" buffer_holds_input 1000
		assert_equal "$SAID" "$said"
	done
}

@test "WAIT_MS: the peer ends without an answer, which is not waited for any longer" {
	SERVER='--no-tickets --first fin' verdict CLOSENOTIFY_WAIT_MS=60000 SC
	assert_equal "$(sed -n 's/^S: SSL_shutdown = \([^,]*\),.*/\1/p' "$BATS_TEST_TMPDIR/client")" 0
}

@test "ONLY: globs of the name under which the program was called" {
	ln -s "$CLIENT" "$BATS_TEST_TMPDIR/alias"
	hears closed CLOSENOTIFY_ONLY=plain_client C
	hears closed CLOSENOTIFY_ONLY='plain*' C
	hears closed CLOSENOTIFY_ONLY='curl,pl?in_[a-d]lient,wget' C
	hears truncated CLOSENOTIFY_ONLY=curl C
	hears truncated CLOSENOTIFY_ONLY=plain,client C
	hears truncated CLOSENOTIFY_ONLY="$CLIENT" C
	CLIENT=$BATS_TEST_TMPDIR/alias
	hears closed CLOSENOTIFY_ONLY=alias C
	hears truncated CLOSENOTIFY_ONLY=plain_client C
}

@test "ONLY: a name longer than the log has room for" {
	local name=a_program_whose_name_is_longer_than_32_bytes
	ln -s "$CLIENT" "$BATS_TEST_TMPDIR/$name"
	CLIENT=$BATS_TEST_TMPDIR/$name
	hears closed CLOSENOTIFY_ONLY="$name" C
	hears closed CLOSENOTIFY_ONLY='*_32_bytes' C
	hears truncated CLOSENOTIFY_ONLY="${name:0:31}" C
}

@test "ONLY: another program writes no log and opens none" {
	hears truncated CLOSENOTIFY_ONLY=curl "CLOSENOTIFY_LOG=text:$BATS_TEST_TMPDIR/log" C
	assert [ ! -e "$BATS_TEST_TMPDIR/log" ]
}

# --- modes ---

@test "off: the end is heard as without the shim, and no log is opened" {
	local deeds
	for deeds in C FC X0 WC; do
		hears truncated CLOSENOTIFY_MODE=off "CLOSENOTIFY_LOG=text:$BATS_TEST_TMPDIR/log" "$deeds"
	done
	assert_equal "$(VERSION=1.3 bare=1 verdict SFC)" closed
	assert_equal "$(VERSION=1.3 verdict CLOSENOTIFY_MODE=off SFC)" closed
	assert [ ! -e "$BATS_TEST_TMPDIR/log" ]
}

@test "observe: the end is heard as without the shim, and the record says what would have been done" {
	local log=$BATS_TEST_TMPDIR/log deeds wanted
	while read -r deeds wanted; do
		rm -f "$log"
		hears truncated CLOSENOTIFY_MODE=observe "CLOSENOTIFY_LOG=json:$log" "$deeds"
		assert_equal "$deeds $(jq -r '[.mode, .action, .reason] | join(" ")' "$log" | uniq)" "$deeds observe $wanted"
		assert_equal "$(wc -l <"$log")" 2
	done <<-END
		C close_notify+half_close repaired
		X0 close_notify+half_close repaired
		X3 none unclean_exit
		Q1C none quiet
	END
}

@test "observe: SSL_free and close are one connection, and one record tells both" {
	local log=$BATS_TEST_TMPDIR/log
	hears truncated CLOSENOTIFY_MODE=observe "CLOSENOTIFY_LOG=json:$log" FC
	assert_equal "$(jq -r 'select(.event == "end") | [.action, .reason] | join(" ")' "$log" | uniq)" 'close_notify+half_close repaired'
}

# --- the program sees what it would have seen ---

# Orders in which a program may end a connection; each is run with peers that answer, and ones that ended first.
ORDERS=(C CF FC FCt tCtFt SC SFC CS SSC SSFC GSGSGFC SzC SzFC zGSC zFC n1SC Q1SC Q1SFC T1SC T3GSFC T3FC qC qSFC rC rSC
	WC WFC RC RFC HC HSC DCcF DSCcFt DFcC DcC j100cFC jtcC dF dtFC gF gtF aF atF IF ItFC L0C L5C UfSFC UFC
	YC YFC NFC FOC OSFC OCF X0 FX0 SFX0 X3 E0 E3 K0 K3 VC VSFC CC CFC CrF ZC Zw5SC ZSFC xsC p5r5C w0C w5w5SC
	'P(C)C' 'P(FC)FC' 'P(SFC)C' 'P(t)FC' 'P(X0)C' CoFmtC CotF n1CF uC uSC SuC SezC)

# run_order [FLAG=VALUE...] DEEDS: what the program sees, and its status.
run_order() {
	local status=0
	env "${@:1:$#-1}" "$CLIENT" --sni localhost "$JUDGE_PORT" "$VERSION" 5 "${@: -1}" || status=$?
	echo "status $status"
}

# same_as_bare [FLAG=VALUE...]: prints where the program sees something else, for all orders.
same_as_bare() {
	local deeds count=$((${#ORDERS[@]} * 2)) server with without VERSION
	for VERSION in 1.2 1.3; do
		for server in '--send 5' '--send 5 --first both'; do
			# shellcheck disable=SC2086 # words are wanted
			start_judge --tls "$VERSION" --no-tickets --connections "$count" --timeout-ms 60000 $server
			for deeds in "${ORDERS[@]}"; do
				[[ $server == *first* || $deeds != *[ze]* || $deeds == *S*z* ]] || continue
				without=$(run_order "$deeds" 2>&1)
				with=$(run_order "$@" LD_PRELOAD="$SHIM" "$deeds" 2>&1)
				[ "$with" = "$without" ] || {
					echo "TLS $VERSION, judge $server, $deeds:"
					diff <(echo "$without") <(echo "$with") || true
				}
			done
			stop_judges
		done
	done
}

@test "off: return values, errno, error queue and descriptors are those without the shim" {
	run same_as_bare CLOSENOTIFY_MODE=off
	assert_output ''
}

@test "observe: return values, errno, error queue and descriptors are those without the shim" {
	run same_as_bare CLOSENOTIFY_MODE=observe
	assert_output ''
}

@test "fix: return values, errno, error queue and descriptors are those without the shim" {
	run same_as_bare CLOSENOTIFY_MODE=fix
	assert_output ''
}

# changes DEEDS: the program's lines that are others with the shim, each up to its errno.
changes() {
	start_judge --tls "$VERSION" --no-tickets --connections 2
	diff <(run_order "$1" 2>&1) <(run_order LD_PRELOAD="$SHIM" "$1" 2>&1) | sed -n 's/, SSL_get_error.*//; /^[<>]/p'
}

# The differences there are, all of them wanted: what the program got before was the fault itself.
@test "fix: what does change is a fault that is gone" {
	local VERSION
	for VERSION in 1.2 1.3; do
		# SSL_shutdown after FIN met EPIPE; the goodbye that it stands for is out by now
		assert_equal "$(changes iWSC)" '< S: SSL_shutdown = -1, errno 32
> S: SSL_shutdown = 0, errno untouched'
		assert_equal "$(changes WGC)" '< G: SSL_get_shutdown = 0, errno untouched
> G: SSL_get_shutdown = 1, errno untouched'
		# and without SIG_IGN it killed the program
		run changes WSC
		assert_line '< status 141'
		assert_line '> status 0'
		# SSL_shutdown wrote its alert into whatever had the descriptor's number by then
		run changes CoSm
		assert_line --regexp '^< m: recv from the pair = [1-9]'
		assert_line '> m: recv from the pair = -1, errno 11'
	done
}

# --- secure execution ---

# A TLS client that needs the library by its path, as no LD_PRELOAD reaches such a program; world-readable.
make_secure_client() {
	[ "$(id -u)" = 0 ] || skip 'only root can make a setuid program of somebody else'
	! grep -qE '^NoNewPrivs:\s+1' /proc/self/status || skip 'no program gains rights by setuid here (no_new_privs)'
	PUBLIC=$(mktemp -d) && chmod 755 "$PUBLIC"
	findmnt -no OPTIONS -T "$PUBLIC" | grep -qw nosuid && skip "$PUBLIC is mounted nosuid"
	install -m 755 "$SHIM" "$PUBLIC/libclosenotify.so" # readable, whoever made the build directory
	cc -D_GNU_SOURCE -o "$PUBLIC/plain" "$PROJECT/tests/programs/plain_client.c" -Wl,--no-as-needed \
		"$PUBLIC/libclosenotify.so" -lssl -lcrypto
	chmod 755 "$PUBLIC/plain"
	install -m 4755 "$PUBLIC/plain" "$PUBLIC/secure"
	mkdir "$PUBLIC/log" && chmod 777 "$PUBLIC/log"
}

# as_nobody PROGRAM DEEDS: as a user without rights, with one bad flag and a log.
as_nobody() {
	start_judge --tls 1.3 --no-tickets
	printf 'level loud\n' >"$PUBLIC/conf"
	setpriv --reuid=65534 --regid=65534 --clear-groups env CLOSENOTIFY_CONF="$PUBLIC/conf" CLOSENOTIFY_MODE=bad "CLOSENOTIFY_LOG=text:$PUBLIC/log/file" \
		"$PUBLIC/$1" "$JUDGE_PORT" 1.3 5 "$2" >"$BATS_TEST_TMPDIR/client" 2>"$BATS_TEST_TMPDIR/client.err"
}

@test "secure execution: no flag is read, no file opened, nothing repaired" {
	make_secure_client
	# not secure: the library works, so the test can see it
	as_nobody plain tC
	assert_equal "$(verdict_of "$(judge_result)")" closed
	assert_regex "$(cat "$BATS_TEST_TMPDIR/client.err")" 'CLOSENOTIFY_MODE=bad is not accepted'
	assert_regex "$(cat "$BATS_TEST_TMPDIR/client.err")" 'conf:1: level loud is not accepted'
	assert_equal "$(grep -vc 'kept open after' "$PUBLIC/log/file")" 1 # that comes too if nothing was acknowledged by then
	grep -q "is $PUBLIC/log/file" "$BATS_TEST_TMPDIR/client"
	rm "$PUBLIC/log/file"

	as_nobody secure tC
	assert_equal "$(verdict_of "$(judge_result)")" truncated
	assert_equal "$(cat "$BATS_TEST_TMPDIR/client.err")" ''
	assert [ ! -e "$PUBLIC/log/file" ]
	run grep -F "$PUBLIC" "$BATS_TEST_TMPDIR/client"
	assert_output ''
}

@test "secure execution: the library makes no system call of its own" {
	make_secure_client
	start_judge --tls 1.3 --no-tickets --connections 4
	# As root, strace keeps the setuid bit's effect only for a user it changes to itself.
	for program in plain secure; do
		CLOSENOTIFY_LOG="text:$PUBLIC/log/file" strace -u nobody -o "$BATS_TEST_TMPDIR/$program" \
			-e trace=openat,setsockopt,getsockopt,shutdown,sendto,madvise "$PUBLIC/$program" "$JUDGE_PORT" 1.3 5 C \
			>/dev/null
	done
	grep -q 'openat(.*"file", .*O_CREAT' "$BATS_TEST_TMPDIR/plain"
	grep -q 'shutdown(.*SHUT_WR' "$BATS_TEST_TMPDIR/plain"
	run grep -E "$PUBLIC/log|SO_COOKIE|SO_LINGER|TCP_INFO|shutdown\(|MSG_MORE" "$BATS_TEST_TMPDIR/secure"
	assert_output ''
}
