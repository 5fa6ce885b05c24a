# SPDX-License-Identifier: MIT
# The real programs that the proof is about: one list, for programs.bats and tests/programs.md.
# Needs helper.bash. A case is a row here and a function of its name, which becomes the program.
# shellcheck disable=SC2016,SC2034,SC2153 # judge options are expanded later; some are read by others, some set by helper.bash

PACKAGES=(python3 openssl ruby curl wget git socat ncat nginx-light redis-server redis-tools stunnel4 aria2 perl
	libio-socket-ssl-perl python3-twisted python3-openssl python3-service-identity python3-uvicorn haproxy apache2
	libevent-dev bind9-dnsutils postfix dovecot-pop3d php-cli postgresql-client python3-pyside2.qtnetwork postgresql
	znc)
SOME_LACK=python3-pyqt6 # Debian 11
FAMILIES=(python3-uvloop python3-gevent python3-eventlet python3-tornado python3-trio python3-httpx nodejs libmojolicious-perl
	libanyevent-perl libnet-ssleay-perl tcl tcl-tls)
OTHER=$BUILD/other # a second root, for what can't be installed beside those

# name | program | role | what the judge does | its verdict without the library, TLS 1.2 | and TLS 1.3
# A client ends by itself, a server after one connection, a daemon at SIGTERM; a proxy is a daemon that connects. After a
# plus, the plain text before TLS: one of the protocols of clients/upgrade.py.
# --silent-end: else the judge's answer to close_notify may or may not come before close(), which then resets.
CASES=(
	'python_raw           | python3: SSLSocket.close()                   | client | --send 100 --send-when request | truncated | truncated'
	'python_answer        | python3: SSLSocket.close(), the server ended first | client | --send 100 --send-when request --first both | truncated | truncated'
	'python_unread        | python3: SSLSocket.close() with unread input | client | --send 100 --send-when request --no-tickets | reset | reset'
	'python_exit          | python3: exit without close()                | client | --send 100 --send-when request | truncated | truncated'
	'python_unwrap        | python3: SSLSocket.unwrap()                  | client | --send 100 --send-when request | closed | closed'
	'python_urllib        | python3: urllib.request                      | client | --http 3000 | truncated | truncated'
	'python_http_client   | python3: http.client                         | client | --http 3000 | truncated | truncated'
	'python_smtplib       | python3: smtplib.SMTP_SSL                    | client | --request "220 judge\r\n250 judge\r\n221 bye\r\n" | truncated | truncated'
	'ruby_sync_close      | ruby: SSLSocket#close with sync_close        | client | --send 100 --send-when request --silent-end | closed | closed'
	'ruby_no_sync_close   | ruby: SSLSocket#close, then TCPSocket#close  | client | --send 100 --send-when request --silent-end | closed | closed'
	'ruby_unread          | ruby: SSLSocket#close with unread input      | client | --send 100 --send-when request --no-tickets --silent-end | reset | reset'
	'ruby_tcp_close       | ruby: TCPSocket#close alone                  | client | --send 100 --send-when request | truncated | truncated'
	'ruby_net_http        | ruby: net/http                               | client | --http 3000 --silent-end | closed | closed'
	'perl_close           | perl: IO::Socket::SSL, close                 | client | --send 100 --send-when request --silent-end | closed | closed'
	'perl_let_go          | perl: IO::Socket::SSL, out of scope          | client | --send 100 | truncated | truncated'
	'openssl_s_client     | openssl s_client                             | client | --no-tickets | closed | closed'
	'openssl_s_client_eof | openssl s_client, the server ended first     | client | --http 3000 --first both | closed | closed'
	'curl                 | curl                                         | client | --http 3000 --silent-end | closed | closed'
	'socat_client         | socat OPENSSL:                               | client | --no-tickets | closed | closed'
	'ncat_client          | ncat --ssl                                   | client | --send 100 --send-when request --first both | truncated | truncated'
	'redis_cli            | redis-cli --tls                              | client | --request "+PONG\r\n" | truncated | truncated'
	'stunnel_client       | stunnel                                      | proxy  | --http 3000 --first both | closed | closed'
	'wget                 | wget (GnuTLS)                                | client | --http 3000 | truncated | truncated'
	'aria2c               | aria2c (GnuTLS)                              | client | --http 3000 --silent-end | closed | closed'
	'asyncio_close        | asyncio: StreamWriter.close()                | client | --send 100 --send-when request | closed | closed'
	'asyncio_abort        | asyncio: transport.abort()                   | client | --send 100 --send-when request --silent-end | truncated | truncated'
	'asyncio_exits        | asyncio: exit without close()                | client | --send 100 --send-when request --silent-end | truncated | truncated'
	'twisted_lose         | Twisted: loseConnection()                    | client | --send 100 --send-when request | closed | closed'
	'twisted_abort        | Twisted: abortConnection(), which asks for RST | client | --send 100 --send-when request | reset | reset'
	'libcurl              | libcurl: curl_easy_cleanup()                 | client | --http 3000 --silent-end | closed | closed'
	'libevent_socket      | libevent: bufferevent_openssl_socket_new()   | client | --send 100 --send-when request --no-tickets | truncated | truncated'
	'libevent_filter      | libevent: bufferevent_openssl_filter_new()   | client | --send 100 --send-when request --no-tickets | truncated | truncated'
	'haproxy_client       | haproxy to its backend, which asks for RST   | proxy  | --http 3000 --silent-end | reset | reset'
	'dig                  | dig +tls, which takes the SSL_SESSION out of its connection | client | --send 24932 --send-when request --silent-end | truncated | truncated'
	'posttls_finger       | Postfix posttls-finger                       | client | --request "220 judge ESMTP\r\n250 judge\r\n221 bye\r\n" --silent-end | closed | closed'
	'postfix_smtp         | Postfix smtp, STARTTLS                       | proxy  | --request "250 judge\r\n250 from\r\n250 to\r\n354 go\r\n250 done\r\n221 bye\r\n" | closed | closed'
	'psql                 | psql                                         | client | --send 100 --send-when request --silent-end | closed | closed'
	'php                  | PHP: file_get_contents()                     | client | --http 3000 --first both | closed | closed'
	'qt5_disconnects      | Qt 5 with --deep: disconnectFromHost()       | client | --send 100 --send-when request --silent-end | closed | closed'
	'qt5_closes           | Qt 5 with --deep: QSslSocket::close()        | client | --send 100 --send-when request | truncated | truncated'
	'qt5_aborts           | Qt 5 with --deep: QSslSocket::abort()        | client | --send 100 --send-when request | truncated | truncated'
	'qt5_deletes          | Qt 5 with --deep: delete                     | client | --send 100 --send-when request | truncated | truncated'
	'qt6_closes           | Qt 6 with --deep: QSslSocket::close()        | client | --send 100 --send-when request | truncated | truncated'
	'qt6_deletes          | Qt 6 with --deep: delete                     | client | --send 100 --send-when request | truncated | truncated'
	'python_raw_server    | python3: SSLSocket.close()                   | server | --request hello | truncated | truncated'
	'python_http_server   | python3: http.server                         | daemon | --request "GET /file HTTP/1.0\r\n\r\n" | truncated | truncated'
	'openssl_s_server     | openssl s_server, the client ends first      | server | --first close_notify | closed | closed'
	'openssl_s_server_www | openssl s_server -WWW                        | daemon | --request "GET /file HTTP/1.0\r\n\r\n" | closed | closed'
	'socat_listen         | socat OPENSSL-LISTEN:                        | server | | closed | closed'
	'ncat_listen          | ncat -l --ssl                                | server | | truncated | truncated'
	'ncat_exec            | ncat -l --ssl -c                             | server | --silent-end | closed | closed'
	'nginx                | nginx                                        | daemon | --request "GET /file HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'redis_server         | redis-server                                 | daemon | --request "PING\r\nQUIT\r\n" --silent-end | closed | closed'
	'stunnel_server       | stunnel                                      | daemon | --request "hello\n" | closed | closed'
	'asyncio_server       | asyncio: start_server()                      | server | --request hello | closed | closed'
	'qt5_server_closes    | Qt 5 with --deep: QSslSocket::close()        | server | --request hello | truncated | truncated'
	'qt6_server_aborts    | Qt 6 with --deep: QSslSocket::abort()        | server | --request hello | truncated | truncated'
	'uvicorn              | uvicorn                                      | daemon | --request "GET /file HTTP/1.0\r\n\r\n" | closed | closed'
	'twisted_server       | Twisted: listenSSL()                         | server | --request hello | closed | closed'
	'haproxy              | haproxy                                      | daemon | --request "GET /file HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'postfix_smtpd        | Postfix smtpd, STARTTLS                      | daemon+smtpd | --request "EHLO judge\r\nQUIT\r\n" --silent-end | closed | closed'
	'postgres             | PostgreSQL                                   | daemon+postgres | --request "$POSTGRES_BYE" --silent-end | closed | closed'
	'proftpd              | ProFTPD mod_tls, AUTH TLS                    | daemon+ftp | --request "QUIT\r\n" --silent-end | closed | closed'
	'znc                  | ZNC, a wrong password                        | daemon | --request "PASS it:no\r\nNICK it\r\nUSER it 0 * :it\r\n" --silent-end | closed | closed'
	'apache               | Apache httpd, mod_ssl                        | daemon | --request "GET /file HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'dovecot              | Dovecot pop3-login                           | daemon | --request "QUIT\r\n" | closed | closed'
)

