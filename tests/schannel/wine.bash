# SPDX-License-Identifier: MIT
# Windows programs of tests/schannel under a release's own Wine, each with a prefix of its own below the build directory.
# shellcheck shell=bash disable=SC2034 # what the test files read

WINE=$BUILD/wine
APART= # what the prefixes of this test file have behind the name of the release: a wineserver is for one file alone

is_wines_machine() {
	[ "$(dpkg --print-architecture)" = amd64 ]
}

needs_wine() {
	needs_mount
	is_wines_machine || skip 'this Wine is for amd64'
}

# windows_programs NAME...: compiles tests/schannel/NAME.c by MinGW-w64.
windows_programs() {
	local name out
	mkdir -p "$WINE"
	for name; do
		out=$WINE/$name.exe
		[ "$out" -nt "$PROJECT/tests/schannel/$name.c" ] && [ "$out" -nt "$PROJECT/tests/schannel/party.h" ] && continue
		x86_64-w64-mingw32-gcc -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-function "$PROJECT/tests/schannel/$name.c" \
			-o "$out" -lws2_32 -lsecur32 -lcrypt32 -lwinhttp -lwininet
	done
}

# wine_of SUITE: Wine of that release. What wineboot would copy into the prefix (700 MB) is a link here, and there is no
# registry; these programs need none.
wine_of() {
	local prefix=$WINE/$1$APART
	"$PROJECT/tests/sysroot" add -q "$1" wine wine64 libz-mingw-w64 >&2
	[ ! -e "$prefix/.update-timestamp" ] || return 0
	mkdir -p "$prefix/drive_c/windows" "$prefix/dosdevices"
	ln -sfn ../drive_c "$prefix/dosdevices/c:"
	ln -sfn / "$prefix/dosdevices/z:"
	ln -sfn /usr/lib/x86_64-linux-gnu/wine/x86_64-windows "$prefix/drive_c/windows/system32"
	echo disable >"$prefix/.update-timestamp"
}

# in_wine SUITE HOW COMMAND [ARG...]: HOW is without, plain or deep; LOG is where the records go. Wine's services keep standard error,
# if they are not there yet.
in_wine() {
	local suite=$1 how=$2 wrap=()
	shift 2
	[ "$how" = without ] || wrap=("$PROJECT/scripts/closenotify" -q "--log=json:${LOG:-/dev/null}")
	[ "$how" != deep ] || wrap+=(--deep)
	[ "$how" = without ] || wrap+=(--)
	HOME=$WINE WINEPREFIX=${PREFIX:-$WINE/$suite$APART} WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=' \
		timeout 120 "$PROJECT/tests/sysroot" run --env CLOSENOTIFY_LIBRARY="$SHIM" "$suite" -- "${wrap[@]}" "$@" 2>/dev/null 3>&-
}

# start_wineserver SUITE: one that stays, without the library, until stop_wineserver. Sets WINESERVER. Debian's says in a file of
# the prefix under which name in /tmp its socket is.
start_wineserver() {
	local prefix=${PREFIX:-$WINE/$1$APART}
	HOME=$WINE WINEPREFIX=$prefix "$PROJECT/tests/sysroot" run "$1" -- /usr/lib/wine/wineserver64 -f -p >/dev/null 2>&1 3>&- &
	WINESERVER=$!
	until compgen -G "/tmp/$(cat "$prefix/wineserver" 2>/dev/null)/server-*/socket" >/dev/null; do
		is_ours "$WINESERVER"
		a_moment
	done
}

# Which shell started it, setup_file's or a test's, is no matter.
is_wineserver() {
	[[ $(readlink "/proc/$1/exe") = */wineserver* ]]
}

# stop_wineserver SUITE: with all that runs by it, and what it leaves in /tmp.
stop_wineserver() {
	local name=${PREFIX:-$WINE/$1$APART}/wineserver
	! is_wineserver "$WINESERVER" || kill -INT "$WINESERVER" || true
	while is_wineserver "$WINESERVER"; do a_moment; done
	[ ! -s "$name" ] || rm -rf "/tmp/$(cat "$name")" "$name"
}

# orders SUITE HOW ORDER...: plays them in one process before a judge with JUDGE_ARGS. Sets STATUS, SAID and HEARD: of each order
# a line "ORDER VERDICT BYTES CLOSE_NOTIFY"; LOG gets the records.
orders() {
	local suite=$1 how=$2
	shift 2
	STATUS=0
	rm -f "$LOG"
	start_judge --tls 1.2 --connections $# --accept-timeout-ms 30000 "${JUDGE_ARGS[@]}"
	SAID=$(in_wine "$suite" "$how" wine "$WINE/client.exe" "$JUDGE_PORT" 1.2 "$@") || STATUS=$?
	judge_result 1 >/dev/null
	HEARD=$(tail -n +2 "$JUDGE_OUT" | jq -r '[.sni, .verdict, .bytes, .close_notify] | map(tostring) | join(" ")')
	printf '%s, %s: status %s\n%s\n%s\n' "$suite" "$how" "$STATUS" "$SAID" "$HEARD"
	[ "$STATUS" -ne 99 ]
}

# heard ORDER TEXT: what the judge tells of it in TEXT.
heard() {
	sed -n "s/^$1 //p" <<<"$2"
}

# told ORDER KEY...: what the records tell of it.
told() {
	local order=$1 keys
	shift
	printf -v keys '.%s, ' "$@"
	jq -r --arg order "$order" "select(.event == \"end\" and .sni == \$order and .cause != \"exit\") | [${keys%, }] | map(tostring) | join(\" \")" "$LOG"
}
