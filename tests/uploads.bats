#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Not a byte lost, by unmodified programs of the distribution: uploads over TLS 1.3 to a reader that takes its time, and
# FTPS to a server that wants to hear every upload's end. Without the library bytes are lost though the program
# exits with status 0, or the server refuses what it stored; with it all arrive.
# shellcheck disable=SC2153,SC2034,SC2030,SC2031 # WORK, STATUS and the like are those of cases.bash, PORT is of one test

load helper
load cases

setup_file() {
	make_certs
	"$PROJECT/tests/sysroot" add -q host python3 ruby ncat curl vsftpd
}

setup() {
	CERT=$PKI/cert.pem KEY=$PKI/key.pem
	TRIES=20
	ENDS=(--silent-end)
}

teardown() {
	stop_programs
	stop_judges
}

python_upload() { program python3 "$CLIENTS/upload.py" raw "$PORT" bytes; }
ruby_upload() { program ruby "$CLIENTS/upload.rb" raw "$PORT" bytes; }
ncat_upload() { program ncat --ssl --send-only 127.0.0.1 "$PORT" <bytes; }
ncat_upload_listening() { program ncat --ssl 127.0.0.1 "$PORT" <bytes; }

# Numbers, so that a byte lost or out of place changes the hash.
make_bytes() {
	seq 1000000 | head -c "$1" >"$WORK/bytes"
}

hash_of() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

# upload NAME with|without: 3,000,000 bytes to a judge that pauses 2 ms before each read. Sets RESULT, STATUS, WORK.
# It ends as ENDS says: silently, for its answer might come before close(), but where the program waits for that.
upload() {
	WITH=$2
	new_work
	make_bytes 3000000
	start_judge --tls 1.3 --read-pause-ms 2 --timeout-ms 60000 "${ENDS[@]}"
	PORT=$JUDGE_PORT
	start "$1"
	finish $!
	RESULT=$(judge_result)
	echo "$1, $2: status $STATUS, $RESULT"
	assert_equal "$STATUS" 0
}

# Which of the tickets have come when the socket is closed is a race; so until it is lost.
until_lossy() {
	local try
	for ((try = 0; try < TRIES; try++)); do
		upload "$1" without
		[ "$(field bytes "$RESULT")" -eq 3000000 ] || return 0
	done
	fail "no byte was lost in $TRIES uploads by $1"
}

all_arrives() {
	local round
	for round in 1 2 3; do
		upload "$1" with
		assert_equal "$(field '|[.bytes, .sha256, .close_notify, .end, .rst_after_fin, .verdict] | join(" ")' "$RESULT")" \
			"3000000 $(hash_of "$WORK/bytes") 1 fin false closed"
	done
}

# loses NAME: part of it arrives without the library, and then RST; with it all.
loses() {
	until_lossy "$1"
	assert_equal "$(verdict_of "$RESULT")" reset
	all_arrives "$1"
}

@test "python3: an upload to a slow reader arrives whole" {
	needs_filter
	loses python_upload
}

@test "ruby: an upload to a slow reader arrives whole, though SSLSocket#close said goodbye before" {
	needs_filter
	loses ruby_upload
}

@test "ncat --send-only: an upload to a slow reader arrives whole" {
	needs_filter
	as_listed || upload ncat_upload without
	if as_listed || [ "$(field close_notify "$RESULT")" -eq 0 ]; then
		loses ncat_upload
	else # Debian 13's was right already
		all_arrives ncat_upload
	fi
}

@test "ncat: an upload that waits for the reader's end lost no byte, and now says goodbye" {
	ENDS=()
	upload ncat_upload_listening without
	EXPECTED=truncated
	as_listed || [ "$(field close_notify "$RESULT")" -eq 0 ] || EXPECTED=closed # Debian 13's was right already
	assert_equal "$(field bytes "$RESULT") $(verdict_of "$RESULT")" "3000000 $EXPECTED"
	all_arrives ncat_upload_listening
}