# The same, for tests/programs-in alone.
FAMILY_CASES=(
	'uvloop_abort         | uvloop: transport.abort()                    | client | --send 100 --send-when request | truncated | truncated'
	'gevent_close         | gevent: SSLSocket.close()                    | client | --send 100 --send-when request | truncated | truncated'
	'eventlet_close       | eventlet: SSLSocket.close()                  | client | --send 100 --send-when request | truncated | truncated'
	'tornado_close        | Tornado: IOStream.close()                    | client | --send 100 --send-when request | truncated | truncated'
	'trio_close           | Trio: the transport closed alone             | client | --send 100 --send-when request | truncated | truncated'
	'httpx                | HTTPX                                        | client | --http 3000 | truncated | truncated'
	'node_end             | Node.js: TLSSocket.end()                     | client | --send 100 --send-when request --silent-end | closed | closed'
	'node_destroy         | Node.js: TLSSocket.destroy()                 | client | --send 100 --send-when request | truncated | truncated'
	'node_exit            | Node.js: process.exit()                      | client | --send 100 --send-when request | truncated | truncated'
	'node_https           | Node.js: https.get()                         | client | --http 3000 --silent-end | closed | closed'
	'node_fetch           | Node.js: fetch()                             | client | --http 3000 | truncated | truncated'
	'node_http2           | Node.js: http2, ClientHttp2Session.destroy() | client | --request "$HTTP2_SETTINGS" --silent-end | closed | closed'
	'mojolicious          | Mojolicious: Mojo::UserAgent                 | client | --http 3000 | truncated | truncated'
	'anyevent             | AnyEvent::Handle: destroy                    | client | --send 100 --send-when request | truncated | truncated'
	'tcl_tls              | tcl-tls: close                               | client | --send 100 --send-when request --silent-end | truncated | truncated'
	'node_server          | Node.js: tls.createServer(), destroy()       | server | --request hello | truncated | truncated'
)

