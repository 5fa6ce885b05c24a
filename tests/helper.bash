# SPDX-License-Identifier: MIT
# What every test file shares: where things are, certificates, and the judge.

PROJECT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
BUILD=${CN_BUILD:-$PROJECT/build}
SHIM=$BUILD/libclosenotify.so
JUDGE=$BUILD/tests/judge
RUDE=$BUILD/tests/rude
PKI=$BUILD/tests/pki
export PROJECT BUILD SHIM JUDGE PKI

BATS_LIB_PATH=${BATS_LIB_PATH:-/usr/lib/bats}
bats_load_library bats-support
bats_load_library bats-assert

STARTED=() # the judges of this test, ended by teardown if they still live
JUDGES=0

may_mount() {
	local as=()
	[ "$EUID" -eq 0 ] || as=(--map-root-user)
	unshare "${as[@]}" --mount mount --bind /tmp /tmp 2>/dev/null
}

# Skips a test that mounts a file system, or runs another release's programs, where that may not be.
needs_mount() {
	may_mount || skip 'no file system may be mounted (CAP_SYS_ADMIN)'
}

needs_network_namespace() {
	unshare --net true 2>/dev/null || skip 'no network namespace can be had (CAP_SYS_ADMIN)'
}

needs_pid_namespace() {
	unshare --pid --fork true 2>/dev/null || skip 'no PID namespace can be had (CAP_SYS_ADMIN)'
}

# For tests in which another user runs or preloads what is here: a clone below a directory of mode 700, say /root, is not for others.
needs_readers() {
	[ "$EUID" -ne 0 ] || setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$SHIM" ||
		skip 'other users may not read this clone'
}

# Linux from August 2026 on lets only a process with CAP_NET_ADMIN filter a TCP socket. Without that the kernel delivers nothing for it.
may_filter() {
	python3 -c 'import ctypes, socket
rule = ctypes.create_string_buffer(b"\6\0\0\0\xff\xff\0\0")
program = (ctypes.c_uint64 * 2)(1, ctypes.addressof(rule))
socket.socket().setsockopt(socket.SOL_SOCKET, 26, bytes(program))' 2>/dev/null # SO_ATTACH_FILTER
}

needs_filter() {
	may_filter || skip 'this process may filter no TCP socket (CAP_NET_ADMIN)'
}

needs_ipv6() {
	grep -qs '^0*1 ' /proc/net/if_inet6 || skip 'no IPv6 on loopback'
}

# Between two looks at what somebody else will do; without a process for each. MOMENT: seconds.
a_moment() {
	if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 502)); then
		sleep "${MOMENT:-0.01}" # an alarm that comes just before read waits is lost there (bash 5.1), and it waits for ever
		return
	fi
	local silence=${BATS_RUN_TMPDIR:-$BATS_TEST_TMPDIR}/silence
	[ -p "$silence" ] || mkfifo "$silence" 2>/dev/null || :
	read -rt "${MOMENT:-0.01}" <>"$silence" || :
}

