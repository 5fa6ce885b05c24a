#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The judge, judged: each way to end is committed by one judge and must be told by another.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

# server_hears VERDICT ORDER CLIENT-ARGS...: a client ends so; the server must tell it, in both versions.
server_hears() {
	local verdict=$1 order=$2 tls
	shift 2
	for tls in 1.2 1.3; do
		start_judge --tls "$tls"
		judge_client --tls "$tls" "$@" >"$BATS_TEST_TMPDIR/client"
		RESULT=$(judge_result)
		echo "TLS $tls: $RESULT"
		assert_equal "$(verdict_of "$RESULT")" "$verdict"
		assert_equal "$(field order "$RESULT")" "$order"
	done
}

# client_hears VERDICT ORDER SERVER-ARGS...: the same the other way round.
client_hears() {
	local verdict=$1 order=$2 tls
	shift 2
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" "$@"
		RESULT=$(judge_client --tls "$tls")
		echo "TLS $tls: $RESULT"
		assert_equal "$(verdict_of "$RESULT")" "$verdict"
		assert_equal "$(field order "$RESULT")" "$order"
		judge_result >/dev/null
	done
}

@test "closed: close_notify, then FIN" {
	server_hears closed '["handshake","close_notify","fin"]' --first both
	assert_equal "$(field close_notify_sent "$RESULT")" true
	assert_equal "$(field end "$RESULT")" fin
	client_hears closed '["handshake","data","close_notify","fin"]' --send 100000 --first both
	assert_equal "$(field bytes "$RESULT")" 100000
}

@test "closed: both sides answer each other when TCP stays open" {
	server_hears closed '["handshake","data","close_notify","fin"]' --request hello --first close_notify
	run cat "$BATS_TEST_TMPDIR/client"
	assert_equal "$(verdict_of "$output")" closed
	assert_equal "$(field close_notify_sent "$output")" true
}

@test "truncated: a bare FIN is never an end" {
	server_hears truncated '["handshake","data","fin"]' --request hello --first fin
	assert_equal "$(field close_notify "$RESULT")" 0
	client_hears truncated '["handshake","fin"]' --first fin
}

@test "truncated: half a record before the FIN is told" {
	server_hears truncated '["handshake","data","partial_record","fin"]' --request hello --first half_record
	assert_equal "$(field bytes "$RESULT")" 5
	client_hears truncated '["handshake","partial_record","fin"]' --first half_record
}

@test "reset: bytes before RST count, and close_notify does not excuse it" {
	server_hears reset '["handshake","data","rst"]' --send 20000 --first rst
	assert_equal "$(field bytes "$RESULT")" 20000
	assert_equal "$(field end "$RESULT")" rst
	server_hears reset '["handshake","close_notify","rst"]' --first close_notify_rst
	assert_equal "$(verdict_of "$(cat "$BATS_TEST_TMPDIR/client")")" open
	client_hears reset '["handshake","rst"]' --first rst
}

@test "aborted: a fatal alert, by name" {
	server_hears aborted '["handshake","fatal:bad_record_mac","fin"]' --first fatal
	assert_equal "$(field fatal "$RESULT")" bad_record_mac
	assert_equal "$(field error "$RESULT")" null
	client_hears aborted '["handshake","fatal:bad_record_mac","fin"]' --first fatal
}

@test "the sender of a fatal alert still hears how the other side ends" {
	client_hears aborted '["handshake","fatal:bad_record_mac","fin"]' --first fatal
	assert_equal "$(verdict_of "$(judge_result)")" truncated
	assert_equal "$(field error "$(judge_result)")" null
}

@test "unclean: a second close_notify is counted" {
	server_hears unclean '["handshake","close_notify","close_notify","fin"]' --first two_close_notify
	assert_equal "$(field close_notify "$RESULT")" 2
	assert_equal "$(field records_after_close_notify "$RESULT")" 1
	client_hears unclean '["handshake","data","close_notify","close_notify","fin"]' \
		--send 40000 --first two_close_notify
}

@test "unclean: a fatal alert that comes after close_notify aborts nothing" {
	start_judge --tls 1.2 --send 100
	"$BUILD/tests/party" "$JUDGE_PORT" 1.2 5 socket - SK1We # a handshake after the goodbye: OpenSSL breaks it off
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" unclean
	assert_equal "$(field order "$RESULT")" \
		'["handshake","data","close_notify","garbage","fatal:unexpected_message","fin"]'
}

@test "unclean: data after close_notify is garbage" {
	server_hears unclean '["handshake","data","close_notify","garbage","fin"]' \
		--request hello --first data_after_close_notify
	assert_equal "$(field bytes "$RESULT")" 5
	assert_equal "$(field records_after_close_notify "$RESULT")" 1
}

@test "truncated: a record that can't be decrypted is garbage, with its error" {
	server_hears truncated '["handshake","garbage","fin"]' --first corrupt_record
	assert_regex "$(field error "$RESULT")" 'bad record mac'
}

