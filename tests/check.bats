#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# closenotify-check: what it says of programs and processes of which the truth is known.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

check() {
	run "$PROJECT/scripts/closenotify-check" "$@"
}

# What libcrypto.a needs: Debian 13's has zlib and zstd.
# shellcheck disable=SC2054 # the linker takes them with commas
INSIDE=(-Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -lpthread -ldl -Wl,--as-needed)
for library in libz.so.1 libzstd.so.1; do
	[ ! -e "/usr/lib/$(gcc -print-multiarch)/$library" ] || INSIDE+=("-l:$library")
done

# A program that carries OpenSSL inside.
build_static_ssl() {
	cc "$PROJECT/tests/rude/free_then_close.c" -o "$1" "${INSIDE[@]}"
}

@test "a program that links libssl is covered; its version is that of the library" {
	check "$BUILD/tests/rude/free_then_close"
	assert_success
	assert_line --regexp "^tls library: +OpenSSL $(openssl version | cut -d' ' -f2)$"
	assert_line --regexp '^verdict: +covered$'
	refute_line --partial missed
}

@test "a static program, and one for which only another TLS library is there, are not" {
	echo 'int main(void) { return 0; }' | cc -static -xc - -o "$BATS_TEST_TMPDIR/static"
	check "$BATS_TEST_TMPDIR/static"
	assert_failure 1
	assert_line --partial 'statically linked'
	echo 'int main(void) { return 0; }' | cc -shared -xc - -o "$BATS_TEST_TMPDIR/libwolfssl.so"
	echo 'int main(void) { return 0; }' |
		cc -xc - -o "$BATS_TEST_TMPDIR/gnutls" -Wl,--no-as-needed -L"$BATS_TEST_TMPDIR" -lwolfssl -Wl,-rpath,"$BATS_TEST_TMPDIR"
	check "$BATS_TEST_TMPDIR/gnutls"
	assert_failure 1
	assert_line --partial 'wolfSSL is not covered'
}

@test "GnuTLS: covered, with its version; by dlsym in deep mode only" {
	check "$BUILD/tests/gnutls/exit_0"
	assert_success
	assert_line --regexp '^tls library: +GnuTLS [0-9]+\.[0-9]+\.[0-9]+$'
	assert_line --regexp '^verdict: +covered$'
	refute_line --partial missed
	echo 'int main(void) { return 0; }' | cc -shared -xc - -o "$BATS_TEST_TMPDIR/secur32.so"
	echo 'int main(void) { return 0; }' |
		cc -xc - -o "$BATS_TEST_TMPDIR/wine" -Wl,--no-as-needed -L"$BATS_TEST_TMPDIR" -l:secur32.so -Wl,-rpath,"$BATS_TEST_TMPDIR"
	check "$BATS_TEST_TMPDIR/wine"
	assert_line --regexp '^verdict: +covered with --deep$'
	assert_line --regexp '^tls library: +SChannel by Wine, reached with --deep$'
}

@test "wine, the command, has its libraries only when it runs: covered with --deep" {
	printf '#!/bin/sh\nexec /usr/lib/wine/wine64 "$@"\n' >"$BATS_TEST_TMPDIR/wine"
	chmod +x "$BATS_TEST_TMPDIR/wine"
	check "$BATS_TEST_TMPDIR/wine"
	assert_success
	assert_line --regexp '^tls library: +SChannel by Wine, reached with --deep$'
	assert_line --regexp '^verdict: +covered with --deep$'
}

@test "OpenSSL inside the executable: recognised, and left alone by the library" {
	build_static_ssl "$BATS_TEST_TMPDIR/inside"
	check "$BATS_TEST_TMPDIR/inside"
	assert_failure 1
	assert_line --regexp '^inside the program: +OpenSSL'
	RUDE=$BATS_TEST_TMPDIR JUDGE_ARGS=(--silent-end)
	play '' client 1.3 inside
	assert_equal "$(verdict_of "$RESULT")" truncated
	said=$SAID
	play "$SHIM" client 1.3 inside
	assert_equal "$(verdict_of "$RESULT") $SAID" "truncated $said"
}

@test "OpenSSL inside a library of the program: recognised, whether libssl is there as well or not" {
	local with
	cd "$BATS_TEST_TMPDIR" || return 1
	cc -shared -fPIC "$PROJECT/tests/rude/free_then_close.c" -o libinside.so "${INSIDE[@]}"
	for with in '' -lssl; do
		# shellcheck disable=SC2086 # none or one
		echo 'int main(void) { return 0; }' | cc -xc - -o program -Wl,--no-as-needed -L. -linside $with -Wl,-rpath,"$PWD"
		check ./program
		assert_line --regexp '^missed: +/.*/libinside\.so has OpenSSL inside'
		if [ "$with" ]; then
			assert_success
		else
			assert_failure 1
		fi
	done
}

@test "the transports that a program may give OpenSSL" {
	check "$BUILD/tests/rude/free_then_close"
	assert_line --regexp '^bio styles: +socket$'
	check "$BUILD/tests/transports/transport"
	assert_line --regexp '^bio styles: +socket, memory, pair, its own$'
}