# parent_of PID: sets PARENT. False if there is no such process.
parent_of() {
	PARENT=
	{ read -rd '' PARENT <"/proc/$1/stat"; } 2>/dev/null || true # to its end
	[ "$PARENT" ] || return 1
	PARENT=${PARENT##*) ? } # its name may have blanks and newlines; then comes the state
	PARENT=${PARENT%% *}
}

# is_ours PID: a child of this shell, or of one that it is a subshell of, that has not been waited for. A shell waits by itself as
# soon as one ends, and from then on the number may be another's: so whatever is ended or waited for by its number is looked at first.
is_ours() {
	local PARENT parent shell=$BASHPID
	parent_of "$1" || return 1
	parent=$PARENT
	until [ "$parent" = "$shell" ]; do
		[ "$shell" != $$ ] && parent_of "$shell" || return 1
		shell=$PARENT
	done
}

# stop PID...: ends those of them that still live, and waits for that. One that lives a minute later gets SIGKILL.
stop() {
	local pid end
	for pid; do
		! is_ours "$pid" || kill "$pid" 2>/dev/null || true # it may end just now
		end=$((SECONDS + 60))
		while is_ours "$pid" && read -rd '' _ <"/proc/$pid/cmdline"; do # a zombie has none
			((SECONDS < end)) || kill -KILL "$pid" || true
			a_moment
		done 2>/dev/null
		wait "$pid" 2>/dev/null || true
	done
}

# Makes $PKI/{ca.pem,cert.pem,key.pem} unless they exist; safe when test files run side by side.
make_certs() {
	mkdir -p "$BUILD/tests"
	(
		flock 9
		[ -e "$PKI/cert.pem" ] && exit 0
		rm -rf "$PKI.new" && mkdir "$PKI.new" && cd "$PKI.new" || exit 1
		printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >ext
		{
			openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
				-subj '/CN=closenotify test CA' -keyout ca.key -out ca.pem &&
				openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
					-subj /CN=localhost -keyout key.pem -out cert.csr &&
				openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
					-days 3650 -extfile ext -out cert.pem
		} 2>log || {
			cat log >&2
			exit 1
		}
		rm -rf "$PKI" && mv "$PKI.new" "$PKI"
	) 9>"$BUILD/tests/pki.lock"
}

# columns ROW NAME...: sets each variable to its column, without the blanks around it.
columns() {
	local row=$1 value
	shift
	while [ $# -gt 0 ]; do
		value=${row%%|*} row=${row#*|}
		read -r "$1" <<<"$value"
		shift
	done
}

# start_judge ARGS...: a judge server in the background. Sets JUDGE_PORT, JUDGE_PID (for programs too, see rude_now), JUDGE_OUT.
# It holds a lock on $JUDGE_OUT.lock for as long as it lives; that's how judge_result waits for it.
start_judge() {
	local word='' alive
	JUDGE_OUT=$BATS_TEST_TMPDIR/judge.$BASHPID.$((++JUDGES))
	: >"$JUDGE_OUT"
	flock --no-fork "$JUDGE_OUT.lock" "$JUDGE" server --cert "$PKI/cert.pem" --key "$PKI/key.pem" --accept-timeout-ms 300000 "$@" \
		>"$JUDGE_OUT" 2>"$JUDGE_OUT.err" 3>&- &
	JUDGE_PID=$!
	export JUDGE_PID
	STARTED+=("$JUDGE_PID")
	while alive=yes; do
		is_ours "$JUDGE_PID" || alive=no # and what it has said before can be read now
		read -r word JUDGE_PORT <"$JUDGE_OUT" && [ "$word" = listening ] && return
		[ "$alive" = yes ] || break
		a_moment
	done
	cat "$JUDGE_OUT.err" >&2
	return 1
}

# judge_client ARGS...: a judge as client of the judge last started; prints its JSON line.
judge_client() {
	"$JUDGE" client --port "$JUDGE_PORT" "$@"
}

# judge_result [N]: waits until the judge last started has ended (one that hangs: 15 minutes), then prints its Nth JSON line (1).
judge_result() {
	local lines=()
	flock --timeout 900 9 9<"$JUDGE_OUT.lock" || return 1
	[ ! -s "$JUDGE_OUT.err" ] || cat "$JUDGE_OUT.err" >&2
	mapfile -t lines <"$JUDGE_OUT"
	[ -n "${lines[${1:-1}]-}" ] && printf '%s\n' "${lines[${1:-1}]}"
}

# What play calls with the port before anybody connects to it; a test file may have one of its own.
on_port() {
	:
}

# play LIBRARY ROLE TLS PROGRAM [ARG...]: one run of $RUDE/PROGRAM against a judge with JUDGE_ARGS. Sets PORT, RESULT (the
# judge's last line), STATUS and SAID (the program's output). No tickets unless JUDGE_ARGS ask for them: they arrive
# after the handshake, and whether they are unread at close would be chance.
play() {
	local library=$1 role=$2 tls=$3 program=$RUDE/$4 args=(--tls "$3" "${JUDGE_ARGS[@]}") word='' pid out
	shift 4
	[ -x "$program" ] || { echo "play: there is no program $program" && return 1; } # the judge would wait for it
	STATUS=0
	if [ "$role" = client ]; then
		[[ " ${args[*]}" = *\ --tickets* ]] || args+=(--no-tickets)
		start_judge "${args[@]}"
		PORT=$JUDGE_PORT
		on_port "$PORT"
		SAID=$(LD_PRELOAD=$library timeout -k 10 60 "$program" "$PORT" "$tls" "$@" 2>&1) || STATUS=$?
		judge_result 1 >/dev/null
		RESULT=$(tail -n 1 "$JUDGE_OUT")
	else
		unset JUDGE_PID # that of another run
		out=$BATS_TEST_TMPDIR/out.$BASHPID.$((++JUDGES))
		: >"$out"
		LD_PRELOAD=$library timeout -k 10 60 "$program" 0 "$tls" "$@" >"$out" 2>&1 3>&- &
		pid=$!
		STARTED+=("$pid")
		until read -r word PORT <"$out" && [ "$word" = listening ]; do
			is_ours "$pid" || { echo "${program##*/} ends before it listens: $(<"$out")" && return 1; }
			a_moment
		done
		on_port "$PORT"
		RESULT=$("$JUDGE" client --port "$PORT" "${args[@]}")
		wait "$pid" || STATUS=$?
		SAID=$(tail -n +2 "$out")
	fi
	echo "${program##*/} $*, $role, TLS $tls, ${library:-without}: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ] # 99: it went wrong before the sin
}

# --- many runs by one process (tests/programs/play.c), several at once ---

# add_run ROLE TLS LIBRARY [JUDGE-ARG...] -- [NAME=VALUE...] PROGRAM [ARG...]: one more for play_runs.
add_run() {
	local IFS=$'\t'
	LIST+=$*$'\n'
}

# play_runs: sets RUNS, what came of each in this order; for this_run.
play_runs() {
	local count=${LIST//[!$'\n']/}
	mapfile -t RUNS < <(printf %s "$LIST" | "$BUILD/tests/play" 3>&-)
	LIST=
	[ ${#RUNS[@]} -eq ${#count} ]
}

# this_run RUN: sets ROLE, TLS, LIBRARY, RESULTS (all the lines of the judge), and RESULT, STATUS, SAID as play does.
this_run() {
	local fields
	IFS=$'\x1f' read -ra fields <<<"${1//$'\t'/$'\x1f'}"
	ROLE=${fields[0]} TLS=${fields[1]} LIBRARY=${fields[2]} STATUS=${fields[3]}
	printf -v SAID %b "${fields[4]-}"
	RESULTS=("${fields[@]:5}")
	RESULT=
	[ ${#RESULTS[@]} -eq 0 ] || RESULT=${RESULTS[-1]}
	echo "$ROLE, TLS $TLS, ${LIBRARY:-without}: status $STATUS ${RESULTS[*]} $SAID"
	[ "$STATUS" -ne 99 ] && [ "$STATUS" -ne 124 ] # 124: it did not end
}

# play_all ROLES PROGRAM [ARG...]: in each role and version of TLS, first without the library, then with it; sets RUNS.
play_all() {
	local role tls library tickets
	for role in $1; do
		tickets=()
		[[ $role = server || " ${JUDGE_ARGS[*]}" = *\ --tickets* ]] || tickets=(--no-tickets)
		for tls in 1.2 1.3; do
			for library in '' "$SHIM"; do
				add_run "$role" "$tls" "$library" "${JUDGE_ARGS[@]}" "${tickets[@]}" -- "$RUDE/$2" "${@:3}"
			done
		done
	done
	play_runs
}

# field NAME LINE: the value of one key, compact: a string bare, an array as JSON.
field() {
	if [[ $1 != *[!a-z_0-9]* && $2 != ?*["{\\ "]* && $2 != *$'\n'* && $2 =~ \"$1\":(\"([^\"]*)\"|\[[^]]*\]|[^][\",{}]+) ]]; then
		if [[ ${BASH_REMATCH[1]} = \"* ]]; then echo "${BASH_REMATCH[2]}"; else echo "${BASH_REMATCH[1]}"; fi
	else
		jq -rc ".$1" <<<"$2"
	fi
}

verdict_of() {
	field verdict "$1"
}

# Ends what the test started and only that; a test file with a teardown of its own calls this in it.
stop_judges() {
	stop "${STARTED[@]}"
	STARTED=()
}

teardown() {
	stop_judges
}
