# SPDX-License-Identifier: MIT
# The real programs over GnuTLS, rows as those of ../cases.bash, which is loaded before.
# shellcheck disable=SC2016,SC2034,SC2153 # as there

PACKAGES=(python3 openssl wget curl git lynx lftp glib-networking python3-gi rsyslog rsyslog-gnutls slapd ldap-utils ngircd msmtp
	libmicrohttpd-dev gnutls-bin chrony weechat-headless emacs-lucid wget2 aria2 knot-dnsutils)

HTTP='--request "GET /file HTTP/1.0\r\n\r\n"'
LDAP_UNBIND='0\005\002\001\001B\0'

# - : it does not speak this version. name | program | role | what the judge does | its verdict without the library, TLS 1.2 | and TLS 1.3
CASES=(
	'wget             | wget                             | client | --http 3000 | truncated | truncated'
	'lynx             | lynx                             | client | --http 3000 --first both | truncated | truncated'
	'lftp_https       | lftp, https                      | client | --http 3000 | truncated | truncated'
	'lftp_ftps        | lftp, ftps                       | client | --send 0 --request "220 judge\r\n211 no\r\n230 in\r\n200 ok\r\n200 ok\r\n200 ok\r\n200 ok\r\n200 ok\r\n" | truncated | truncated'
	'gio_closes       | GIO: close                       | client | --http 3000 | truncated | truncated'
	'curl_gnutls      | libcurl over GnuTLS              | client | --http 3000 --silent-end | closed | closed'
	'git_gnutls       | git over libcurl-gnutls          | client | --http 3000 --silent-end | closed | closed'
	'rsyslog_hears    | rsyslogd, imtcp; the client ends | daemon | --request "<13>a message\n" --first close_notify --silent-end | truncated | -'
	'rsyslog_sends    | rsyslogd, omfwd                  | client | --silent-end | closed | -'
	'chronyd          | chronyd, NTS-KE                  | daemon | --silent-end | - | truncated'
	'weechat          | WeeChat                          | client | --request ":judge 001 it :hello\r\n" --silent-end | closed | closed'
	'exim             | Exim                             | daemon | --request "EHLO judge\r\nQUIT\r\n" --silent-end | closed | closed'
	'emacs            | Emacs: delete-process             | client | --send 100 --send-when request | truncated | truncated'
	'slapd            | slapd                            | daemon | --request "$LDAP_UNBIND" --silent-end | closed | closed'
	'ngircd           | ngircd                           | daemon | --request "QUIT :bye\r\n" --silent-end | closed | closed'
	'msmtp            | msmtp                            | client | --request "220 judge\r\n250 judge\r\n250 from\r\n250 to\r\n354 go\r\n250 done\r\n221 bye\r\n" --silent-end | closed | closed'
	'microhttpd       | libmicrohttpd                    | daemon | --request "GET / HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'microhttpd_many  | libmicrohttpd, a thread for each | daemon | --request "GET / HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'gnutls_cli       | gnutls-cli                       | client | --send 100 --send-when request --silent-end | closed | closed'
	'gnutls_serv      | gnutls-serv                      | daemon | --request "GET / HTTP/1.0\r\n\r\n" --silent-end | closed | closed'
	'aria2c           | aria2c                           | client | --http 3000 --silent-end | closed | closed'
	'wget2            | wget2                            | client | --http 3000 --silent-end | closed | closed'
	'kdig             | kdig +tls                        | client | --send 24932 --send-when request --silent-end | closed | closed'
)

