#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Unmodified programs in which more than one process holds a TLS connection. Each runs without the library first. Where
# it was right it stays so, where it was wrong it is repaired, and a process that doesn't own a connection says nothing on it.
# shellcheck disable=SC2030,SC2031,SC2034,SC2153 # PORT, STATUS, WORK and the like are what cases.bash reads or sets

load helper
load cases

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host python3 ncat socat stunnel4 postgresql apache2-bin vsftpd
	! may_mount || add_proftpd host
}

setup() {
	ROW=10 AT_ONCE=10
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

# judge_all ARGS...: ROW clients one after another, then AT_ONCE. Sets ENDS.
judge_all() {
	local pids=() i
	"$JUDGE" client --port "$PORT" --tls "$TLS" --repeat "$ROW" "$@" >"$WORK/judged.0"
	for ((i = 1; i <= AT_ONCE; i++)); do
		"$JUDGE" client --port "$PORT" --tls "$TLS" "$@" >"$WORK/judged.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	ENDS=$(ends_of "$WORK"/judged.*)
}

# serves_all NAME WITHOUT WITH BYTES HASH ARGS...: all of them end so without the library, and so with it.
serves_all() {
	local name=$1 without=$2 with=$3 whole="$4 $5" tls
	shift 5
	for tls in 1.2 1.3; do
		start_server "$name" "$tls" without
		judge_all "$@"
		finish "$SERVER" TERM
		assert_equal "$name, TLS $tls, without: $ENDS" "$name, TLS $tls, without: $((ROW + AT_ONCE)) $without $whole"
		start_server "$name" "$tls" with
		judge_all "$@"
		finish "$SERVER" TERM
		assert_equal "$name, TLS $tls, with: $ENDS" "$name, TLS $tls, with: $((ROW + AT_ONCE)) $with $whole"
	done
}

# --- ncat: the parent shakes hands, forks, and closes ---

ncat_serves() {
	program ncat -lk 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" "$@"
}
ncat_command() { ncat_serves -c 'cat file'; }
ncat_program() { ncat_serves -e "/bin/cat $WORK/file"; }

@test "ncat -lk -c: 300,000 bytes from each child arrive whole" {
	as_listed || AT_ONCE=1 # of ten that come at once Debian 13's answers one
	serves_all ncat_command 'closed 1' 'closed 1' 300000 "$(letters 300000 | hash_of)" --silent-end
}

@test "ncat -lk -e: the same" {
	as_listed || AT_ONCE=1 # of ten that come at once Debian 13's answers one
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
	local with=$1 tls shim expected whole
	shift
	whole="16 $(printf 'before and after' | hash_of)"
	for tls in 1.2 1.3; do
		for shim in without with; do
			WITH=$shim
			new_work
			start_judge --tls "$tls" --connections $# --send 100 --send-when request --timeout-ms 60000
			WAYS=("$@")
			start python_client
			finish $!
			cat "$WORK/err"
			judge_result $# >/dev/null
			echo "TLS $tls, $shim: status $STATUS, $*"
			jq -r '[.connection, .verdict, .close_notify] | join(" ")' <(tail -n +2 "$JUDGE_OUT")
			assert_equal "$STATUS $(xargs <"$WORK/out")" "0 $(printf '%s 100\n' "$@" | xargs)"
			expected='truncated 0'
			[ "$shim" = without ] || expected=$with
			assert_equal "$(ends_of <(tail -n +2 "$JUDGE_OUT"))" "$# $expected $whole"
		done
	done
}

python_client() { program python3 "$OWNERS" client "$JUDGE_PORT" "${WAYS[@]}"; }

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
	local ROW=5 AT_ONCE=5
	serves_all python_forking 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
	serves_all python_forking_first 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
}

@test "python3: a process that got the connection by multiprocessing or send_fds says goodbye" {
	local ROW=5 AT_ONCE=5
	serves_all python_send_fds 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
	ROW=2 AT_ONCE=1 serves_all python_process 'truncated 0' 'closed 1' 10000 "$(letters_100)" --send 100
}

letters_100() {
	for _ in {1..100}; do letters 100; done | hash_of
}

# --- postgresql: a process for each connection, and a BIO of its own ---