@test "Qt is reached with --deep, which is said even if libssl is there for others" {
	local with
	cd "$BATS_TEST_TMPDIR" || return 1
	echo 'int qt;' | cc -shared -xc - -o libQt6Network.so
	for with in '' -lssl; do
		# shellcheck disable=SC2086 # none or one
		echo 'int main(void) { return 0; }' |
			cc -xc - -o program -Wl,--no-as-needed -L. -l:libQt6Network.so $with -Wl,-rpath,"$PWD"
		check ./program
		assert_success
		if [ "$with" ]; then
			assert_line --regexp '^missed: +Qt 6 .*--deep only$'
		else
			assert_line --regexp '^verdict: +covered with --deep$'
		fi
	done
}

@test ".NET is known by what its host loads: reached with --deep, and quiet" {
	cd "$BATS_TEST_TMPDIR" || return 1
	echo 'const char *host = "libhostfxr.so"; int main(void) { return !host; }' | cc -xc - -o apphost
	check ./apphost
	assert_success
	assert_line --regexp '^tls library: +\.NET '
	assert_line --regexp '^missed: +\.NET asks .*--quiet override only$'
	assert_line --regexp '^verdict: +covered with --deep$'
	echo 'int main(void) { return 0; }' | cc -xc - -o apphost
	check ./apphost
	refute_line --partial .NET
}

@test "a script is judged by what runs it; where no TLS library is linked, nothing can be told yet" {
	printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	check "$BATS_TEST_TMPDIR/script"
	assert_failure 3
	assert_line --regexp '^runs: +/.*sh$'
	assert_line --regexp '^verdict: +unknown$'
}

@test "a process: whether the library is loaded, and its connections" {
	local pid
	mkfifo "$BATS_TEST_TMPDIR/silence"
	exec 8<>"$BATS_TEST_TMPDIR/silence"
	for library in '' "$SHIM"; do
		start_judge --tls 1.3 --no-tickets --timeout-ms 60000
		LD_PRELOAD=$library openssl s_client -quiet -connect "127.0.0.1:$JUDGE_PORT" \
			<&8 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		pid=$!
		STARTED+=("$pid")
		until grep -q verify "$BATS_TEST_TMPDIR/out"; do is_ours "$pid"; a_moment; done
		check "$pid"
		assert_line --regexp '^open connections: +1$'
		assert_line --regexp "^tls library: +$(openssl version | cut -d ' ' -f 1,2)"
		if [ "$library" ]; then
			assert_success
			assert_line --regexp '^loaded: +yes$'
		else
			assert_failure 1
			assert_line --partial 'the library is not loaded'
		fi
		stop "$pid"
	done
	exec 8>&-
}

@test "a process without a TLS library: not to be told yet where the library is loaded, else not covered" {
	local library pid
	for library in '' "$SHIM"; do
		LD_PRELOAD=$library sleep 60 3>&- &
		pid=$!
		STARTED+=("$pid")
		until [ "$(cat "/proc/$pid/comm")" = sleep ] && grep -qE '/libc(-2\.[0-9]+)?\.so' "/proc/$pid/maps"; do is_ours "$pid"; a_moment; done
		check "$pid"
		assert_line --regexp '^missed: +no TLS library of its own is loaded yet'
		if [ "$library" ]; then
			assert_failure 3
			assert_line --regexp '^verdict: +unknown$'
		else
			assert_failure 1
			assert_line --regexp '^verdict: +not covered: start it with closenotify$'
		fi
	done
}

@test "a process: input that waits, and would make close() reset" {
	local pid
	start_judge --tls 1.2 --send 5000 --timeout-ms 60000
	/usr/bin/python3 -c 'import socket, ssl, sys, time
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
connection.send(b"x")
time.sleep(60)' "$JUDGE_PORT" 3>&- &
	pid=$!
	STARTED+=("$pid")
	until check "$pid" && [[ $output = *'unread input:'* ]]; do is_ours "$pid"; a_moment; done
	assert_line --regexp '^open connections: +1$'
	assert_line --regexp '^unread input: +on 1 of them: without the library, close\(\) would reset these$'
}

@test "--json holds the same" {
	check --json "$BUILD/tests/rude/free_then_close"
	assert_success
	assert_equal "$(jq -r '.verdict, .v, (.missed | length), (.tls[0] | split(" ")[0])' <<<"$output" | tr '\n' ' ')" 'covered 1 0 OpenSSL '
}

