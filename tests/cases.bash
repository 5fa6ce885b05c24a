# SPDX-License-Identifier: MIT
# The real programs that the proof is about: one list, for programs.bats and for the table of the README.
# Needs helper.bash. A case is a row here and a function of its name, which runs the program with its end to come.
# shellcheck disable=SC2034 # read by programs.bats and table

PACKAGES=(python3 openssl ruby curl wget git socat ncat nginx-light redis-server redis-tools stunnel4 aria2 perl
	libio-socket-ssl-perl)

# name | program | role | what the judge does | its verdict without the library: TLS 1.2 | TLS 1.3
# client: ends by itself; server: ends after one connection; daemon: goes on until SIGTERM.
CASES=(
	'python_raw          | python3: SSLSocket.close()            | client | --send 100 --send-when request | truncated | truncated'
	'python_until_eof    | python3: SSLSocket.close() after the server ended | client | --send 100 --send-when request --first both | truncated | truncated'
	'python_exit         | python3: exit without close()         | client | --send 100 --send-when request | truncated | truncated'
	'python_unwrap       | python3: SSLSocket.unwrap()           | client | --send 100 --send-when request | closed | closed'
	'python_urllib       | python3: urllib.request               | client | --http 3000 | truncated | truncated'
	'python_http_client  | python3: http.client                  | client | --http 3000 | truncated | truncated'
	'python_smtplib      | python3: smtplib.SMTP_SSL             | client | --request 220_judge\r\n250_judge\r\n221_bye\r\n | truncated | truncated'
	'ruby_sync_close     | ruby: SSLSocket#close with sync_close | client | --send 100 --send-when request --silent-end | closed | closed'
	'ruby_no_sync_close  | ruby: SSLSocket#close without sync_close | client | --send 100 --send-when request --silent-end | closed | closed'
	'ruby_tcp_close      | ruby: TCPSocket#close under an SSLSocket | client | --send 100 --send-when request | truncated | truncated'
	'ruby_net_http       | ruby: net/http                        | client | --http 3000 --silent-end | closed | closed'
	'perl_close          | perl: IO::Socket::SSL                 | client | --send 100 --send-when request --silent-end | closed | closed'
	'openssl_s_client    | openssl s_client                      | client | --no-tickets | closed | closed'
	'openssl_s_client_eof| openssl s_client, after the server ended | client | --http 3000 --first both | closed | closed'
	'curl                | curl                                  | client | --http 3000 --silent-end | closed | closed'
	'socat_client        | socat OPENSSL:                        | client | --no-tickets | closed | closed'
	'ncat_client         | ncat --ssl                            | client | --send 100 --send-when request --first both | truncated | truncated'
	'redis_cli           | redis-cli --tls                       | client | --request +PONG\r\n | truncated | truncated'
	'stunnel_client      | stunnel, client                       | daemon_client | --http 3000 --first both | closed | closed'
	'wget                | wget (GnuTLS)                         | client | --http 3000 | truncated | truncated'
	'aria2c              | aria2c (GnuTLS)                       | client | --http 3000 | truncated | truncated'
	'python_raw_server   | python3: raw socket                   | server | --request hello | truncated | truncated'
	'python_http_server  | python3: http.server                  | daemon | --request GET_/file_HTTP/1.0\r\n\r\n | truncated | truncated'
	'openssl_s_server    | openssl s_server -WWW                 | daemon | --request GET_/file_HTTP/1.0\r\n\r\n | closed | closed'
	'openssl_s_server_q  | openssl s_server                      | server | --first close_notify | closed | closed'
	'socat_listen        | socat OPENSSL-LISTEN:                 | server | | closed | closed'
	'ncat_listen         | ncat -l --ssl                         | server | | truncated | truncated'
	'ncat_exec           | ncat -l --ssl -c                      | server | --silent-end | closed | closed'
	'nginx               | nginx                                 | daemon | --request GET_/file_HTTP/1.0\r\n\r\n --silent-end | closed | closed'
	'redis_server        | redis-server                          | daemon | --request PING\r\nQUIT\r\n --silent-end | closed | closed'
	'stunnel_server      | stunnel, server                       | daemon | --request hello\n | closed | closed'
)

# How each program is run. Clients connect to $PORT; servers choose a port and are found by it.

