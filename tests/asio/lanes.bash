# SPDX-License-Identifier: MIT
# The ways in which users of Boost.Asio's ssl::stream end a connection: one list, for asio.bats and for table.
# Needs helper.bash. One party ends first; the steps of both are those of party.hpp.
# shellcheck disable=SC2034 # some are read by asio.bats and table

# name | what happens | styles | steps of the first | steps of the other | who of the two is to blame
# | what Asio tells the first | and the other | the same once the one to blame has the library
LANES=(
	'closed_before | one closes without a word; then shutdown() by the other | sync async | close | read gone shutdown | first | | read=stream_truncated shutdown=stream_truncated | | read=eof shutdown=success'
	'closed_after  | shutdown() by one; then the other closes without a word | sync async | shutdown | read close | other | shutdown=stream_truncated | read=eof | shutdown=success | read=eof'
	'both          | shutdown() by both | sync async | shutdown | read shutdown | nobody | shutdown=success | read=eof shutdown=success'
	'would_block   | shutdown() by one, non-blocking; close() at once | sync | unwaited | read gone shutdown | nobody | shutdown=would_block | read=eof shutdown=success'
	'unwaited      | async_shutdown() by one; close() at once | async | unwaited | read gone shutdown | nobody | shutdown=bad_descriptor | read=eof shutdown=success'
	'cancelled     | async_shutdown() by one, cancel(); close() when it completes | async | cancel | read gone shutdown | nobody | shutdown=operation_aborted | read=eof shutdown=success'
	'write_fails   | async_shutdown() by one, async_write(); close() when that fails | async | write | read gone shutdown | nobody | write=protocol_is_shutdown shutdown=operation_aborted | read=eof shutdown=success'
	'closed        | no shutdown(): close() | sync async | close | read close | first | | read=stream_truncated | | read=eof'
	'destroyed     | no shutdown(): the stream is destroyed | sync async | | read | first | | read=stream_truncated | | read=eof'
	'pending_read  | no shutdown(): close() while a read is pending | async | pending | read close | first | read=operation_aborted | read=stream_truncated | read=operation_aborted | read=eof'
	'unread        | no shutdown(): close() with unread input | sync async | more unread close | some more read close | first | | read=connection_reset | | read=eof'
)

# heard ROLE TEXT: prints what that role said, by the names that Asio has for it: error::eof and so on.
heard() {
	local text=${2##*"$1:"}
	text=${text%%$'\n'*}
	text=${text//asio.misc:End of file/eof}
	text=${text//asio.ssl.stream:stream truncated/stream_truncated}
	text=${text//asio.ssl:protocol is shutdown/protocol_is_shutdown}
	text=${text// (SSL routines)/} # Boost 1.83 says whose
	text=${text//system:Operation canceled/operation_aborted}
	text=${text//system:Resource temporarily unavailable/would_block}
	text=${text//system:Bad file descriptor/bad_descriptor}
	text=${text//system:Connection reset by peer/connection_reset}
	printf %s "${text# }"
}

# Compiles the two programs, once. The headers of Boost come from the private root.
asio_programs() (
	mkdir -p "$BUILD/tests/asio"
	exec 9>"$BUILD/tests/asio/lock"
	flock 9
	for style in sync async; do
		source=$PROJECT/tests/asio/$style.cpp program=$BUILD/tests/asio/$style
		[ "$program" -nt "$source" ] && [ "$program" -nt "$PROJECT/tests/asio/party.hpp" ] && continue
		"$PROJECT/tests/sysroot" add -q host libboost-dev
		"${CXX:-g++}" -std=gnu++17 -Wall -Wextra -Wpedantic -Wshadow -Werror \
			-idirafter "$("$PROJECT/tests/sysroot" path host)/usr/include" "$source" -o "$program.new" \
			-lssl -lcrypto -lpthread || exit
		mv "$program.new" "$program"
	done
)

# lane FIRST STYLE TLS LIBRARY STEPS LIBRARY STEPS: one connection of two of these programs, the first (client or server) with
# the first library and steps. Sets FIRST_HEARD, OTHER_HEARD and STATUS, the sum of the exit statuses.
lane() {
	local first=$1 program=$BUILD/tests/asio/$2 tls=$3 server=("$4" "$5") client=("$6" "$7") word='' port pid out said
	[ "$first" = server ] || server=("$6" "$7") client=("$4" "$5")
	out=$(mktemp "$BATS_TEST_TMPDIR/out.XXXXXX")
	STATUS=0
	# shellcheck disable=SC2086 # steps are words
	LD_PRELOAD=${server[0]} timeout -k 10 60 "$program" 0 "$tls" ${server[1]} >"$out" 2>&1 3>&- &
	pid=$!
	STARTED+=("$pid")
	until read -r word port <"$out" && [ "$word" = listening ]; do
		is_ours "$pid"
		a_moment
	done
	# shellcheck disable=SC2086
	said=$(LD_PRELOAD=${client[0]} timeout -k 10 60 "$program" "$port" "$tls" ${client[1]} 2>&1) || STATUS=$?
	wait "$pid" || STATUS=$((STATUS + $?))
	unset 'STARTED[-1]'
	said+=$'\n'$(<"$out")
	FIRST_HEARD=$(heard "$first" "$said")
	[ "$first" = server ] && first=client || first=server
	OTHER_HEARD=$(heard "$first" "$said")
}

# lane_of NAME: sets TITLE, STYLES and the rest from the list.
lane_of() {
	columns "$(row_of "$1" "${LANES[@]}")" NAME TITLE STYLES FIRST OTHER BLAME FIRST_WITHOUT OTHER_WITHOUT \
		FIRST_WITH OTHER_WITH
	if [ "$BLAME" = nobody ]; then
		FIRST_WITH=$FIRST_WITHOUT OTHER_WITH=$OTHER_WITHOUT
	fi
}