# name | program that fails because the server's end is missing | its exit status then
# The server: python3 with nothing but http.server and CGI scripts, whose answers have no Content-Length.
PEERS=(
	'git_peer    | git clone, from git http-backend | 128'
	'wget_peer   | wget     | 4'
	'aria2c_peer | aria2c   | 1'
	'ruby_peer   | net/http | 1'
)

# name | program | role | TLS version and what the judge does | how sessions are kept
SESSIONS=(
	'perl_sessions | perl: IO::Socket::SSL, out of scope | client | 1.2 --session-ids --send 100 | TLS 1.2, session ids'
	'perl_sessions | perl: IO::Socket::SSL, out of scope | client | 1.2 --send 100 | TLS 1.2, tickets'
	'perl_sessions | perl: IO::Socket::SSL, out of scope | client | 1.3 --tickets 1 --send 100 | TLS 1.3, tickets'
	'python_sessions | python3: SSLSocket.close() | server | 1.2 --request hello | TLS 1.2, session ids'
	'python_sessions | python3: SSLSocket.close() | server | 1.3 --request hello | TLS 1.3, session ids in tickets'
)
RECONNECTS=300

# --- how each program is run: clients connect to $PORT; servers choose a port and are found by it ---

CLIENTS=$PROJECT/tests/clients
GET=$'GET /file HTTP/1.0\r\n\r'
LETTER=$'EHLO it\r\nMAIL FROM:<>\r\nRCPT TO:<it@localhost>\r\nDATA\r\n\r\nhello\r\n.\r\nQUIT\r'

