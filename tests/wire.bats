#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What only the wire can tell, by packet capture on the loopback: alert and FIN are one segment, there is one
# close_notify for each connection, and unread input makes no RST.

load helper

setup_file() {
	make_certs
}

setup() {
	JUDGE_ARGS=(--silent-end) # an answer to a program that is gone already would be met by RST
	CAPTOR=
	AS=()
	[ "$(id -u)" -eq 0 ] || AS=(sudo -n)
}

teardown() {
	stop_capture
	stop_judges
}

stop_capture() {
	[ -n "$CAPTOR" ] || return 0
	! is_ours "$CAPTOR" || "${AS[@]}" kill "$CAPTOR" 2>/dev/null || true
	wait "$CAPTOR" || true
	CAPTOR=
}

# capture PORT: everything to and from that port, and the packet that end_capture sends, into $CAPTURE.
# -Z root: the user that it would become is not there in the roots of tests/versions.
capture() {
	CAPTURE=$(mktemp "$BATS_TEST_TMPDIR/wire.XXXXXX")
	"${AS[@]}" tcpdump -Z root -i lo --immediate-mode -U -w - "tcp port $1 or udp dst port 9" \
		>"$CAPTURE" 2>"$CAPTURE.err" 3>&- &
	CAPTOR=$!
	until grep -q 'listening on' "$CAPTURE.err"; do
		if ! is_ours "$CAPTOR"; then
			cat "$CAPTURE.err" >&2
			grep -qiE 'permi|password|sudo: .*not found' "$CAPTURE.err" && skip 'no right to capture (CAP_NET_RAW)'
			return 1
		fi
		a_moment
	done
}

# Waits until all that went before has been written: the capture keeps the order, and this comes last.
end_capture() {
	until grep -qaF "end of $CAPTURE" "$CAPTURE"; do
		is_ours "$CAPTOR" || { cat "$CAPTURE.err" >&2 && return 1; }
		echo "end of $CAPTURE" >/dev/udp/127.0.0.1/9 # again, should the kernel have had no room for it
		a_moment
	done
	stop_capture
}

# story PORT ROLE: what the program's side sent, as JSON. The records are [type, length], as on the wire.
story() {
	python3 - "$CAPTURE" "$1" "$2" <<-'END'
		import json, struct, sys
		data, port, role = open(sys.argv[1], 'rb').read(), int(sys.argv[2]), sys.argv[3]
		at, pieces, flags, fins = 24, {}, [], set()
		while at < len(data):
		    size = struct.unpack('<I', data[at + 8:at + 12])[0]
		    ip, at = data[at + 16 + 14:at + 16 + size], at + 16 + size
		    if ip[9] != 6:
		        continue
		    tcp = ip[(ip[0] & 15) * 4:struct.unpack('>H', ip[2:4])[0]]
		    source, target, seq = struct.unpack('>HHI', tcp[:8])
		    if port != (target if role == 'client' else source):
		        continue
		    payload = tcp[(tcp[12] >> 4) * 4:]
		    flags.append(tcp[13])
		    if tcp[13] & 1:
		        fins.add(seq + len(payload))  # once, though the kernel may send it again
		    if payload:
		        pieces.setdefault(seq, (payload, tcp[13] & 1))
		first = min(pieces)
		stream, fin = b'', False
		for seq in sorted(pieces):
		    assert seq - first == len(stream)
		    stream, fin = stream + pieces[seq][0], bool(pieces[seq][1])
		records, at = [], 0
		while at < len(stream):
		    records.append([stream[at], struct.unpack('>H', stream[at + 3:at + 5])[0]])
		    at += 5 + records[-1][1]
		assert at == len(stream)
		print(json.dumps({'last_record': records[-1], 'fin_in_its_segment': fin, 'fin': len(fins),
		                  'rst': sum(f >> 2 & 1 for f in flags), 'alerts': sum(r[0] == 21 for r in records)}))
	END
}

on_port() {
	capture "$1"
}

# watch LIBRARY ROLE TLS PROGRAM: play under a capture. Sets WIRE (the story) as well.
watch() {
	play "$@"
	[ "$STATUS" -eq 0 ]
	end_capture
	WIRE=$(story "$PORT" "$2")
	echo "$WIRE"
}

# RFC 5246 6.2.3: the type of an encrypted alert can be seen. RFC 8446 5.2: it can't, but its length: level,
# description, inner type and tag are 19 bytes.
is_alert() {
	case $1 in
	1.2) [ "$(jq '.last_record[0]' <<<"$WIRE")" = 21 ] && [ "$(field alerts "$WIRE")" = 1 ] ;;
	1.3) [ "$(jq -c '.last_record' <<<"$WIRE")" = '[23,19]' ] && [ "$(field alerts "$WIRE")" = 0 ] ;;
	esac
}

# one_segment PROGRAM: without the library there's no alert; with it alert and FIN are one segment, and there's no RST.
# An acknowledgement that comes between SSL_free and close makes the kernel send the alert alone, so a busy machine
# gets more than one try for that.
one_segment() {
	local role tls try
	for role in client server; do
		for tls in 1.2 1.3; do
			watch '' "$role" "$tls" "$1"
			run is_alert "$tls"
			assert_failure
			for try in {1..20}; do
				watch "$SHIM" "$role" "$tls" "$1"
				is_alert "$tls"
				assert_equal "$(jq -c '[.fin, .rst]' <<<"$WIRE")" '[1,0]'
				assert_equal "$(field close_notify "$RESULT")" 1
				assert_equal "$(verdict_of "$RESULT")" closed
				[ "$(field fin_in_its_segment "$WIRE")" = true ] && break
			done
			assert_equal "$(field fin_in_its_segment "$WIRE") by try $try" "true by try $try"
		done
	done
}

@test "free_then_close: alert and FIN are one segment" {
	one_segment free_then_close
}

@test "close_then_free: alert and FIN are one segment" {
	one_segment close_then_free
}

@test "close_only: alert and FIN are one segment" {
	one_segment close_only
}

@test "shutdown_wr_then_close: alert and the program's own FIN are one segment" {
	one_segment shutdown_wr_then_close
}

@test "shutdown_rdwr_then_close: alert and the program's own FIN are one segment" {
	one_segment shutdown_rdwr_then_close
}

@test "exit_0: alert and FIN are one segment" {
	one_segment exit_0
}

@test "dup2_over: alert and FIN are one segment" {
	one_segment dup2_over
}

@test "close_with_unread: no RST for the bytes that the program never read" {
	local role tls
	JUDGE_ARGS=(--silent-end --send 10000)
	for role in client server; do
		for tls in 1.2 1.3; do
			watch '' "$role" "$tls" close_with_unread
			assert_equal "$(jq -c '[.fin, .rst > 0]' <<<"$WIRE")" '[0,true]'
			watch "$SHIM" "$role" "$tls" close_with_unread
			is_alert "$tls"
			assert_equal "$(jq -c '[.fin, .rst]' <<<"$WIRE")" '[1,0]'
			assert_equal "$(field close_notify "$RESULT")" 1
		done
	done
}

@test "ssl_shutdown_then_close: what was right goes over the wire in the same records" {
	local role tls without
	for role in client server; do
		for tls in 1.2 1.3; do
			watch '' "$role" "$tls" ssl_shutdown_then_close
			without=$(jq -c '[.last_record, .fin, .rst, .alerts]' <<<"$WIRE")
			watch "$SHIM" "$role" "$tls" ssl_shutdown_then_close
			assert_equal "$(jq -c '[.last_record, .fin, .rst, .alerts]' <<<"$WIRE")" "$without"
			is_alert "$tls"
		done
	done
}