lynx() {
	printf '%s\n' 'FORCE_SSL_PROMPT:yes' 'ACCEPT_ALL_COOKIES:TRUE' >cfg
	program lynx -cfg="$WORK/cfg" -dump -nolist "https://localhost:$PORT/"
}
lftp_https() { program lftp -c "set ssl:verify-certificate no; cat https://127.0.0.1:$PORT/"; }
lftp_ftps() {
	program lftp -c "set ssl:verify-certificate no; set net:max-retries 1; set net:timeout 5; open -u it,it ftps://127.0.0.1:$PORT; quote NOOP"
}
gio_closes() { GIO_USE_PROXY_RESOLVER=dummy GSETTINGS_BACKEND=memory program python3 "$CLIENTS/gio_party.py" "$PORT"; }
curl_gnutls() {
	sed 's/libcurl.so.4/libcurl-gnutls.so.4/' "$CLIENTS/libcurl.py" >libcurl.py
	program python3 "$WORK/libcurl.py" "$PORT"
}
git_gnutls() { GIT_SSL_NO_VERIFY=1 GIT_TERMINAL_PROMPT=0 program git ls-remote "https://127.0.0.1:$PORT/x"; }
rsyslog() {
	printf '%s\n' 'global(workDirectory="'"$WORK"'" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="'"$PKI/ca.pem"'"' \
		'  defaultNetstreamDriverCertFile="'"$CERT"'" defaultNetstreamDriverKeyFile="'"$KEY"'")' "$@" >conf
	program rsyslogd -n -C -i "$WORK/pid" -f "$WORK/conf"
}
rsyslog_hears() {
	rsyslog 'module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")' \
		"input(type=\"imtcp\" address=\"127.0.0.1\" port=\"$(free_port)\")" "*.* action(type=\"omfile\" file=\"$WORK/messages\")"
}
# At the last line of the file it is told to end.
rsyslog_sends() {
	printf '%s\n' '#!/bin/sh' 'while read -r line; do [ "$line" != last ] || kill -TERM "$PPID"; done' >end
	chmod 755 end
	echo last >>file
	let_in
	rsyslog 'module(load="imfile") module(load="omprog")' "input(type=\"imfile\" file=\"$WORK/file\" tag=\"it\")" \
		'template(name="bare" type="string" string="%msg%\n")' \
		"action(type=\"omfwd\" target=\"127.0.0.1\" port=\"$PORT\" protocol=\"tcp\" template=\"bare\" streamDriver=\"gtls\" streamDriverMode=\"1\" streamDriverAuthMode=\"anon\")" \
		"action(type=\"omprog\" binary=\"$WORK/end\" template=\"bare\")"
}
exim() {
	local port
	port=$(free_port)
	printf '%s\n' "daemon_smtp_ports = $port" "tls_on_connect_ports = $port" 'local_interfaces = 127.0.0.1' 'tls_advertise_hosts = *' \
		"tls_certificate = $CERT" "tls_privatekey = $WORK/key.pem" "spool_directory = $WORK/spool" "log_file_path = $WORK/log-%s" \
		'rfc1413_hosts =' 'host_lookup =' 'primary_hostname = judge' "pid_file_path = $WORK/pid" >conf
	cp "$KEY" key.pem
	chmod 644 key.pem
	mkdir -p spool
	chmod 777 spool .
	let_in
	cp "$SHIM" .
	SHIM=$WORK/libclosenotify.so CN_BUILD=$OTHER program exim4 -bdf -C "$WORK/conf"
}
emacs() {
	printf '%s\n' "(setq network-security-level 'low)" \
		"(let ((it (open-network-stream \"it\" (get-buffer-create \"it\") \"127.0.0.1\" $PORT :type 'tls)))" \
		'  (process-send-string it "hello\n") (accept-process-output it) (delete-process it))' >it.el
	program emacs-lucid --batch -Q -l "$WORK/it.el"
}
chronyd() {
	printf '%s\n' 'port 0' 'cmdport 0' "bindcmdaddress $WORK/socket" "pidfile $WORK/pid" "ntsport $(free_port)" \
		"ntsserverkey $KEY" "ntsservercert $CERT" 'allow 127.0.0.1' >conf
	program chronyd -d -x -U -u root -f "$WORK/conf"
}
weechat() {
	local tls=tls
	[[ $(inside weechat-headless --version) != [0-3].* ]] || tls=ssl
	program weechat-headless --dir "$WORK/weechat" -a --stdout -r "/server add judge 127.0.0.1/$PORT -$tls -no${tls}_verify -command=/quit" -r '/connect judge'
}
slapd() {
	mkdir db
	printf '%s\n' "TLSCertificateFile $CERT" "TLSCertificateKeyFile $KEY" 'modulepath /usr/lib/ldap' 'moduleload back_mdb' \
		'include /etc/ldap/schema/core.schema' 'database mdb' 'suffix "dc=it"' "directory $WORK/db" >conf
	program slapd -d 0 -f "$WORK/conf" -h "ldaps://127.0.0.1:$(free_port)/"
}
ngircd() {
	cat >conf <<-END
		[Global]
			Name = irc.it
			Info = it
			Listen = 127.0.0.1
			Ports =
			ServerUID = nobody
			ServerGID = nogroup
		[Options]
			Ident = no
			PAM = no
			DNS = no
		[SSL]
			CertFile = $CERT
			KeyFile = $WORK/key.pem
			Ports = $(free_port)
	END
	cp "$KEY" key.pem
	chmod 644 key.pem
	let_in
	program ngircd -n -f "$WORK/conf"
}
msmtp() {
	printf 'Subject: it\n\nhello\n' |
		program msmtp --host=127.0.0.1 --port="$PORT" --tls=on --tls-starttls=off --tls-certcheck=off --from=a@it b@it
}
microhttpd() { program "$BUILD/tests/clients/microhttpd" "$CERT" "$KEY"; }
microhttpd_many() { program "$BUILD/tests/clients/microhttpd" "$CERT" "$KEY" threads; }
gnutls_cli() { program gnutls-cli --no-ca-verification -p "$PORT" 127.0.0.1 <<<hello; }
gnutls_serv() { program gnutls-serv --http --x509certfile "$CERT" --x509keyfile "$KEY" -p "$(free_port)"; }
wget2() { program wget2 -q --no-check-certificate -O got "https://127.0.0.1:$PORT/"; }
kdig() { program kdig +tls +retry=0 -p "$PORT" @127.0.0.1 localhost; }

# Compiles microhttpd.c with the library from the private root, once.
microhttpd_program() (
	library=$("$PROJECT/tests/sysroot" path host)/usr built=$BUILD/tests/clients/microhttpd
	mkdir -p "${built%/*}"
	exec 9>"$built.lock"
	flock 9
	[ "$built" -nt "$CLIENTS/microhttpd.c" ] ||
		"${CC:-cc}" -std=gnu11 -Wall -Wextra -O2 -idirafter "$library/include" -idirafter "$library/include/$(gcc -print-multiarch)" \
			"$CLIENTS/microhttpd.c" -o "$built" -L"$library/lib/$(gcc -print-multiarch)" -lmicrohttpd -lpthread \
			-Wl,--unresolved-symbols=ignore-in-shared-libs
)