@test "no_handshake: a client that only connects" {
	start_judge
	exec 5<>"/dev/tcp/127.0.0.1/$JUDGE_PORT"
	exec 5>&-
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" no_handshake
	assert_equal "$(field order "$RESULT")" '["fin"]'
	assert_equal "$(field sha256 "$RESULT")" "$(sha256sum </dev/null | cut -d' ' -f1)"
}

@test "no_handshake: a client that speaks plain text" {
	start_judge
	exec 5<>"/dev/tcp/127.0.0.1/$JUDGE_PORT"
	# bash writes this in two pieces
	printf 'GET / HTTP/1.0\r\n\r\n' >&5
	cat <&5 >/dev/null
	exec 5>&-
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" no_handshake
	assert_equal "$(field order "$RESULT")" '["garbage","fin"]'
	assert_equal "$(field error "$RESULT")" 'not a TLS record'
}

@test "no_handshake: versions that do not meet" {
	start_judge --tls 1.3
	judge_client --tls 1.2 >"$BATS_TEST_TMPDIR/client"
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" no_handshake
	assert_equal "$(field error "$RESULT")" 'unsupported protocol'
	RESULT=$(cat "$BATS_TEST_TMPDIR/client")
	assert_equal "$(verdict_of "$RESULT")" no_handshake
	assert_equal "$(field fatal "$RESULT")" protocol_version
}

@test "timeout: a peer that never ends, and it holds up no other" {
	local tls ms verdicts
	for tls in 1.2 1.3; do
		for ((ms = 1000; ms < 100000; ms *= 4)); do # the third has that time too: a slow one gets more
			start_judge --tls "$tls" --connections 3 --timeout-ms "$ms"
			exec 5<>"/dev/tcp/127.0.0.1/$JUDGE_PORT"
			judge_client --tls "$tls" --timeout-ms 600000 >"$BATS_TEST_TMPDIR/stalled" 3>&- &
			STARTED+=($!)
			judge_client --tls "$tls" --first both >/dev/null
			wait "${STARTED[-1]}"
			RESULT=$(judge_result 3)
			exec 5>&-
			verdicts=$(jq -r .verdict < <(tail -n +2 "$JUDGE_OUT") | sort | xargs)
			[ "$verdicts" = 'timeout timeout timeout' ] || break
		done
		assert_equal "$(verdict_of "$RESULT")" timeout
		assert_equal "$verdicts" 'closed timeout timeout'
		assert_equal "$(jq -r .handshake < <(tail -n +2 "$JUDGE_OUT") | sort | xargs)" 'false true true'
	done
}

@test "a server whom nobody visits ends with one line and status 1" {
	start_judge --accept-timeout-ms 10
	run judge_result
	assert_output 'judge: no connection came within 10 ms'
	status=0
	wait "$JUDGE_PID" || status=$?
	assert_equal "$status" 1
}

@test "a slow reader with a small buffer counts every byte" {
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --read-pause-ms 1 --rcvbuf 8192
		run judge_client --tls "$tls" --send 1000000 --first both
		assert_equal "$(field sent "$output")" 1000000
		RESULT=$(judge_result)
		assert_equal "$(verdict_of "$RESULT")" closed
		assert_equal "$(field bytes "$RESULT")" 1000000
		pattern=$(yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c 1000000 | sha256sum | cut -d' ' -f1)
		assert_equal "$(field sha256 "$RESULT")" "$pattern"
	done
}

@test "a peer that never reads stalls the sender, and still tells a short goodbye" {
	start_judge --never-read --timeout-ms 500
	run judge_client --send 100000000 --first both
	assert [ "$(field sent "$output")" -lt 100000000 ]
	assert_equal "$(verdict_of "$(judge_result)")" timeout
	start_judge --never-read
	judge_client --send 1000 --first both >/dev/null
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(field bytes "$RESULT")" 1000
}

@test "HTTP: head and body come after the whole request head" {
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --http 50000 --first both
		run judge_client --tls "$tls" --request 'GET / HTTP/1.0\r\n\r\n' --sni www.example
		assert_equal "$(field bytes "$output")" 50087
		assert_equal "$(verdict_of "$output")" closed
		RESULT=$(judge_result)
		assert_equal "$(field sent "$RESULT")" 50087
		assert_equal "$(field sni "$RESULT")" www.example
		assert_equal "$(field sha256 "$RESULT")" "$(printf 'GET / HTTP/1.0\r\n\r\n' | sha256sum | cut -d' ' -f1)"
	done
	start_judge --http 50000 --no-length --first fin
	run judge_client --request 'GET / HTTP/1.0\r\n\r\n' --first close_notify --first-after 50064
	assert_equal "$(field bytes "$output")" 50064
	assert_equal "$(verdict_of "$output")" truncated
}

@test "bytes are sent when told to: after a request, after the peer's end" {
	for tls in 1.2 1.3; do
		start_judge --tls "$tls" --send 30000 --send-when request --first both
		run judge_client --tls "$tls" --request x
		assert_equal "$(field bytes "$output")" 30000
		start_judge --tls "$tls" --send 30000 --send-when eof
		run judge_client --tls "$tls" --first close_notify
		assert_equal "$(field bytes "$output")" 30000
		assert_equal "$(verdict_of "$output")" closed
		start_judge --tls "$tls" --send 30000 --send-when eof
		run judge_client --tls "$tls" --first fin
		assert_equal "$(field bytes "$output")" 30000
		assert_equal "$(verdict_of "$output")" truncated
	done
}