python_raw() { program python3 "$CLIENTS/client.py" raw "$PORT"; }
python_answer() { program python3 "$CLIENTS/client.py" until_eof "$PORT"; }
python_unread() { program python3 "$CLIENTS/client.py" unread "$PORT"; }
python_exit() { program python3 "$CLIENTS/client.py" exits "$PORT"; }
python_unwrap() { program python3 "$CLIENTS/client.py" unwrap "$PORT"; }
python_urllib() { program python3 "$CLIENTS/client.py" urllib_request "$PORT"; }
python_http_client() { program python3 "$CLIENTS/client.py" http_client "$PORT"; }
python_smtplib() { program python3 "$CLIENTS/client.py" smtplib_quit "$PORT"; }
ruby_sync_close() { program ruby "$CLIENTS/client.rb" sync_close "$PORT"; }
ruby_no_sync_close() { program ruby "$CLIENTS/client.rb" no_sync_close "$PORT"; }
ruby_unread() { program ruby "$CLIENTS/client.rb" unread "$PORT"; }
ruby_tcp_close() { program ruby "$CLIENTS/client.rb" tcp_close "$PORT"; }
ruby_net_http() { program ruby "$CLIENTS/client.rb" net_http "$PORT"; }
perl_close() {
	program perl -MIO::Socket::SSL -e '
		my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1:$ARGV[0]", SSL_verify_mode => 0) or die;
		print $s "hello"; sysread $s, my $answer, 100; print length $answer; close $s' "$PORT"
}
perl_let_go() { program perl "$CLIENTS/reconnect.pl" "$PORT" 1; }
openssl_s_client() { program openssl s_client -connect "127.0.0.1:$PORT" -quiet -no_ign_eof <<<hello; }
openssl_s_client_eof() { program openssl s_client -connect "127.0.0.1:$PORT" -quiet <<<"$GET"; }
curl() { program curl -sSk "https://127.0.0.1:$PORT/"; }
socat_client() { program socat -u STDIN "OPENSSL:127.0.0.1:$PORT,verify=0" <<<hello; }
ncat_client() { program ncat --ssl 127.0.0.1 "$PORT" <<<hello; }
redis_cli() { program redis-cli --tls --cacert "$AUTHORITY" -p "$PORT" ping; } # --insecure came with 6.2
stunnel_client() {
	printf '%s\n' 'foreground = yes' 'pid =' '[it]' 'client = yes' 'accept = 127.0.0.1:0' \
		"connect = 127.0.0.1:$PORT" >conf
	program stunnel4 "$WORK/conf"
}
wget() { program wget -q --no-check-certificate -O - "https://127.0.0.1:$PORT/"; }
asyncio_close() { program python3 "$CLIENTS/asyncio_party.py" close "$PORT"; }
asyncio_abort() { program python3 "$CLIENTS/asyncio_party.py" abort "$PORT"; }
asyncio_exits() { program python3 "$CLIENTS/asyncio_party.py" exits "$PORT"; }
twisted_lose() { program python3 "$CLIENTS/twisted_party.py" loseConnection "$PORT"; }
twisted_abort() { program python3 "$CLIENTS/twisted_party.py" abortConnection "$PORT"; }
libcurl() { program python3 "$CLIENTS/libcurl.py" "$PORT"; }
libevent_socket() { program "$(bufferevent)" socket "$PORT"; }
libevent_filter() { program "$(bufferevent)" filter "$PORT"; }
haproxy_client() {
	printf '%s\n' defaults ' mode http' ' timeout connect 20s' ' timeout client 20s' ' timeout server 20s' \
		'listen it' " bind 127.0.0.1:$(free_port)" ' option httpclose' " server it 127.0.0.1:$PORT ssl verify none" >conf
	program haproxy -db -f "$WORK/conf"
}
# The judge sends a to z over and over: a DNS message of 'ab' bytes with the id 'cd', and for the rest nothing that dig can read.
dig() { program dig +tls +tries=1 +qid=25444 -p "$PORT" @127.0.0.1 localhost; }
# upgraded PROTOCOL: sets PORT to where the plain text before TLS is spoken on behalf of the judge.
upgraded() {
	WITH=without program python3 "$CLIENTS/upgrade.py" "$1" "$PORT" 3>&- &
	RUNNING+=($!)
	PORT=$(port_of $!)
}
psql() {
	upgraded psql
	program psql "host=127.0.0.1 port=$PORT sslmode=require user=it dbname=it"
}
# Postfix under a master of its own, with nothing that this does not need; that is for root alone.
postfix_master() {
	local directory
	for directory in active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace data; do
		mkdir -p "queue/$directory"
	done
	mkdir queue/pid etc
	inside chown -R postfix: queue
	inside chown root: queue queue/pid
	cat >etc/master.cf <<-END
		127.0.0.1:$(free_port) inet n - n - 1 smtpd
		pickup unix n - n - 1 pickup
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n - 1 qmgr
		rewrite unix - - n - - trivial-rewrite
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		smtp unix - - n - - smtp
		tlsmgr unix - - n - 1 tlsmgr
		anvil unix - - n - 1 anvil
	END
	printf '%s\n' 'compatibility_level = 3.6' "queue_directory = $WORK/queue" "data_directory = data" \
		"daemon_directory = /usr/lib/postfix/sbin" 'myhostname = localhost.localdomain' 'mydestination =' 'alias_maps =' 'local_recipient_maps =' \
		'mynetworks = 127.0.0.0/8' 'import_environment = LD_PRELOAD CLOSENOTIFY_LOG MAIL_CONFIG' "$@" >etc/main.cf
	# The other directories are found from the first, for postfix may not come here by name.
	program setsid /usr/lib/postfix/sbin/master -d -c "$WORK/etc"
}
postfix_smtpd() {
	postfix_master 'smtpd_tls_security_level = may' "smtpd_tls_cert_file = $CERT" "smtpd_tls_key_file = $KEY"
}
# What it is asked for is a letter, which it hands on.
postfix_smtp() {
	upgraded smtp
	# The letter comes before it is asked for. The headers would have names and times of different lengths in them.
	postfix_master 'smtpd_forbid_unauth_pipelining = no' 'smtp_header_checks = static:IGNORE' 'smtp_tls_security_level = encrypt' "relayhost = [127.0.0.1]:$PORT"
}
php() {
	program sh -c 'exec /usr/bin/php?.? -r "$1" "$2"' php '
		$context = stream_context_create(["ssl" => ["verify_peer" => false, "verify_peer_name" => false]]);
		echo strlen(file_get_contents("https://127.0.0.1:$argv[1]/", false, $context));' "$PORT"
}
posttls_finger() {
	: >main.cf
	MAIL_CONFIG=$WORK program posttls-finger -w -l encrypt "[127.0.0.1]:$PORT"
}
aria2c() { program aria2c -q --check-certificate=false -o got "https://127.0.0.1:$PORT/"; }

uvloop_abort() { program python3 "$CLIENTS/families.py" uvloop "$PORT"; }
gevent_close() { program python3 "$CLIENTS/families.py" gevent "$PORT"; }
eventlet_close() { program python3 "$CLIENTS/families.py" eventlet "$PORT"; }
tornado_close() { program python3 "$CLIENTS/families.py" tornado "$PORT"; }
trio_close() { program python3 "$CLIENTS/families.py" trio "$PORT"; }
httpx() { program python3 "$CLIENTS/families.py" httpx "$PORT"; }
node_end() { program node "$CLIENTS/client.js" end "$PORT"; }
node_destroy() { program node "$CLIENTS/client.js" destroy "$PORT"; }
node_exit() { program node "$CLIENTS/client.js" exit "$PORT"; }
node_https() { program node "$CLIENTS/client.js" https "$PORT"; }
HTTP2_SETTINGS='\0\0\0'$'\004''\0\0\0\0\0\0\0\0'$'\004\001''\0\0\0\0' # the server's own, and that it has the client's
node_http2() { program node "$CLIENTS/client.js" http2 "$PORT"; }
node_fetch() { program node "$CLIENTS/client.js" fetch "$PORT"; }
mojolicious() { program perl "$CLIENTS/mojolicious.pl" "$PORT"; }
anyevent() { program perl "$CLIENTS/anyevent.pl" "$PORT"; }
tcl_tls() { program tclsh "$CLIENTS/client.tcl" "$PORT"; }
node_server() { program node "$CLIENTS/client.js" server "$CERT" "$KEY"; }