# wait_for PATTERN FILE [COUNT]: until so many lines of it match, as long as $SERVER lives.
wait_for() {
	local count
	until count=$(grep -cE "$1" "$2" 2>/dev/null) || true && [ "${count:-0}" -ge "${3-1}" ]; do
		is_ours "$SERVER" || { cat "$WORK/err" >&2 && return 1; }
		a_moment
	done
}

# watched COMMAND...: as program, and what its processes accept and say on sockets, and their threads, are in $WORK/trace.
watched() {
	local with=()
	[ "$WITH" = without ] || with=(--env "LD_PRELOAD=$SHIM")
	exec strace -D -qq -f --seccomp-bpf -yy -o trace -e signal=none \
		-e trace=sendto,sendmsg,sendmmsg,write,writev,sendfile,shutdown,accept,accept4,clone,clone3,exit_group \
		"$PROJECT/tests/sysroot" run "${with[@]}" host -- "$@"
}

# speakers TRACE: who spoke on which accepted connection, or half-closed it. A client's port may be taken again, so each
# accept() on it counts anew; and a thread is its process.
speakers() {
	awk -v accepted="TCP:\\[127\\.0\\.0\\.1:$PORT->[0-9.:]+\\]" '
		FNR == NR && /clone/ { if (!/resumed>/) makes[$1] = /CLONE_THREAD/ }
		FNR == NR && /clone/ && makes[$1] && $(NF - 1) == "=" && $NF > 0 { process[$NF] = $1 in process ? process[$1] : $1 }
		FNR == NR || !match($0, accepted) { next }
		{ connection = substr($0, RSTART, RLENGTH); sub(/^[^>]*>/, "", connection); sub(/\]$/, "", connection) }
		$2 ~ /^accept/ || $3 ~ /^accept/ { times[connection]++; next }
		$2 ~ "^[a-z]+\\([0-9]+<" accepted {
			print connection "/" times[connection] + 0, ($1 in process ? process[$1] : $1)
		}' "$1" "$1" | sort -u
}

# each_spoken_by_one COUNT: on each of at least so many accepted connections one process spoke or half-closed, never
# the one that listens. The server has ended.
each_spoken_by_one() {
	local speakers end=$((SECONDS + 120))
	until grep -qE "^$SERVER +exit_group" "$WORK/trace"; do
		((SECONDS < end))
		a_moment
	done
	speakers=$(speakers "$WORK/trace")
	assert [ "$(wc -l <<<"$speakers")" -ge "$1" ]
	assert_equal "$(cut -d' ' -f1 <<<"$speakers" | uniq -d)" ''
	refute_regex "$speakers" " $SERVER( |\$)"
}

postgres() {
	new_database
	watched "${AS_POSTGRES[@]}" "$(postgres_programs)/postgres" -D data -p "$PORT" -k "$WORK" -h 127.0.0.1 -F \
		-c ssl=on -c ssl_cert_file=cert.pem -c ssl_key_file=key.pem
}