python_raw() { program python3 "$CLIENTS/client.py" raw "$PORT"; }
python_until_eof() { program python3 "$CLIENTS/client.py" until_eof "$PORT"; }
python_exit() { program python3 "$CLIENTS/client.py" exits "$PORT"; }
python_unwrap() { program python3 "$CLIENTS/client.py" unwrap "$PORT"; }
python_urllib() { program python3 "$CLIENTS/client.py" urllib_request "$PORT"; }
python_http_client() { program python3 "$CLIENTS/client.py" http_client "$PORT"; }
python_smtplib() { program python3 "$CLIENTS/client.py" smtplib_quit "$PORT"; }
ruby_sync_close() { program ruby "$CLIENTS/client.rb" sync_close "$PORT"; }
ruby_no_sync_close() { program ruby "$CLIENTS/client.rb" no_sync_close "$PORT"; }
ruby_tcp_close() { program ruby "$CLIENTS/client.rb" tcp_close "$PORT"; }
ruby_net_http() { program ruby "$CLIENTS/client.rb" net_http "$PORT"; }
# shellcheck disable=SC2016 # Perl's variables
perl_close() {
	program perl -MIO::Socket::SSL -e '
		my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1:$ARGV[0]", SSL_verify_mode => 0) or die;
		print $s "hello"; sysread $s, my $answer, 100; print length $answer; close $s' "$PORT"
}
openssl_s_client() { program openssl s_client -connect "127.0.0.1:$PORT" -quiet -no_ign_eof <<<hello; }
openssl_s_client_eof() { program openssl s_client -connect "127.0.0.1:$PORT" -quiet <<<"$GET"; }
curl() { program curl -sSk "https://127.0.0.1:$PORT/"; }
socat_client() { program socat -u STDIN "OPENSSL:127.0.0.1:$PORT,verify=0" <<<hello; }
ncat_client() { program ncat --ssl 127.0.0.1 "$PORT" <<<hello; }
redis_cli() { program redis-cli --tls --insecure -p "$PORT" ping; }
wget() { program wget -q --no-check-certificate -O - "https://127.0.0.1:$PORT/"; }
aria2c() { program aria2c -q --check-certificate=false -d "$WORK" -o got "https://127.0.0.1:$PORT/"; }

stunnel_client() {
	printf '%s\n' 'foreground = yes' 'pid =' '[it]' 'client = yes' 'accept = 127.0.0.1:0' "connect = 127.0.0.1:$PORT" \
		>"$WORK/conf"
	program stunnel4 "$WORK/conf"
}

