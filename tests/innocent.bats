#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Nobody is accused falsely, whatever lies between session and socket: what the record says of an end is held against what
# the judge at the other side did and heard. Where what was seen does not suffice the verdict is unknown.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

STYLES=(socket fd buffer filter custom pair memory)

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests # where play finds party
	LOG=$BATS_TEST_TMPDIR/log
	export CLOSENOTIFY_LOG=json:$LOG CLOSENOTIFY_MODE
	SAYS='[.verdict, .fault, .our_end, .peer_end]'
}

# said: what the only record says.
said() {
	jq -sr "[.[] | select(.event == \"end\")] | if length == 1 then .[0] | $SAYS | join(\" \") else \"\(length) records\" end" "$LOG"
}

# party MODE ROLE TLS ARG...: one run of it; ARG: N STYLE FLAGS DEEDS.
party() {
	rm -f "$LOG"
	CLOSENOTIFY_MODE=$1 play "$SHIM" "$2" "$3" party "${@:4}"
	run "$PROJECT/tests/validate" "$LOG"
	assert_success
}

# told MODE REGEX ROLE TLS ARG...
told() {
	party "$1" "${@:3}"
	assert_regex "$(said)" "^($2)$"
}

@test "an asyncio kind of program, whose peer ends properly: nobody truncated, and it says goodbye" {
	local style flags role tls
	JUDGE_ARGS=(--send 100 --first both)
	for style in "${STYLES[@]}"; do
		for flags in i ie ia; do
			[ "$style $flags" != "buffer ia" ] || continue # OpenSSL itself gets stuck
			for role in client server; do
				for tls in 1.2 1.3; do
					told observe 'truncated_by_us close_without_shutdown fin close_notify' "$role" "$tls" 1000 "$style" "$flags" zFC
					told fix 'repaired close_without_shutdown close_notify close_notify' "$role" "$tls" 1000 "$style" "$flags" zFC
					assert_equal "$(verdict_of "$RESULT")" closed
					told fix 'ended none close_notify close_notify' "$role" "$tls" 1000 "$style" "$flags" zSFC
				done
			done
		done
	done
}

# Whether there is SSL_OP_IGNORE_UNEXPECTED_EOF.
has_ignore_eof() {
	[[ $(openssl version) != 'OpenSSL 1.1.1'* ]]
}

@test "the same, whose peer truncates: that is seen" {
	local style tls
	JUDGE_ARGS=(--send 100 --first fin)
	for style in "${STYLES[@]}"; do
		[ "$style" != memory ] || has_ignore_eof || continue # the program's own end of file, which the peer's need not be
		for tls in 1.2 1.3; do
			told fix 'truncated_by_peer none fin fin' client "$tls" 1000 "$style" ie zFC
			assert_equal "$(verdict_of "$RESULT")" truncated
		done
	done
}

@test "what lies unread in a BIO of the program's may end in close_notify" {
	local style end
	for style in buffer pair memory; do
		for end in fin both; do
			JUDGE_ARGS=(--send 100 --first "$end")
			# What came after the BIO's last read lies in the socket, and close() resets.
			told observe 'truncated_by_us (close_without_shutdown fin|reset_by_unread_input reset) unread' \
				client 1.2 1000 "$style" - r10feFC
		done
	done
}

# A copy of the libssl in use that binds its own calls to itself, as OpenSSL builds it (-Bsymbolic) and Debian does not.
symbolic_libssl() {
	local library
	library=$(ldd "$RUDE/party" | awk '$1 ~ /^libssl/ { print $3 }')
	mkdir -p "$BATS_TEST_TMPDIR/symbolic"
	python3 - "$library" "$BATS_TEST_TMPDIR/symbolic/${library##*/}" <<-'END'
		import struct, sys
		elf = bytearray(open(sys.argv[1], "rb").read())
		start, = struct.unpack_from("<Q", elf, 32)  # program headers
		size, count = struct.unpack_from("<HH", elf, 54)
		for header in range(start, start + size * count, size):
		    kind, flags, at = struct.unpack_from("<IIQ", elf, header)
		    while kind == 2:  # PT_DYNAMIC
		        tag, value = struct.unpack_from("<QQ", elf, at)
		        if tag == 30:  # DT_FLAGS
		            struct.pack_into("<QQ", elf, at, tag, value | 2)  # DF_SYMBOLIC
		        if tag in (0, 30):
		            break
		        at += 16
		open(sys.argv[2], "wb").write(elf)
		sys.exit(tag != 30)
	END
}