psql() {
	(program "$(postgres_programs)/psql" -XAtq -c "$1" "host=127.0.0.1 port=$PORT user=postgres dbname=postgres sslmode=require
		ssl_min_protocol_version=TLSv$TLS ssl_max_protocol_version=TLSv$TLS")
}

held() {
	inside python3 "$PROJECT/tests/clients/held.py" "$1" "$PORT" "$TLS" "${@:2}"
}

# The sessions of one server; what the clients say of them.
postgres_sessions() {
	local pids=() i backend
	for TLS in 1.2 1.3; do
		for i in 1 2; do
			psql 'select version from pg_stat_ssl where pid = pg_backend_pid()'
		done
		for i in 1 2 3; do
			psql "$BIG" | hash_of >"$WORK/big.$i" 3>&- &
			pids+=($!)
		done
		wait "${pids[@]}"
		cat "$WORK"/big.*
		held postgres_query "select repeat('x', 300000)"

		rm -f "$WORK/idle" # of the version before
		held postgres_idle >"$WORK/idle" 3>&- &
		pids+=($!)
		wait_for '^[0-9]+$' "$WORK/idle"
		psql "select pg_terminate_backend($(cat "$WORK/idle"))"
		wait "${pids[@]}"
		tail -n +2 "$WORK/idle"
	done
}

@test "postgresql: sessions, one terminated, the postmaster's stop; all as without" {
	local i idle big text expected=
	[ "$EUID" -eq 0 ] || skip 'postgres refuses to run as root, and only root can become another user'
	needs_readers
	BIG="select repeat('x', 100) from generate_series(1, 10000)"
	big=$(yes "$(printf 'x%.0s' {1..100})" | head -n 10000 | hash_of)
	text="300006 $({ printf '\0\1\0\4\223\340' && yes x | tr -d '\n' | head -c 300000; } | hash_of)" # as on the wire
	for TLS in 1.2 1.3; do
		expected+=$(printf '%s\n' TLSv$TLS TLSv$TLS "$big" "$big" "$big" "$text closed" t 'SFATAL C57P01' closed)$'\n'
	done
	for WITH in without with; do
		new_work
		PORT=$(free_port)
		start postgres
		SERVER=$!
		wait_for 'ready to accept connections' "$WORK/err"
		postgres_sessions >"$WORK/said"
		rm -f "$WORK/idle" # of the version before
		held postgres_idle >"$WORK/idle" 3>&- &
		idle=$!
		wait_for '^[0-9]+$' "$WORK/idle"
		finish "$SERVER" INT
		wait "$idle"
		tail -n +2 "$WORK/idle" >>"$WORK/said"
		assert_equal "$WITH: $STATUS $(cat "$WORK/said")" "$WITH: 0 ${expected}SFATAL C57P01"$'\n'closed
		each_spoken_by_one 17
	done
}

# --- apache2, prefork: the children accept, the parent restarts them ---

# It signals its whole process group, which must not be ours.
apache() {
	local modules=/usr/lib/apache2/modules
	cat >conf <<-END
		ServerRoot $WORK
		DefaultRuntimeDir $WORK
		ServerName localhost
		PidFile pid
		ErrorLog /dev/stderr
		User www-data
		Group www-data
		LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule ssl_module $modules/mod_ssl.so
		StartServers 2
		Listen 127.0.0.1:$PORT
		DocumentRoot $WORK
		KeepAlive On
		KeepAliveTimeout 1
		SSLEngine on
		SSLCertificateFile $CERT
		SSLCertificateKeyFile $KEY
	END
	watched setsid apache2 -DFOREGROUND -f "$WORK/conf"
}

# The head of an answer has a date in it.
whole_answers() {
	jq -r '[.verdict, .close_notify, .bytes > 300000] | join(" ")' "$WORK"/judged.* | sort | uniq -c | sed 's/^ *//'
}

@test "apache2: prefork, KeepAlive, and a graceful restart in the middle of an answer; all as without" {
	local ROW=3 AT_ONCE=5 get=(--request 'GET /small HTTP/1.0\r\n\r\n' --silent-end) client whole
	[ "$EUID" -eq 0 ] || skip 'only root can become www-data'
	whole="8000000 $(letters 8000000 | hash_of)"
	for WITH in without with; do
		for TLS in 1.2 1.3; do
			new_work
			let_in
			letters 300000 >"$WORK/small"
			letters 8000000 >"$WORK/file"
			mkfifo "$WORK/go"
			PORT=$(free_port)
			start apache
			SERVER=$!
			wait_for 'resuming normal operations' "$WORK/err"
			(cd "$WORK" && held http_half) >"$WORK/half" 3>&- &
			client=$!
			wait_for half "$WORK/half"
			judge_all "${get[@]}"
			assert_equal "$(whole_answers)" '8 closed 1 true'
			kill -USR1 "$SERVER"
			wait_for 'resuming normal operations' "$WORK/err" 2
			judge_all "${get[@]}"
			assert_equal "$(whole_answers)" '8 closed 1 true'
			is_ours "$client"
			: >"$WORK/go"
			wait "$client"
			assert_equal "$WITH: $(cat "$WORK/half")" "$WITH: $(printf '%s\n' "$whole" half "$whole closed")"
			finish "$SERVER" TERM
			assert_equal "$STATUS" 0
			each_spoken_by_one 17
		done
	done
}

# --- stunnel: under an inetd, and with a program behind it ---

stunnel_inetd() {
	printf '%s\n' 'foreground = yes' 'pid =' "cert = $CERT" "key = $KEY" 'exec = /bin/cat' 'execArgs = cat' >conf
	program socat TCP-LISTEN:0,bind=127.0.0.1,fork "EXEC:stunnel4 $WORK/conf,nofork"
}

stunnel_exec() {
	printf '%s\n' 'foreground = yes' 'pid =' "cert = $CERT" "key = $KEY" '[it]' 'accept = 127.0.0.1:0' \
		'exec = /bin/cat' 'execArgs = cat' >conf
	program stunnel4 "$WORK/conf"
}

@test "stunnel, started for each connection by an inetd: the echo comes back, all as without" {
	local ROW=5 AT_ONCE=5
	serves_all stunnel_inetd 'closed 1' 'closed 1' 10000 "$(letters 10000 | hash_of)" \
		--send 10000 --first both --first-after 10000
}

@test "stunnel exec: a program for each connection, the echo comes back, all as without" {
	local ROW=5 AT_ONCE=5
	serves_all stunnel_exec 'closed 1' 'closed 1' 10000 "$(letters 10000 | hash_of)" \
		--send 10000 --first both --first-after 10000
}

# --- FTP servers over TLS: children that drop privileges, chroot and _exit ---

vsftpd() {
	mkdir -p empty
	cat >conf <<-END
		listen=YES
		listen_address=127.0.0.1
		listen_port=$PORT
		background=NO
		anonymous_enable=YES
		local_enable=NO
		write_enable=YES
		anon_upload_enable=YES
		anon_root=$WORK/ftp
		ftp_username=daemon
		nopriv_user=nobody
		no_anon_password=YES
		secure_chroot_dir=$WORK/empty
		seccomp_sandbox=NO
		ssl_enable=YES
		allow_anon_ssl=YES
		force_anon_data_ssl=YES
		force_anon_logins_ssl=YES
		require_ssl_reuse=NO
		ssl_ciphers=HIGH
		rsa_cert_file=$CERT
		rsa_private_key_file=$KEY
	END
	program vsftpd "$WORK/conf"
}

# serves_ftp NAME END: files go both ways, and the control connection ends so, without as with.
serves_ftp() {
	local name=$1 end=$2 whole
	[ "$EUID" -eq 0 ] || skip 'only root can become another user'
	for WITH in without with; do
		new_work
		let_in
		mkdir -m 755 "$WORK/ftp"
		mkdir -m 777 "$WORK/ftp/in"
		letters 300000 >"$WORK/ftp/file"
		PORT=$(free_port)
		start "$name"
		SERVER=$!
		PORT=$(port_of "$SERVER")
		for TLS in 1.2 1.3; do
			run held ftps
			assert_equal "$WITH: $output" "$WITH: $(printf '%s\n' file in "300000 $(letters 300000 | hash_of)" "221 $end")"
			assert cmp "$WORK/ftp/file" "$WORK/ftp/in/$TLS"
		done
		finish "$SERVER" TERM
	done
}

@test "vsftpd: one child speaks TLS for another, which ends the connection; all as without" {
	serves_ftp vsftpd truncated
}

@test "proftpd: descriptors to read and to write are not the same; all as without" {
	needs_mount # beside vsftpd it can't be installed
	serves_ftp proftpd closed
}

# --- processes as sshd has them: a listener, a monitor, a speaker (tests/rude/monitor_*.c) ---

# monitored NAME WITHOUT WITH: so its 10000 bytes end.
monitored() {
	local tls shim expected whole
	whole="10000 $(letters 10000 | hash_of)"
	for tls in 1.2 1.3; do
		for shim in '' "$SHIM"; do
			expected=$2
			[ -z "$shim" ] || expected=$3
			start_judge --tls "$tls" --no-tickets
			STATUS=0
			SAID=$(LD_PRELOAD=$shim timeout -k 10 60 "$BUILD/tests/rude/$1" "$JUDGE_PORT" "$tls" 2>&1) || STATUS=$?
			echo "$1, TLS $tls, ${shim:-without}: $(judge_result)"
			assert_equal "$STATUS $SAID" '0 close(r.fd) = 0 errno 0 queue 0'
			assert_equal "$(ends_of <(judge_result))" "1 $expected $whole"
		done
	done
}

@test "monitor_lets_go: the speaker, alone with the socket, is heard to end" {
	monitored monitor_lets_go 'truncated 0' 'closed 1'
}

@test "monitor_waits: a speaker that is not alone, and a monitor whose keys are old, say nothing" {
	monitored monitor_waits 'truncated 0' 'truncated 0'
}

@test "monitor_tidies_up: nothing comes after the speaker's own goodbye" {
	monitored monitor_tidies_up 'closed 1' 'closed 1'
}