@test "observe: the record tells what is unread and unsent, and the bytes are lost as before" {
	local try record
	export CLOSENOTIFY_MODE=observe CLOSENOTIFY_LOG="json:$BATS_TEST_TMPDIR/record.%p"
	for ((try = 0; try < TRIES; try++)); do
		rm -f "$BATS_TEST_TMPDIR"/record.*
		upload python_upload with
		record=$(cat "$BATS_TEST_TMPDIR"/record.*)
		[ "$(field bytes "$RESULT")" -eq 3000000 ] || [ "$(field unread "$record")" -eq 0 ] || break # tickets may come later
	done
	assert_equal "$(field '|[.close_notify, .verdict] | join(" ")' "$RESULT")" '0 reset'
	[ "$(field bytes "$RESULT")" -lt 3000000 ]
	echo "$record"
	assert_equal "$(jq -r '[.mode, .unread > 0, .unacknowledged > 0] | join(" ")' <<<"$record")" 'observe true true'
}

# --- FTPS ---

# The filter that this version puts itself under knows no system call of OpenSSL 3 and breaks its TLS, with or
# without anything preloaded; so it is left out.
vsftpd() {
	mkdir -p empty
	cat >conf <<-END
		listen=YES
		listen_address=127.0.0.1
		listen_port=$PORT
		background=NO
		seccomp_sandbox=NO
		secure_chroot_dir=$WORK/empty
		anonymous_enable=YES
		no_anon_password=YES
		ftp_username=daemon
		anon_root=$WORK/site
		write_enable=YES
		anon_upload_enable=YES
		ssl_enable=YES
		allow_anon_ssl=YES
		force_anon_data_ssl=YES
		rsa_cert_file=$CERT
		rsa_private_key_file=$KEY
		strict_ssl_read_eof=YES
		require_ssl_reuse=$REUSE
		xferlog_enable=YES
		log_ftp_protocol=YES
		anon_max_rate=${RATE-0}
		vsftpd_log_file=$WORK/log
		${IMPLICIT-}
	END
	program vsftpd "$WORK/conf"
}

# A user for each role is more than a namespace of one user has.
as_root() {
	[ "$(id -u)" -eq 0 ] || skip 'vsftpd changes users: root only'
}

python_ftps() { program python3 "$CLIENTS/upload.py" ftps "$PORT" bytes; }
python_ftps_no_unwrap() { program python3 "$CLIENTS/upload.py" ftps_no_unwrap "$PORT" bytes; }
ruby_ftps_goodbye() { program ruby "$CLIENTS/upload.rb" ftps_goodbye "$PORT" bytes; }
ruby_ftps() { program ruby "$CLIENTS/upload.rb" ftps "$PORT" bytes; }