python_raw_server() { program python3 "$CLIENTS/server.py" raw "$CERT" "$KEY" "$TLS"; }
python_http_server() { program python3 "$CLIENTS/server.py" http_server "$CERT" "$KEY" "$TLS"; }
openssl_s_server() { program openssl s_server -accept 127.0.0.1:0 -cert "$CERT" -key "$KEY" -quiet -naccept 1; }
openssl_s_server_www() { program openssl s_server -accept 127.0.0.1:0 -cert "$CERT" -key "$KEY" -WWW; }
socat_listen() { program socat -u OPEN:file "OPENSSL-LISTEN:0,bind=127.0.0.1,verify=0,cert=$CERT,key=$KEY"; }
ncat_listen() { program ncat -l 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" --send-only <file; }
ncat_exec() { program ncat -l 127.0.0.1 0 --ssl --ssl-cert "$CERT" --ssl-key "$KEY" -c 'cat file'; }
nginx() {
	cat >conf <<-END
		daemon off; master_process off; pid pid; error_log stderr;
		events {}
		http {
			access_log off;
			client_body_temp_path 1; proxy_temp_path 2; fastcgi_temp_path 3; scgi_temp_path 4; uwsgi_temp_path 5;
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
	program redis-server --bind 127.0.0.1 --port 0 --tls-port "$(free_port)" --save '' --tls-auth-clients no \
		--tls-cert-file "$CERT" --tls-key-file "$KEY" --tls-ca-cert-file "$CERT"
}
stunnel_server() {
	printf '%s\n' 'foreground = yes' 'pid =' "cert = $CERT" "key = $KEY" '[it]' 'accept = 127.0.0.1:0' \
		'exec = /usr/bin/head' 'execArgs = head -n 1' >conf
	program stunnel4 "$WORK/conf"
}
asyncio_server() { program python3 "$CLIENTS/asyncio_party.py" server "$CERT" "$KEY"; }
# Only the deep mode reaches it.
qt() { DEEP=${DEEP-yes} program python3 "$CLIENTS/qt_party.py" "$@"; }
qt5_disconnects() { qt 5 disconnectFromHost "$PORT"; }
qt5_closes() { qt 5 close "$PORT"; }
qt5_aborts() { qt 5 abort "$PORT"; }
qt5_deletes() { qt 5 delete "$PORT"; }
qt6_closes() { qt 6 close "$PORT"; }
qt6_deletes() { qt 6 delete "$PORT"; }
qt5_server_closes() { qt 5 server "$CERT" "$KEY" close; }
qt6_server_aborts() { qt 6 server "$CERT" "$KEY" abort; }
uvicorn() {
	program python3 -m uvicorn --app-dir "$CLIENTS" --host 127.0.0.1 --port "$(free_port)" \
		--ssl-certfile "$CERT" --ssl-keyfile "$KEY" asgi:app
}
twisted_server() { program python3 "$CLIENTS/twisted_party.py" server "$CERT" "$KEY"; }
haproxy() {
	cat "$CERT" "$KEY" >pem
	printf '%s\n' defaults ' mode http' ' timeout client 20s' 'frontend it' \
		" bind 127.0.0.1:$(free_port) ssl crt $WORK/pem" \
		" http-request return status 200 content-type text/plain file $WORK/file" >conf
	program haproxy -db -f "$WORK/conf"
}
apache() {
	local module
	for module in mpm_event authz_core ssl; do
		echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
	done >conf
	printf '%s\n' 'ServerName localhost' "Listen 127.0.0.1:$(free_port)" "PidFile $WORK/pid" 'ErrorLog /dev/stderr' \
		"DefaultRuntimeDir $WORK" "DocumentRoot $WORK" 'FileETag None' 'SSLEngine on' "SSLCertificateFile $CERT" \
		"SSLCertificateKeyFile $KEY" >>conf
	program apache2 -X -d "$WORK" -f "$WORK/conf"
}
# The processes that speak have other users: the database belongs to one, initdb makes it once for each test.
AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --clear-groups)
POSTGRES_BYE='\0\0\0)\0'$'\003''\0\0user\0postgres\0database\0postgres\0\0X\0\0\0'$'\004' # startup and Terminate
# Where this release has them; its version is in the path.
postgres_programs() {
	local root there
	root=$("$PROJECT/tests/sysroot" path "$RELEASE")
	there=("$root"/usr/lib/postgresql/*/bin)
	echo "${there[-1]#"$root"}"
}
new_database() {
	local pristine=$BATS_TEST_TMPDIR/data.$RELEASE
	let_in
	if [ ! -d "$pristine" ]; then
		mkdir "$pristine"
		inside chown postgres: "$pristine"
		inside "${AS_POSTGRES[@]}" "$(postgres_programs)/initdb" -D "$pristine" -N -A trust --locale=C.UTF-8 >/dev/null
	fi
	cp -a "$pristine" data
	cp "$CERT" data/cert.pem
	cp "$KEY" data/key.pem
	chmod 600 data/key.pem
	inside chown postgres: . data/cert.pem data/key.pem
}
postgres() {
	new_database
	program "${AS_POSTGRES[@]}" "$(postgres_programs)/postgres" -D data -p "$(free_port)" -k '' -h 127.0.0.1 -F -c log_min_messages=panic \
		-c ssl=on -c ssl_cert_file=cert.pem -c ssl_key_file=key.pem
}
# It can't be installed beside vsftpd, so it has a root of its own, which sees this test's files only.
add_proftpd() { # SUITE
	CN_BUILD=$OTHER "$PROJECT/tests/sysroot" add -q "$1" proftpd-core proftpd-mod-crypto 2>/dev/null ||
		CN_BUILD=$OTHER "$PROJECT/tests/sysroot" add -q "$1" proftpd-basic # Debian 11
}
proftpd() {
	local modules module
	modules=$(CN_BUILD=$OTHER "$PROJECT/tests/sysroot" path "$RELEASE")/usr/lib/proftpd
	let_in
	cp "$SHIM" .
	cp "$CERT" cert.pem
	cp "$KEY" key.pem
	cat >conf <<-END
		ModulePath /usr/lib/proftpd
		$(for module in delay ls xfer tls; do # Debian 13 has all of them beside the program
			[ ! -e "$modules/mod_$module.so" ] || echo "LoadModule mod_$module.c"
		done)
		ServerType standalone
		DefaultAddress 127.0.0.1
		UseIPv6 off
		UseReverseDNS off
		Port $(free_port)
		User proftpd
		Group nogroup
		PidFile $WORK/pid
		ScoreboardFile $WORK/scoreboard
		SystemLog none
		WtmpLog off
		<IfModule mod_delay.c>
			DelayEngine off
		</IfModule>
		AuthPAM off
		TLSEngine on
		TLSRequired on
		TLSECCertificateFile $WORK/cert.pem
		TLSECCertificateKeyFile $WORK/key.pem
		TLSOptions NoSessionReuseRequired
		<Anonymous $WORK/ftp>
			User ftp
			Group ftp
			UserAlias anonymous ftp
			RequireValidShell off
			<Limit WRITE>
				AllowAll
			</Limit>
		</Anonymous>
	END
	SHIM=$WORK/libclosenotify.so CN_BUILD=$OTHER program proftpd -n -q -c "$WORK/conf"
}
znc() {
	mkdir -p znc/configs
	cat "$CERT" "$KEY" >znc/znc.pem
	cat >znc/configs/znc.conf <<-END
		Version = 1.8.2
		<Listener it>
			Host = 127.0.0.1
			Port = $(free_port)
			IPv6 = false
			SSL = true
		</Listener>
		<User it>
			Admin = true
			Pass = plain#it
		</User>
	END
	let_in
	inside chown -R nobody znc
	program setpriv --reuid=nobody --clear-groups znc --foreground --datadir "$WORK/znc"
}
# Its children get what import_environment names, and nothing else. From 2.4 on the configuration has another syntax.
dovecot() {
	local version address=address
	version=$(inside dovecot --version)
	version=${version%%[!0-9.]*}
	if [[ $version == 2.[0-3].* ]]; then
		cat >conf <<-END
			import_environment = LD_PRELOAD CLOSENOTIFY_LOG
			protocols = pop3
			ssl_cert = <$CERT
			ssl_key = <$KEY
			passdb {
				driver = static
				args = password=it
			}
			userdb {
				driver = static
				args = uid=1 gid=1 home=/tmp
			}
		END
	else
		address=listen
		cat >conf <<-END
			dovecot_config_version = $version
			dovecot_storage_version = $version
			import_environment {
				LD_PRELOAD = %{env:LD_PRELOAD}
				CLOSENOTIFY_LOG = %{env:CLOSENOTIFY_LOG}
			}
			protocols {
				pop3 = yes
			}
			ssl_server_cert_file = $CERT
			ssl_server_key_file = $KEY
			passdb static {
				password = it
			}
			userdb static {
				fields {
					uid = 1
					gid = 1
					home = /tmp
				}
			}
		END
	fi
	cat >>conf <<-END
		base_dir = $WORK/run
		state_dir = $WORK/state
		log_path = $WORK/log
		ssl = yes
		service pop3-login {
			chroot =
			inet_listener pop3 {
				port = 0
			}
			inet_listener pop3s {
				$address = 127.0.0.1
				port = $(free_port)
			}
		}
	END
	mkdir run state
	program dovecot -F -c "$WORK/conf"
}

python_cgi() {
	mkdir cgi-bin
	printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\ncat file\n' >cgi-bin/bytes
	printf '#!/bin/sh\nGIT_HTTP_EXPORT_ALL=1 GIT_PROJECT_ROOT=%q exec git http-backend\n' "$WORK" >cgi-bin/git
	chmod +x cgi-bin/*
	inside sh -euc 'git init -q seed; cp file seed; cd seed; git add file
		git -c user.name=A -c user.email=a@localhost commit -qm file; git clone -q --bare . ../repository'
	program python3 "$CLIENTS/server.py" cgi "$CERT" "$KEY" "$TLS"
}
git_peer() {
	inside env GIT_SSL_CAINFO="$PKI/ca.pem" git clone -q "https://localhost:$PORT/cgi-bin/git/repository" got.d &&
		cp got.d/file got
}
wget_peer() { inside wget -q -t 1 --ca-certificate="$PKI/ca.pem" -O got "https://localhost:$PORT/cgi-bin/bytes"; }
aria2c_peer() { inside aria2c -q -m 1 --ca-certificate="$PKI/ca.pem" -o got "https://localhost:$PORT/cgi-bin/bytes"; }
ruby_peer() { inside ruby "$CLIENTS/client.rb" net_http "$PORT" /cgi-bin/bytes >got; }

perl_sessions() { program perl "$CLIENTS/reconnect.pl" "$PORT" "$RECONNECTS"; }
python_sessions() { program python3 "$CLIENTS/server.py" stateful "$CERT" "$KEY" "$TLS"; }

# --- running them ---

RELEASE=${RELEASE:-host} # a SUITE of tests/sysroot

RUNNING=()

# What the lists say of verdicts without the library was measured on Debian 12. Elsewhere some programs are older or newer, and
# the first run, without it, says what is to be expected.
as_listed() {
	[ "$RELEASE" = host ] && grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release
}

# An unmodified program in the private root, as it is.
inside() {
	"$PROJECT/tests/sysroot" run "$RELEASE" -- "$@"
}

# Compiles bufferevent.c with libevent from the private root, once. Those of other releases have a compiler of their own.
libevent_program() (
	library=$("$PROJECT/tests/sysroot" path "$RELEASE")/usr built=$(bufferevent) compile=("${CC:-cc}")
	[ "$RELEASE" = host ] || compile=("$PROJECT/tests/sysroot" run "$RELEASE" -- gcc)
	mkdir -p "${built%/*}"
	exec 9>"$built.lock"
	flock 9
	[ "$built" -nt "$CLIENTS/bufferevent.c" ] ||
		"${compile[@]}" -std=gnu11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wconversion -Werror -O2 \
			-idirafter "$library/include" -idirafter "$library/include/$(gcc -print-multiarch)" \
			"$CLIENTS/bufferevent.c" -o "$built" -L"$library/lib/$(gcc -print-multiarch)" \
			-levent_openssl -levent_core -lssl -lcrypto
)
bufferevent() { echo "$BUILD/tests/clients/bufferevent.$RELEASE"; }

# What this shell becomes: such a program, with the library if $WITH says so, and as by --deep if $DEEP says so.
program() {
	local with=()
	[ "$WITH" = without ] || with=(--env "LD_PRELOAD=$SHIM")
	[[ $WITH = without || ${DEEP-no} = no ]] || with+=(--env "LD_AUDIT=${SHIM%.so}-deep.so")
	exec "$PROJECT/tests/sysroot" run "${with[@]}" "$RELEASE" -- "$@"
}

# start NAME: that program in the background, in $WORK; its output is in out and err there, its process id in $!.
start() {
	(
		cd "$WORK" || exit
		"$1"
	) >"$WORK/out" 2>"$WORK/err" </dev/null 3>&- &
	RUNNING+=($!)
}

# A port for programs that can't take any; below the range from which the kernel takes ports for clients.
free_port() {
	inside python3 -c '
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

# tcp_of PID: the state and the port of each of its TCP sockets, in hexadecimal.
tcp_of() {
	find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null |
		awk 'FILENAME == "-" { gsub(/[^0-9]/, ""); mine[$0]; next }
			$10 in mine { sub(/.*:/, "", $2); print $4, $2 }' - /proc/net/tcp /proc/net/tcp6
}

# port_of PID: waits until that process listens and prints the port, without connecting.
port_of() {
	local port='' MOMENT=0.02
	while is_ours "$1"; do
		port=$(tcp_of "$1" | sed -n '/^0A /{s///p;q}')
		[ -z "$port" ] || break
		a_moment
		MOMENT=0.05
	done
	if [ -z "$port" ]; then
		cat "$WORK/err" >&2
		return 1
	fi
	echo $((16#$port))
}

# settled NAME PID: waits until that server has closed the connection whose end the judge has heard, and has told of it in its log.
# A signal that comes before can end it in between, and finds Apache's threads with what they have let go of. Two minutes at most.
settled() {
	local end=$((SECONDS + 120))
	if [[ $1 = apache || $1 = openssl_s_server_www ]]; then
		while ((SECONDS < end)) && is_ours "$2" && tcp_of "$2" | grep -qv '^0A'; do a_moment; done
	fi
	if [[ $WITH = with && ${CLOSENOTIFY_LOG-} = text ]]; then
		while ((SECONDS < end)) && is_ours "$2" && ! grep -q ' action=' "$WORK/err"; do a_moment; done
	fi
}

# finish PID [SIGNAL]: waits for its end, asked for by SIGNAL, and sets STATUS. One that hangs is killed after two minutes.
finish() {
	[ $# -lt 2 ] || is_ours "$1" || return # it was to live until now
	[ $# -lt 2 ] || kill "-$2" "$1"
	! is_ours "$1" || timeout -k 10 120 tail --pid="$1" -s 0.01 -f /dev/null 3>&- || ! is_ours "$1" || kill -KILL "$1" || true
	STATUS=0
	wait "$1" || STATUS=$?
}

stop_programs() {
	stop "${RUNNING[@]}"
	RUNNING=()
}

# Puts a relay before $PORT, which writes $WORK/wire. What it sees can be compared only if all signatures have the
# same length: RSA has that, and make_rsa_cert FILE has the key.
use_relay() {
	WITH=without program python3 "$CLIENTS/relay.py" "$PORT" "$WORK/wire" 3>&- &
	RELAY=$!
	RUNNING+=("$RELAY")
	PORT=$(port_of "$RELAY")
}

make_rsa_cert() {
	RSA=$1
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
		-keyout "$RSA.key" -out "$RSA.pem" 2>/dev/null
}

# row_of NAME ROW...: prints the row of that name.
row_of() {
	local name=$1 row
	shift
	for row; do
		[ "${row%% *}" != "$name" ] || printf '%s\n' "$row"
	done
}

# let_in: another user may come to $WORK.
let_in() {
	local directory=$WORK
	until [[ -z $directory || $directory = "${TMPDIR:-/tmp}" ]]; do
		chmod go+x "$directory"
		directory=${directory%/*}
	done
}

new_work() {
	WORK=$(mktemp -d "$BATS_TEST_TMPDIR/work.XXXXXX")
	printf 'a line of file\n%.0s' {1..200} >"$WORK/file" # 3000 bytes
}

# measure NAME TLS with|without [relay]: one connection. Sets RESULT (the judge's line), STATUS (the program's
# exit status), WORK, PROGRAM and EXPECTED (the verdict without the library).
measure() {
	local name role judge v12 v13 relay=${4-} plain pid
	TLS=$2 WITH=$3 CERT=$PKI/cert.pem KEY=$PKI/key.pem AUTHORITY=$PKI/ca.pem
	[ -z "$relay" ] || CERT=$RSA.pem KEY=$RSA.key AUTHORITY=$RSA.pem
	columns "$(row_of "$1" "${CASES[@]}")" name PROGRAM role judge v12 v13
	EXPECTED=$v12
	[ "$TLS" = 1.2 ] || EXPECTED=$v13
	eval "judge=($judge)"
	plain=${role#"${role%+*}"} role=${role%+*}
	new_work
	if [[ $role == client || $role == proxy ]]; then
		start_judge --tls "$TLS" --cert "$CERT" --key "$KEY" "${judge[@]}"
		PORT=$JUDGE_PORT
		[ -z "$relay" ] || use_relay
		start "$name"
		pid=$!
		[ "$role" = client ] || through "$pid" "$(asked "$name")"
		if [ "$role" = client ]; then
			finish "$pid"
			(: <>"/dev/tcp/127.0.0.1/$JUDGE_PORT") 2>/dev/null || true # the judge waits no longer for one that did not come
		fi
		RESULT=$(judge_result)
		[ "$role" = client ] || { settled "$name" "$pid" && finish "$pid" TERM; }
	else
		start "$name"
		pid=$!
		PORT=$(port_of "$pid")
		[ -z "$plain" ] || upgraded "${plain#+}"
		[ -z "$relay" ] || use_relay
		RESULT=$("$JUDGE" client --port "$PORT" --tls "$TLS" "${judge[@]}")
		if [ "$role" = server ]; then finish "$pid"; else settled "$name" "$pid" && finish "$pid" TERM; fi
	fi
	[ -z "$relay" ] || wait "$RELAY"
}

# What that proxy is asked for.
asked() {
	if [ "$1" = postfix_smtp ]; then echo "$LETTER"; else echo "$GET"; fi
}

# A request in plain text through the proxy PID.
through() {
	exec 5<>"/dev/tcp/127.0.0.1/$(port_of "$1")"
	printf '%s\n' "$2" >&5
	cat <&5 >/dev/null
	exec 5>&-
}

# measure_peer NAME TLS with|without: a client that fails when the end is missing. Sets STATUS and WORK.
measure_peer() {
	local server
	TLS=$2 WITH=$3 CERT=$PKI/cert.pem KEY=$PKI/key.pem
	new_work
	start python_cgi
	server=$!
	PORT=$(port_of "$server")
	STATUS=0
	(cd "$WORK" && "$1" 2>complaint) || STATUS=$?
	stop "$server"
}

# measure_sessions ROW with|without: sets RESUMED and CLOSED, how many connections were.
measure_sessions() {
	local name role judge pid
	columns "$1" name PROGRAM role judge KEPT
	read -ra judge <<<"$judge"
	TLS=${judge[0]} WITH=$2 CERT=$PKI/cert.pem KEY=$PKI/key.pem
	new_work
	if [ "$role" = client ]; then
		start_judge --tls "${judge[@]}" --connections "$RECONNECTS"
		PORT=$JUDGE_PORT
		start "$name"
		finish $!
		judge_result "$RECONNECTS" >/dev/null
		cp "$JUDGE_OUT" "$WORK/judged"
	else
		start "$name"
		pid=$!
		"$JUDGE" client --port "$(port_of "$pid")" --repeat "$RECONNECTS" --tls "${judge[@]}" >"$WORK/judged"
		finish "$pid" TERM
	fi
	RESUMED=$(grep '^{' "$WORK/judged" | jq -s 'map(select(.resumed)) | length')
	CLOSED=$(grep '^{' "$WORK/judged" | jq -s 'map(select(.verdict == "closed")) | length')
}