@test "nothing is printed raw: a file name forges no verdict, reaches no terminal, and --json stays JSON" {
	local name=$'x\nverdict:             covered\e[2J\x9b\xff"\\' shown='x\u000averdict:             covered\u001b[2J\u009b\u00ff'
	cd "$BATS_TEST_TMPDIR" || return 1
	echo 'int main(void) { return 0; }' | cc -static -xc - -o "./$name"
	check "./$name"
	assert_failure 1
	assert_equal "$(grep -c '^verdict:' <<<"$output")" 1
	assert_line --regexp '^verdict: +not covered$'
	assert_line "program:             ./$shown\"\\u005c"
	assert_equal "$(LC_ALL=C tr -d '\n -~' <<<"$output")" ''
	check --json "./$name"
	assert_equal "$(LC_ALL=C tr -d '\n -~' <<<"$output")" ''
	assert_equal "$(jq -r .verdict <<<"$output")" 'not covered'
	assert_equal "$(jq -r .program <<<"$output")" "$(printf './%s' $'x\nverdict:             covered\e[2J\u009b\u00ff"\\')"
	check "./no/$name"
	assert_failure 2
	assert_equal "${#lines[@]}" 1
	# and as a process
	cp "$(type -P sleep)" "./$name"
	"./$name" 60 3>&- &
	STARTED+=($!)
	until [ "$(readlink "/proc/$!/exe")" != "$(readlink /proc/$$/exe)" ]; do is_ours $!; a_moment; done
	check "$!"
	assert_equal "$(grep -c '^verdict:' <<<"$output")" 1
	assert_equal "$(LC_ALL=C tr -d '\n -~' <<<"$output")" ''
}

@test "a libssl under another name is known by its symbols, and one inside a library is not taken for it" {
	local library
	library=$(ldd "$BUILD/tests/rude/free_then_close" | sed -n 's/.*libssl.*=> \(.*\) (.*/\1/p')
	cd "$BATS_TEST_TMPDIR" || return 1
	LC_ALL=C sed 's/libssl\.so\./libxyz.so./g' "$library" >"libxyz.so.${library##*.so.}" # its SONAME: a name of the same length
	cc "$PROJECT/tests/rude/free_then_close.c" -o program "./libxyz.so.${library##*.so.}" -lcrypto -lpthread -ldl -Wl,-rpath,"$PWD"
	ldd ./program | grep -q libxyz
	check ./program
	assert_success
	assert_line --regexp "^tls library: +OpenSSL $(openssl version | cut -d' ' -f2)$"
	assert_line --partial /libxyz.so
	refute_line --partial missed
	# and so it is: the library repairs it
	RUDE=$PWD JUDGE_ARGS=(--silent-end)
	play '' client 1.3 program
	assert_equal "$(verdict_of "$RESULT")" truncated
	play "$SHIM" client 1.3 program
	assert_equal "$(verdict_of "$RESULT")" closed
}

@test "a program without TLS of its own: that is said, and that its children may have one" {
	local program
	for program in make bash git; do
		command -v "$program" >/dev/null || continue
		check "$program"
		assert_failure 3
		assert_line --regexp '^tls library: +none of its own$'
		assert_line --regexp '^missed: +no TLS library of its own: its children may have one'
	done
}

@test "a file of 20 GB, almost all of it a hole, is searched at its beginning alone" {
	local program=$BATS_TEST_TMPDIR/large
	cp "$BUILD/tests/rude/free_then_close" "$program"
	truncate -s 20G "$program"
	check "$program"
	assert_success
	assert_line --regexp '^tls library: +OpenSSL [0-9.]+[a-z]*$'
	assert_line "missed:              $program is larger than 512 MB: only its beginning was searched"
	assert_line --regexp '^verdict: +covered$'
	refute_output --regexp 'exhausted|Aborted'
}

@test "it runs without a build" {
	mkdir -p "$BATS_TEST_TMPDIR/tree/scripts"
	cp "$PROJECT"/scripts/closenotify{,-check} "$BATS_TEST_TMPDIR/tree/scripts"
	run "$BATS_TEST_TMPDIR/tree/scripts/closenotify-check" "$BUILD/tests/rude/free_then_close"
	assert_success
	assert_line --regexp '^verdict: +covered$'
}

@test "a script whose interpreter is not there gets one line and status 2; one that names none is as others" {
	local line script=$BATS_TEST_TMPDIR/script
	for line in '#!/nonexistent/perl -w' '#!/usr/bin/env nonexistent-perl'; do
		echo "$line" >"$script"
		chmod +x "$script"
		check "$script"
		assert_failure 2
		assert_equal "${#lines[@]}" 1
		assert_line --partial "which is not there or can't be read"
	done
	for line in '#!' '#! '; do
		echo "$line" >"$script"
		check "$script"
		assert_failure 3
		assert_line "runs:                $script"
		refute_output --partial 'parameter not set'
	done
}

@test "a file that can't be executed is said to be found" {
	local file=$BATS_TEST_TMPDIR/file
	: >"$file"
	check "$file"
	assert_failure 2
	assert_output "closenotify-check: $file: found, but can't be executed"
	check "$BATS_TEST_TMPDIR/none"
	assert_failure 2
	assert_output "closenotify-check: $BATS_TEST_TMPDIR/none: no such program, and no PID"
}

@test "bad input gets one line and status 2" {
	local args
	for args in '--none' '' 'a b' 'no-such-program' '4194305'; do
		# shellcheck disable=SC2086 # split on purpose
		check $args
		assert_failure 2
		assert_equal "${#lines[@]}" 1
		assert_line --partial 'closenotify-check: '
	done
}