# ten NAME SIZE SERVER-WITH CLIENT-WITH: ten uploads in a row. Sets STATUS, WHOLE (how many are stored whole), WORK.
ten() {
	local server file
	new_work
	make_bytes "$2"
	mkdir -p "$WORK/site/upload"
	chmod 755 "$WORK" "$WORK/site"
	chmod 777 "$WORK/site/upload"
	WITH=$3 PORT=$(free_port)
	start vsftpd
	server=$!
	assert_equal "$(port_of "$server")" "$PORT"
	WITH=$4
	start "$1"
	finish $!
	stop "$server"
	WHOLE=0
	for file in "$WORK"/site/upload/*; do
		[ "$(hash_of "$file")" != "$(hash_of "$WORK/bytes")" ] || WHOLE=$((WHOLE + 1))
	done
	echo "$1, $2 bytes, reuse $REUSE, server $3, client $4: status $STATUS, $WHOLE whole"
	tail -n 3 "$WORK/out" "$WORK/err"
}

# stores NAME REUSE SIZE...: the first that the server refuses ends the client without the library; with it all ten are stored.
stores() {
	local size RATE REUSE=$2
	as_root
	for size in "${@:3}"; do
		RATE=$((size * ${PER_SECOND-0})) # 0: as fast as it can
		ten "$1" "$size" without without
		assert_not_equal "$STATUS" 0
		grep -qE '426|522' "$WORK/err" # Failure reading network stream
		ten "$1" "$size" without with
		assert_equal "$STATUS $WHOLE" '0 10'
	done
}

# stored NAME REUSE SERVER-WITH CLIENT-WITH: all ten are stored, without the library and with it.
stored() {
	local size REUSE=$2
	as_root
	for size in 100000 1000000; do
		ten "$1" "$size" without without
		assert_equal "$STATUS $WHOLE" '0 10'
		ten "$1" "$size" "$3" "$4"
		assert_equal "$STATUS $WHOLE" '0 10'
	done
}

@test "python3: FTPS uploads without unwrap(), refused before, are stored" {
	stores python_ftps_no_unwrap NO 100000 400000 1000000
}

@test "python3: the same where the server wants the session resumed" {
	stores python_ftps_no_unwrap YES 100000 400000 1000000
}

# It says goodbye and closes with the tickets unread, or they meet its closed socket: by RST its kernel throws away what the server's
# has no room for yet. So the files are larger than that, and the server takes a quarter of a second for each.
@test "ruby: net/ftp's FTPS uploads, refused before, are stored" {
	local PER_SECOND=4
	stores ruby_ftps NO 400000 1000000
}

# It reads no data connection's ticket, and OpenSSL lets a client offer the same TLS 1.3 ticket once. Whether the client gets
# to read the server's reason is chance: it may meet the end of the data connection while it still writes.
@test "ruby: where the server wants the session resumed, the second upload fails, with a goodbye written by hand as well" {
	local REUSE=YES with
	as_root
	for with in without with; do
		ten ruby_ftps_goodbye 100000 without "$with"
		assert_equal "$WHOLE $(grep -oE '522 SSL connection failed: session reuse required' "$WORK/log" | sort -u)" \
			'1 522 SSL connection failed: session reuse required'
	done
	ten ruby_ftps 100000 without with
	assert_equal "$WHOLE" 1
}

@test "python3: ftplib's own FTPS uploads, which wait for the server's goodbye, were stored before" {
	stored python_ftps NO without with
	stored python_ftps YES without with
}

@test "vsftpd under the library stores what it stored before" {
	stored python_ftps NO with without
	stored python_ftps YES with without
}

@test "vsftpd says goodbye on the control connection, which it ends by shutdown() on one of three descriptors" {
	local REUSE=NO IMPLICIT=implicit_ssl=YES with verdict=truncated
	as_root
	for with in without with; do
		new_work
		mkdir "$WORK/site"
		WITH=$with PORT=$(free_port)
		start vsftpd
		assert_equal "$(port_of $!)" "$PORT"
		RESULT=$("$JUDGE" client --port "$PORT" --request 'QUIT\r\n' --silent-end)
		echo "$with: $RESULT"
		assert_equal "$(verdict_of "$RESULT")" "$verdict"
		verdict=closed
	done
}

# --- an answer before the end of the question ---

refuse() { program python3 "$CLIENTS/refuse.py" "$CERT" "$KEY"; }
python_post() { inside python3 "$CLIENTS/upload.py" post "$PORT" "$WORK/bytes"; }
curl_post() { inside curl -sSk --limit-rate 1M -H Expect: --data-binary "@$WORK/bytes" -w 'HTTP %{http_code}' "https://127.0.0.1:$PORT/"; }

# refusals CLIENT with|without: of ten POSTs of 200,000 bytes, sent a little at a time, sets HEARD, how many got the answer.
refusals() {
	local round server
	WITH=$2
	new_work
	make_bytes 200000
	start refuse
	server=$!
	PORT=$(port_of "$server")
	HEARD=0
	for ((round = 0; round < 10; round++)); do
		run "$1"
		echo "$1, server $2: ${output##*$'\n'}"
		[[ $output != *'HTTP 413'* ]] || HEARD=$((HEARD + 1))
	done
	stop "$server"
}

@test "python3: http.server's refusal of a POST reaches a client that is still sending" {
	refusals python_post without
	[ "$HEARD" -lt 10 ]
	refusals python_post with
	assert_equal "$HEARD" 10
	refusals curl_post with
	assert_equal "$HEARD" 10
}
