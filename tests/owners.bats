#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unmodified programs in which more than one process holds a TLS connection. Each runs without the library first. Where
# it was right it stays so, where it was wrong it is repaired, and a process that doesn't own a connection says nothing on it.
# shellcheck disable=SC2153,SC2034 # STATUS, WORK and the like are what cases.bash sets and reads

load helper
load cases

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host python3 ncat socat
}

setup() {
	CERT=$PKI/cert.pem KEY=$PKI/key.pem
	OWNERS=$PROJECT/tests/clients/owners.py
}

teardown() {
	stop_programs
	stop_judges
}

# letters N: the judge's and this file's idea of N bytes.
letters() {
	yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c "$1"
}

hash_of() {
	sha256sum | cut -d' ' -f1
}

# start_server NAME TLS with|without: that server on $PORT, its process in $SERVER.
start_server() {
	TLS=$2 WITH=$3
	new_work
	letters 300000 >"$WORK/file"
	start "$1"
	SERVER=$!
	PORT=$(port_of "$SERVER")
}

# ends_of FILE...: how often each end was judged: number, verdict, close_notify, bytes, hash.
ends_of() {
	jq -r '[.verdict, .close_notify, .bytes, .sha256] | join(" ")' "$@" | sort | uniq -c | sed 's/^ *//'
}

# judge_all ROW AT-ONCE ARGS...: so many clients one after another, then so many at once. Sets ENDS.
judge_all() {
	local row=$1 at_once=$2 pids=() i
	shift 2
	"$JUDGE" client --port "$PORT" --tls "$TLS" --repeat "$row" "$@" >"$WORK/judged.0"
	for ((i = 1; i <= at_once; i++)); do
		"$JUDGE" client --port "$PORT" --tls "$TLS" "$@" >"$WORK/judged.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	ENDS=$(ends_of "$WORK"/judged.*)
}

# serves_all NAME WITHOUT WITH BYTES HASH ARGS...: 20 connections end so without the library, and so with it.
serves_all() {
	local name=$1 without=$2 with=$3 whole="$4 $5" tls
	shift 5
	for tls in 1.2 1.3; do
		start_server "$name" "$tls" without
		judge_all 10 10 "$@"
		finish "$SERVER" TERM
		assert_equal "$name, TLS $tls, without: $ENDS" "$name, TLS $tls, without: 20 $without $whole"
		start_server "$name" "$tls" with
		judge_all 10 10 "$@"
		finish "$SERVER" TERM
		assert_equal "$name, TLS $tls, with: $ENDS" "$name, TLS $tls, with: 20 $with $whole"
	done
}

# --- ncat: the parent shakes hands, forks, and closes ---

ncat_serves() {
	program ncat -lk 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" "$@"
}
ncat_command() { ncat_serves -c 'cat file'; }
ncat_program() { ncat_serves -e "/bin/cat $WORK/file"; }

@test "ncat -lk -c: 300,000 bytes from each child arrive whole" {
	serves_all ncat_command 'closed 1' 'closed 1' 300000 "$(letters 300000 | hash_of)" --silent-end
}

@test "ncat -lk -e: the same" {
	serves_all ncat_program 'closed 1' 'closed 1' 300000 "$(letters 300000 | hash_of)" --silent-end
}

# --- socat: the child shakes hands; the parent closes before the ClientHello, or after ---

socat_serves() {
	program socat "OPENSSL-LISTEN:0,bind=127.0.0.1,verify=0,fork,cert=$CERT,key=$KEY" "$1"
}
socat_exec() { socat_serves EXEC:cat; }
socat_system() { socat_serves 'SYSTEM:cat; true'; }

@test "socat fork EXEC: no ClientHello is lost, and the echo comes back" {
	serves_all socat_exec 'closed 1' 'closed 1' 10000 "$(letters 10000 | hash_of)" \
		--send 10000 --first both --first-after 10000
}

@test "socat fork SYSTEM: the same" {
	serves_all socat_system 'closed 1' 'closed 1' 10000 "$(letters 10000 | hash_of)" \
		--send 10000 --first both --first-after 10000
}

# --- python3 ---

# lives_through WITH WAY...: the client's connections meet other processes in these ways and go on; none says goodbye
# without the library, and with it so many (each or none) do. Nothing but their own bytes is on any of them.
lives_through() {
	local with=$1 tls shim heard whole
	shift
	whole="16 $(printf 'before and after' | hash_of)"
	for tls in 1.2 1.3; do
		for shim in without with; do
			WITH=$shim
			new_work
			start_judge --tls "$tls" --connections $# --send 100 --send-when request --timeout-ms 60000
			python_client() { program python3 "$OWNERS" client "$JUDGE_PORT" "${WAYS[@]}"; }
			WAYS=("$@")
			start python_client
			finish $!
			cat "$WORK/err"
			judge_result $# >/dev/null
			heard=$(jq -r '[.connection, .verdict, .close_notify] | join(" ")' <(tail -n +2 "$JUDGE_OUT"))
			echo "TLS $tls, $shim: status $STATUS, $heard"
			assert_equal "$STATUS $(xargs <"$WORK/out")" "0 $(printf '%s 100\n' "$@" | xargs)"
			[ "$shim" = with ] || with_now='truncated 0'
			[ "$shim" = without ] || with_now=$with
			assert_equal "$(ends_of <(tail -n +2 "$JUDGE_OUT"))" "$# $with_now $whole"
		done
	done
}

@test "python3: subprocess and posix_spawn while a connection is open" {
	lives_through 'closed 1' popen popen_keeps_open popen_passes popen_lives popen_forks \
		spawn_closes spawn_replaces system
}

@test "python3: a fork child that closes, exits, execs; the parent speaks on" {
	lives_through 'closed 1' fork_closes fork_shuts_down fork_exits fork_underscore_exits fork_execs \
		fork_unreaped fork_twice
}

@test "python3: multiprocessing while a connection is open" {
	lives_through 'closed 1' process_fork process_spawn process_forkserver pool
}

@test "python3: a child or another process that still has the descriptor: no goodbye, as without" {
	lives_through 'truncated 0' fork_holds sends_descriptor
}

python_serves() { program python3 "$OWNERS" server "$1" "$CERT" "$KEY" "$TLS"; }
python_forking() { python_serves forking; }
python_forking_first() { python_serves forking_first; }
python_process() { python_serves process_serves; }
python_send_fds() { python_serves send_fds; }

@test "python3: ForkingMixIn, with the handshake in the parent and in the child: the child says goodbye" {
	serves_all python_forking 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
	serves_all python_forking_first 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
}

@test "python3: a process that got the connection by multiprocessing or send_fds says goodbye" {
	serves_all python_send_fds 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
}

letters_100() {
	for _ in {1..100}; do letters 100; done | hash_of
}