python_raw_server() { program python3 "$CLIENTS/server.py" raw "$CERT" "$KEY" "$TLS"; }
python_http_server() { program python3 "$CLIENTS/server.py" http_server "$CERT" "$KEY" "$TLS"; }
openssl_s_server() { program openssl s_server -accept 127.0.0.1:0 -cert "$CERT" -key "$KEY" -WWW; }
openssl_s_server_q() { program openssl s_server -accept 127.0.0.1:0 -cert "$CERT" -key "$KEY" -quiet -naccept 1; }
socat_listen() { program socat -u OPEN:file,rdonly "OPENSSL-LISTEN:0,bind=127.0.0.1,verify=0,cert=$CERT,key=$KEY"; }
ncat_listen() { program ncat -l 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" --send-only <file; }
ncat_exec() { program ncat -l 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" -c 'cat file'; }

nginx() {
	cat >conf <<-END
		daemon off; master_process off; pid nginx.pid; error_log stderr;
		events {}
		http {
			access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; scgi_temp_path t; uwsgi_temp_path t;
			server {
				listen 127.0.0.1:$(free_port) ssl;
				ssl_certificate $CERT; ssl_certificate_key $KEY; ssl_protocols TLSv1.2 TLSv1.3;
				root $WORK;
			}
		}
	END
	program nginx -p "$WORK" -c "$WORK/conf"
}

redis_server() {
	program redis-server --bind 127.0.0.1 --port 0 --tls-port "$(free_port)" --save '' --dir "$WORK" \
		--tls-cert-file "$CERT" --tls-key-file "$KEY" --tls-ca-cert-file "$CERT" --tls-auth-clients no
}

# What a server that stops short does to its peers: they fail. Served by scripts, without a Content-Length.
python_cgi() {
	mkdir cgi-bin
	printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\ncat file\n' >cgi-bin/bytes
	printf '#!/bin/sh\nGIT_HTTP_EXPORT_ALL=1 GIT_PROJECT_ROOT=%s exec git http-backend\n' "$WORK" >cgi-bin/git
	chmod +x cgi-bin/*
	program python3 "$CLIENTS/server.py" cgi "$CERT" "$KEY" "$TLS"
}

stunnel_server() {
	printf '%s\n' 'foreground = yes' 'pid =' "cert = $CERT" "key = $KEY" '[it]' 'accept = 127.0.0.1:0' \
		'exec = /usr/bin/head' 'execArgs = head -n 1' >"$WORK/conf"
	program stunnel4 "$WORK/conf"
}

# --- running them ---

CLIENTS=$PROJECT/tests/clients
CERT=$PKI/cert.pem KEY=$PKI/key.pem
GET=$'GET /file HTTP/1.0\r\n\r'
RUNNING=()

# What comes instead of this shell: an unmodified program in the private root, with the library if $WITH says so.
program() {
	local with=()
	[ "$WITH" = without ] || with=(--env "LD_PRELOAD=$SHIM")
	exec "$PROJECT/tests/sysroot" run "${with[@]}" host -- "$@"
}

# start NAME: runs that case's program in the background in $WORK; its process id is in $!.
start() {
	(
		cd "$WORK" || exit
		"$1"
	) >"$WORK/out" 2>"$WORK/err" </dev/null 3>&- &
	RUNNING+=($!)
}

# A port that a program can't choose by itself; below the range from which the kernel takes ports for clients.
free_port() {
	"$PROJECT/tests/sysroot" run host -- python3 -c '
import random, socket
while True:
    try:
        port = random.randrange(10000, 32000)
        socket.create_server(("127.0.0.1", port)).close()
        break
    except OSError:
        pass
print(port)'
}

# port_of PID: waits until that process listens and prints the port.
port_of() {
	local port=
	until [ -n "$port" ]; do
		kill -0 "$1" || return 1
		port=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
			awk 'FILENAME == "-" { gsub(/[^0-9]/, ""); mine[$0]; next }
				$4 == "0A" && $10 in mine { sub(/.*:/, "", $2); print $2; exit }' - /proc/net/tcp /proc/net/tcp6)
		[ -n "$port" ] || sleep 0.01
	done
	echo $((16#$port))
}

# finish PID [SIGNAL]: waits for its end, asked for by SIGNAL, and prints its status; by force after half a minute.
finish() {
	local status=0
	[ $# -lt 2 ] || kill "-$2" "$1" 2>/dev/null || true
	for ((i = 0; i < 3000; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.01
	done
	! kill -KILL "$1" 2>/dev/null || echo "process $1 did not end" >&2
	wait "$1" || status=$?
	STATUS=$status
}

stop_programs() {
	local pid
	for pid in "${RUNNING[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	RUNNING=()
}

# relay PORT: a relay before PORT that writes $WORK/wire; sets PORT to its own.
relay() {
	"$PROJECT/tests/sysroot" run host -- python3 "$CLIENTS/relay.py" "$PORT" "$WORK/wire" 3>&- &
	RELAY_PID=$!
	RUNNING+=($!)
	PORT=$(port_of $!)
}

# case_of NAME: sets PROGRAM, ROLE, JUDGE_ARGS and EXPECTED (its two verdicts without the library).
case_of() {
	local row name judge v12 v13 i
	for row in "${CASES[@]}"; do
		IFS='|' read -r name PROGRAM ROLE judge v12 v13 <<<"$row"
		[ "${name%% *}" = "$1" ] || continue
		read -r PROGRAM <<<"$PROGRAM"
		read -r ROLE <<<"$ROLE"
		read -ra JUDGE_ARGS <<<"$judge"
		for i in "${!JUDGE_ARGS[@]}"; do
			[[ ${JUDGE_ARGS[i]} != *\\* ]] || JUDGE_ARGS[i]=${JUDGE_ARGS[i]//_/ }
		done
		EXPECTED=("${v12// /}" "${v13// /}")
		return
	done
	return 1
}

# measure NAME TLS with|without [relay]: one run. Sets RESULT (the judge's line), STATUS (the program's exit
# status) and WORK, where its output is in out and err, and what stood on the wire in wire.
measure() {
	local how=${4-} pid
	TLS=$2 WITH=$3 WORK=$(mktemp -d "$BATS_TEST_TMPDIR/$1-$2-$3.XXXXXX")
	case_of "$1"
	yes 'a line of a file' | head -c 3000 >"$WORK/file"
	case $ROLE in
	*client)
		start_judge --tls "$TLS" --cert "$CERT" --key "$KEY" "${JUDGE_ARGS[@]}"
		PORT=$JUDGE_PORT
		[ -z "$how" ] || relay
		start "$1"
		pid=$!
		if [ "$ROLE" = client ]; then
			finish "$pid"
			RESULT=$(judge_result)
		else
			exec 5<>"/dev/tcp/127.0.0.1/$(port_of "$pid")"
			printf '%s\n' "$GET" >&5
			cat <&5 >/dev/null
			exec 5>&-
			RESULT=$(judge_result)
			finish "$pid" TERM
		fi
		;;
	*)
		start "$1"
		pid=$!
		PORT=$(port_of "$pid")
		[ -z "$how" ] || relay
		RESULT=$("$JUDGE" client --port "$PORT" --tls "$TLS" "${JUDGE_ARGS[@]}")
		if [ "$ROLE" = server ]; then finish "$pid"; else finish "$pid" TERM; fi
		;;
	esac
	[ -z "$how" ] || wait "$RELAY_PID"
}