@test "a libssl whose own calls don't come by: what can't be known is called unknown" {
	has_ignore_eof || skip 'OpenSSL 1.1.1 has no SSL_OP_IGNORE_UNEXPECTED_EOF'
	local style tls
	symbolic_libssl
	export LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/symbolic
	for tls in 1.2 1.3; do
		JUDGE_ARGS=(--send 100 --first both)
		for style in socket memory; do
			told fix 'repaired close_without_shutdown close_notify close_notify' client "$tls" 1000 "$style" i zFC
		done
		for style in pair custom; do
			told observe 'unknown close_without_shutdown fin unknown' client "$tls" 1000 "$style" ie zFC
			told fix 'unknown close_without_shutdown close_notify unknown' client "$tls" 1000 "$style" ie zFC
			assert_equal "$(verdict_of "$RESULT")" closed
		done
		JUDGE_ARGS=(--send 100 --first fin)
		told fix 'truncated_by_peer none fin fin' client "$tls" 1000 socket ie zFC
		told fix 'unknown close_without_shutdown close_notify unknown' client "$tls" 1000 memory ie zFC
	done
}

@test "SSL_free, then close: our own goodbye is not the program's abandoned write" {
	local style role tls
	JUDGE_ARGS=(--silent-end)
	for style in "${STYLES[@]}"; do
		for role in client server; do
			for tls in 1.2 1.3; do
				told observe 'truncated_by_us close_without_shutdown fin open' "$role" "$tls" 1000 "$style" - fFC
				told fix 'repaired close_without_shutdown close_notify open' "$role" "$tls" 1000 "$style" - fFC
				assert_equal "$(verdict_of "$RESULT")" closed
			done
		done
	done
}

@test "an end of file that comes of the program's own shutdown(SHUT_RD) is none of the peer's" {
	local style says='failed none fin open'
	has_ignore_eof || says='truncated_by_us close_without_shutdown fin open' # after it the session is usable
	JUDGE_ARGS=(--silent-end)
	for style in socket fd buffer filter custom; do
		told observe "$says" client 1.3 1000 "$style" - fW0zC
		told observe 'truncated_by_us close_without_shutdown fin open' client 1.3 1000 "$style" i fW0zFC
		told fix 'repaired close_without_shutdown close_notify open' client 1.3 1000 "$style" i fW0zFC
		assert_equal "$(verdict_of "$RESULT")" closed
	done
}

@test "SSL_shutdown, SHUT_RDWR and close with unread input: it resets, and the record says so" {
	local tls
	JUDGE_ARGS=(--send 40000 --rcvbuf 4096 --read-pause-ms 2 --silent-end)
	for tls in 1.2 1.3; do
		told observe 'truncated_by_us reset_by_unread_input reset open' client "$tls" 200000 socket - r1u1SW2C
		assert_equal "$(verdict_of "$RESULT")" reset
	done
}

@test "the peer says goodbye and resets: it has truncated nothing" {
	local mode
	JUDGE_ARGS=(--send 100 --first close_notify_rst --first-after 1000)
	for mode in observe fix; do
		told $mode 'ended none reset close_notify' client 1.2 1000 socket - zeFC
		told $mode 'unknown none reset reset' client 1.2 1000 socket - eFC # its close_notify lies unread
	done
}

# OpenSSL lets a ticket that meets the reset pass for success, and takes the socket's error with it.
@test "a reset that OpenSSL swallows is no FIN of ours" {
	local mode
	JUDGE_ARGS=(--send 5 --first close_notify_rst)
	for mode in observe fix; do
		told $mode 'ended none reset close_notify' server 1.3 0 socket t zFC
	done
}