@test "a silent end answers nothing" {
	start_judge --silent-end --linger-open-ms 20
	run judge_client --first both
	assert_equal "$(verdict_of "$output")" truncated
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(field close_notify_sent "$RESULT")" false
}

@test "an RST after the FIN is told, and the end stays what it was" {
	start_judge --send 10000 --silent-end --linger-open-ms 60000
	judge_client --never-read --first both --timeout-ms 1000 >/dev/null
	RESULT=$(judge_result)
	assert_equal "$(verdict_of "$RESULT")" closed
	assert_equal "$(field rst_after_fin "$RESULT")" true
	start_judge
	judge_client --first both >/dev/null
	assert_equal "$(field rst_after_fin "$(judge_result)")" false
}

# resumed_in SERVER-ARGS...: how many of 5 connections in a row were resumed, as both sides tell.
resumed_in() {
	start_judge --connections 5 "$@"
	judge_client "${@:1:2}" --repeat 5 --first both >"$BATS_TEST_TMPDIR/client"
	judge_result 5 >/dev/null
	cat "$BATS_TEST_TMPDIR/client" "$JUDGE_OUT" | grep '^{' | jq -r '.role + " " + (.resumed | tostring)' |
		grep -c true
}

@test "resumption: session ids, tickets, and none" {
	assert_equal "$(resumed_in --tls 1.2 --session-ids)" 8
	assert_equal "$(resumed_in --tls 1.2)" 8
	assert_equal "$(resumed_in --tls 1.3)" 8
	assert_equal "$(resumed_in --tls 1.3 --tickets 1)" 8
	assert_equal "$(resumed_in --tls 1.2 --no-tickets)" 0
	assert_equal "$(resumed_in --tls 1.3 --no-tickets)" 0
}

@test "resumption: a session kept in a file" {
	for tls in 1.2 1.3; do
		session=$BATS_TEST_TMPDIR/session-$tls
		start_judge --tls "$tls" --connections 2
		run judge_client --tls "$tls" --first both --session-file "$session"
		assert_equal "$(field resumed "$output")" false
		run judge_client --tls "$tls" --first both --session-file "$session"
		assert_equal "$(field resumed "$output")" true
	done
}

@test "bad input: one line that names the argument and what is accepted, status 2" {
	for args in 'server --tls 1.1' 'client --port 0' 'client --port 1 --send 5x' 'client --port 1 --first bang' \
		'client --port 1 --no-tickets' 'client --bogus' 'client --port' 'server' 'nobody' \
		'server --cert a --key b --session-ids' 'client --port 1 --request \q'; do
		# shellcheck disable=SC2086 # words are wanted
		run "$JUDGE" $args
		assert_equal "$args: $status" "$args: 2"
		assert_equal "${#lines[@]}" 1
		assert_regex "$output" '^judge: .*(accepted|required)'
	done
	run "$JUDGE" --help
	assert_success
	assert_output --partial 'Usage: judge server'
}

@test "SIGUSR1: the judge ends first, lingers open no longer, or gives up, when all that has come is read" {
	start_judge --first both --first-after 1000000 --timeout-ms 60000
	judge_client --send 1000 >"$BATS_TEST_TMPDIR/client" 3>&- &
	STARTED+=($!)
	kill -USR1 "$JUDGE_PID"
	wait $!
	assert_equal "$(verdict_of "$(cat "$BATS_TEST_TMPDIR/client")")" closed
	assert_equal "$(field bytes "$(judge_result)")" 1000
	start_judge --linger-open-ms 60000 --timeout-ms 60000
	kill -USR1 "$JUDGE_PID"
	judge_client --first both >/dev/null
	assert_equal "$(verdict_of "$(judge_result)")" closed
	start_judge --timeout-ms 60000
	kill -USR1 "$JUDGE_PID"
	judge_client >/dev/null
	assert_equal "$(verdict_of "$(judge_result)")" timeout
}

@test "a program that is not there is named at once; no judge waits for it" {
	add_run client 1.3 '' -- "$RUDE/nobody"
	run play_runs
	assert_failure
	assert_output --partial "play: $RUDE/nobody: No such file or directory"
	run play '' client 1.3 nobody
	assert_failure
	assert_output "play: there is no program $RUDE/nobody"
}

@test "stop: a number that is no child's of this test is left alone" {
	local other
	other=$(sleep 60 >/dev/null 3>&- & echo $!)
	stop "$other"
	kill "$other"
	start_judge
	stop "$JUDGE_PID"
	assert_equal "$(judge_result 1 || echo "no result")" 'no result'
}

@test "a child is known as ours whatever its name: with a newline, and what looks like another parent" {
	local name=$'x\ny) S 1 '
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/$name"
	"$BATS_TEST_TMPDIR/$name" 60 3>&- &
	STARTED+=($!)
	until [ "$(cat "/proc/$!/comm")" = "$name" ]; do is_ours $!; a_moment; done
	is_ours $!
}
