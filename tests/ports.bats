#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other machines and other libcs than those of the suite: 32-bit programs, arm64 under qemu-user, and the library built here in the
# oldest release. Each program is compiled here against a private root of its architecture.
# shellcheck disable=SC2016,SC2030,SC2031 # $LIB is the loader's; each test is a subshell of its own

bats_require_minimum_version 1.5.0

load helper

PORTS=$BUILD/ports
I386=$BUILD/32 # where make 32 puts it
SYSROOT=$BATS_TEST_DIRNAME/sysroot
PROGRAMS=(free_then_close close_then_free exit_0 underscore_exit_0 dup2_over shutdown_wr_then_close forked_server)
HANDLERS=(handler blocks_signals)

# have NAME COMMAND...: whether that capability can be had; what was said meanwhile is in $PORTS/NAME.log.
have() {
	local name=$1
	shift
	"$@" >"$PORTS/$name.log" 2>&1 && touch "$PORTS/$name.there"
}

needs_port() { # NAME WHAT
	[ -e "$PORTS/$1.there" ] || skip "no $2 can be had here ($(grep -m 1 . "$PORTS/$1.log"))"
}

packages() {
	local gcc
	gcc=$(gcc -dumpversion)
	"$SYSROOT" add -q "host:$1" libc6-dev "libgcc-${gcc%%.*}-dev" libssl-dev
}

i386_root() {
	packages i386 && "$1/lib/ld-linux.so.2" --library-path "$1/usr/lib/i386-linux-gnu" --list "$1"/usr/lib/i386-linux-gnu/libssl.so
}

arm64_root() {
	packages arm64 && "$SYSROOT" add -q host qemu-user-static && qemu --version
}

# The cross compiler beside clang, which is one already.
arm64_gcc() {
	local host
	host=$("$SYSROOT" path host)
	LD_LIBRARY_PATH=$host/usr/lib/$(gcc -print-multiarch) make_port "$PORTS/arm64-gcc" "$host/usr/bin/aarch64-linux-gnu-gcc --sysroot=$1" libclosenotify.so libclosenotify-deep.so
}

# Static in all releases, by one of these names.
qemu() {
	local name host
	host=$("$SYSROOT" path host)
	for name in qemu-aarch64-static qemu-aarch64; do
		[ ! -x "$host/usr/bin/$name" ] || QEMU=$host/usr/bin/$name
	done
	"$QEMU" "$@"
}

# Whether rt_sigprocmask reads the mask before anything else, as Linux does: by that the library finds which pages can be read.
# Debian 11's (5.2) does not, and Debian 12's (7.2) does.
qemu_reads_masks() {
	[ "$(qemu --version | sed -n 's/.* version \([0-9]*\).*/\1/p')" -ge 7 ]
}

make_alone() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$PROJECT" -j2 WERROR=-Werror "$@"
}

# make_port BUILD COMPILER TARGET...: as users and as we build.
make_port() {
	local build=$1 compiler=$2
	shift 2
	make_alone BUILD="$build" CC="$compiler" "${@/#/$build/}"
}

setup_file() {
	local root program i386 arm64 targets
	make_certs
	mkdir -p "$PORTS"
	rm -f "$PORTS"/*.there "$PORTS"/*.built
	targets=("${PROGRAMS[@]/#/tests/rude/}" "${HANDLERS[@]/#/tests/threads/}")

	root=$("$SYSROOT" path host:i386)
	if [ "$(uname -m)" = x86_64 ] && have i386 i386_root "$root"; then
		i386=$("$SYSROOT" compiler host:i386)
		i386+=" -Wl,--dynamic-linker=$root/lib/ld-linux.so.2 -Wl,--disable-new-dtags,-rpath,$root/usr/lib/i386-linux-gnu"
		echo "$i386" >"$PORTS/i386.compiler"
		have i386.build make_alone 32 BUILD="$BUILD" CC32="$i386" && have i386.programs make_port "$I386" "$i386" "${targets[@]}"
		have time64.build make_port "$PORTS/time64" "$i386 -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64" \
			tests/rude/{fcntl_copy_outlives,handed_over} tests/threads/confined tests/transports/transport
	fi

	root=$("$SYSROOT" path host:arm64)
	if have arm64 arm64_root; then
		arm64=$("$SYSROOT" compiler host:arm64)
		have arm64.build make_port "$PORTS/arm64" "$arm64" libclosenotify.so libclosenotify-deep.so "${targets[@]}"
		! have arm64-gcc "$SYSROOT" add -q host gcc-aarch64-linux-gnu || have arm64-gcc.build arm64_gcc "$root"
		qemu --version >/dev/null
		mkdir -p "$PORTS"/qemu/{rude,threads}
		for program in "${targets[@]#tests/}"; do
			printf '#!/bin/sh\nexec %s ${PORT_LIBRARY:+-E LD_PRELOAD=$PORT_LIBRARY} -L %s %s "$@"\n' \
				"$QEMU" "$root" "$PORTS/arm64/tests/$program" >"$PORTS/qemu/$program"
			chmod 755 "$PORTS/qemu/$program"
		done
	fi
}

setup() {
	JUDGE_ARGS=()
}

built() { # NAME
	cat "$PORTS/$1.build.log"
	[ -e "$PORTS/$1.build.there" ]
	run ! grep -w warning "$PORTS/$1.build.log"
}

# play_port LIBRARY ROLE TLS PROGRAM [ARG...]: what runs the program may take the library out of PORT_LIBRARY.
play_port() {
	if [[ $RUDE = */qemu/* ]]; then
		export PORT_LIBRARY=$1
		set -- '' "${@:2}"
	fi
	play "$@"
}

# repaired LIBRARY ROLE TLS PROGRAM [ARG...]: a fault without the library, a clean end with it; the program sees no difference.
repaired() {
	local library=$1 said
	shift
	PORT_LIBRARY='' play '' "$@"
	assert_equal "$(verdict_of "$RESULT")" truncated
	said="$(field bytes "$RESULT") $STATUS $SAID"
	play_port "$library" "$@"
	assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $(field bytes "$RESULT") $STATUS $SAID" "closed 1 $said"
}

# knows_handlers LIBRARY COUNT: by the frames on the stack it is seen who is in a handler, and who only blocks signals; where
# they can't be seen, such a program is left alone.
knows_handlers() {
	local how seen=closed ends
	[[ $RUDE != */qemu/* ]] || qemu_reads_masks || seen=truncated
	JUDGE_ARGS=(--connections $(($2 + 1)) --timeout-ms 60000)
	for how in malloc nodefer siginfo; do
		play_port "$1" client 1.3 ../threads/handler 1000 "$2" "$how"
		assert_equal "$STATUS $SAID" '0 malloc in the handler: 0'
		ends="$2 1" # the handler's, and main's own after that
		[ "$how" = malloc ] || [ "$seen" = closed ] || ends="$(($2 + 1)) 0"
		assert_equal "$(grep -c '"verdict":"truncated"' "$JUDGE_OUT") $(grep -c '"verdict":"closed"' "$JUDGE_OUT")" "$ends"
	done
	JUDGE_ARGS=(--connections 2)
	for how in plain deep after; do
		play_port '' client 1.3 ../threads/blocks_signals 1000 2 "$how"
		assert_equal "$STATUS $(grep -c '"verdict":"truncated"' "$JUDGE_OUT")" '0 2'
		play_port "$1" client 1.3 ../threads/blocks_signals 1000 2 "$how"
		assert_equal "$STATUS $(grep -c "\"verdict\":\"$seen\"" "$JUDGE_OUT")" '0 2'
	done
}

# --- 32 bits ---

@test "i386: make 32 builds the library without a warning" {
	needs_port i386 'i386 packages'
	built i386
	[ -e "$PORTS/i386.programs.there" ]
	run readelf --file-header "$I386/libclosenotify.so"
	assert_output --partial 'Class:                             ELF32'
}

# The library for each word size, as they are installed side by side.
side_by_side() {
	local both=$BATS_TEST_TMPDIR/both
	mkdir -p "$both/lib/i386-linux-gnu" "$both/lib/x86_64-linux-gnu"
	cp "$I386/libclosenotify.so" "$both/lib/i386-linux-gnu"
	cp "$SHIM" "$both/lib/x86_64-linux-gnu"
	BOTH=$both/'$LIB/libclosenotify.so'
}

@test "i386: the ends of 32-bit programs are repaired, by \$LIB beside the 64-bit library" {
	local program
	needs_port i386 'i386 packages'
	RUDE=$I386/tests/rude
	side_by_side
	for program in "${PROGRAMS[@]}"; do
		repaired "$BOTH" client 1.2 "$program"
		repaired "$BOTH" client 1.3 "$program"
	done
	repaired "$BOTH" server 1.3 free_then_close
}

@test "i386: make install-both puts a library for each word size where the loader looks for \$LIB, and the commands name it so" {
	local program there=$BATS_TEST_TMPDIR/there
	needs_port i386 'i386 packages'
	make_alone install-both BUILD="$BUILD" CC32="$(cat "$PORTS/i386.compiler")" PREFIX="$there" >/dev/null
	run "$there/bin/closenotify" --print-env
	assert_output "LD_PRELOAD=$there/\$LIB/libclosenotify.so"
	for program in "$I386/tests/rude/exit_0" "$BUILD/tests/rude/exit_0"; do
		start_judge --tls 1.3 --no-tickets
		run "$there/bin/closenotify" --deep "$program" "$JUDGE_PORT" 1.3
		assert_success
		assert_output ''
		assert_equal "$(verdict_of "$(judge_result)")" closed
	done
	make_alone uninstall CC32="$(cat "$PORTS/i386.compiler")" PREFIX="$there" >/dev/null
	assert_equal "$(find "$there" -type f)" ''
}

@test "i386: a handler is known by its frame, with and without SA_SIGINFO" {
	needs_port i386 'i386 packages'
	RUDE=$I386/tests/rude
	side_by_side
	knows_handlers "$BOTH" 60
}

# A program that was right stays as it was.
unchanged() {
	local said
	play '' client 1.3 "$@"
	assert_equal "$(verdict_of "$RESULT")" truncated
	said="$(field bytes "$RESULT") $STATUS $SAID"
	play "$BOTH" client 1.3 "$@"
	assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $STATUS $SAID" "truncated $said"
}

# calls FUNCTION PROGRAM: it was built so that it calls this function of libc.
calls() {
	readelf --dyn-syms --wide "$RUDE/$2" | grep -qw "$1" || skip 'no 64-bit times in this glibc (2.34)'
}

@test "i386: programs with 64-bit times, which call other functions of libc: fcntl, sendmsg, sendmmsg, prctl" {
	needs_port i386 'i386 packages'
	built time64
	RUDE=$PORTS/time64/tests/rude
	side_by_side
	calls __fcntl_time64 fcntl_copy_outlives
	repaired "$BOTH" client 1.3 fcntl_copy_outlives
	calls __sendmsg64 handed_over # another process has the socket
	unchanged handed_over
	calls __sendmmsg64 ../transports/transport # the hello tells which socket it is
	repaired "$BOTH" client 1.3 ../transports/transport 1000 custom sendmmsg
	calls __prctl_time64 ../threads/confined # from then on a system call of ours would kill
	unchanged ../threads/confined 1000 strict
}

# --- arm64 ---

@test "arm64: cross-built without a warning, it repairs the ends of programs under qemu-user" {
	local program
	needs_port arm64 'arm64 packages, or qemu-user'
	built arm64
	RUDE=$PORTS/qemu/rude
	for program in "${PROGRAMS[@]}"; do
		repaired "$PORTS/arm64/libclosenotify.so" client 1.3 "$program"
	done
	repaired "$PORTS/arm64/libclosenotify.so" client 1.2 free_then_close
	repaired "$PORTS/arm64/libclosenotify.so" server 1.3 free_then_close
}

@test "arm64: a handler is known by its frame" {
	needs_port arm64 'arm64 packages, or qemu-user'
	RUDE=$PORTS/qemu/rude
	knows_handlers "$PORTS/arm64/libclosenotify.so" 20
}

@test "arm64: built by gcc it does the same" {
	needs_port arm64 'arm64 packages, or qemu-user'
	needs_port arm64-gcc 'cross compiler'
	built arm64-gcc
	RUDE=$PORTS/qemu/rude
	repaired "$PORTS/arm64-gcc/libclosenotify.so" client 1.3 free_then_close
	knows_handlers "$PORTS/arm64-gcc/libclosenotify.so" 10
}

# --- an older libc ---

@test "the library built here repairs python3 of Debian 11" {
	local library said client='import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
connection.sendall(b"x" * 10000)
connection.close()
print("libc", __import__("os").confstr("CS_GNU_LIBC_VERSION"))'
	needs_mount
	"$SYSROOT" add -q bullseye python3-minimal libssl1.1 libpython3-stdlib
	for library in '' "$SHIM"; do
		start_judge --tls 1.3 --no-tickets
		run "$SYSROOT" run --env LD_PRELOAD="$library" bullseye python3 -c "$client" "$JUDGE_PORT"
		assert_success
		assert_output 'libc glibc 2.31'
		RESULT=$(judge_result)
		if [ -z "$library" ]; then
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'truncated 10000'
		else
			assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT")" 'closed 10000'
		fi
	done
}

# --- the wrapper ---

@test "closenotify: a library path with \$LIB serves programs of both word sizes, without a warning" {
	local lib program
	needs_port i386 'i386 packages'
	side_by_side
	for lib in '$LIB' '${LIB}'; do
		for program in "$I386/tests/rude/exit_0" "$BUILD/tests/rude/exit_0"; do
			start_judge --tls 1.3 --no-tickets
			CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/both/$lib/libclosenotify.so \
				run "$PROJECT/scripts/closenotify" "$program" "$JUDGE_PORT" 1.3
			assert_success
			assert_output ''
			assert_equal "$(verdict_of "$(judge_result)")" closed
		done
	done
	CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/none/'$LIB/libclosenotify.so' run "$PROJECT/scripts/closenotify" true
	assert_failure 125
}

@test "closenotify: clang's shared AddressSanitizer comes first as well" {
	local runtime
	clang -fsanitize=address -shared-libasan "$PROJECT/tests/loaders/ends.c" -o "$BATS_TEST_TMPDIR/ends" -lpthread
	runtime=$(clang -print-file-name="libclang_rt.asan-$(uname -m).so")
	export LD_LIBRARY_PATH=${runtime%/*}
	LD_PRELOAD=$SHIM run "$BATS_TEST_TMPDIR/ends"
	assert_failure
	CLOSENOTIFY_LIBRARY=$SHIM run "$PROJECT/scripts/closenotify" "$BATS_TEST_TMPDIR/ends"
	assert_success
	assert_output "$("$BATS_TEST_TMPDIR/ends")"
}

@test "closenotify and closenotify-check say that the library is inert under musl" {
	musl-gcc -O1 "$PROJECT/tests/loaders/ends.c" -o "$BATS_TEST_TMPDIR/ends"
	CLOSENOTIFY_LIBRARY=$SHIM run "$PROJECT/scripts/closenotify" "$BATS_TEST_TMPDIR/ends"
	assert_success
	assert_line "closenotify: warning: $BATS_TEST_TMPDIR/ends runs under musl: the library is inert there"
	run "$PROJECT/scripts/closenotify-check" "$BATS_TEST_TMPDIR/ends"
	assert_failure 1
	assert_line --partial 'runs under musl: the library is inert there'
}

# qemu-user takes each TCP option for an int, and gVisor counts nothing: there 0 bytes sent is no sign of a new connection.
@test "where TCP_INFO is four bytes long, or counts nothing, ends are repaired as well" {
	local mode tls
	gcc -D_GNU_SOURCE -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/counts_nothing.so" <<-'END'
		#include <linux/tcp.h>
		#include <netinet/in.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
			int ret = syscall(SYS_getsockopt, fd, level, name, value, size);
			if (ret == 0 && level == IPPROTO_TCP && name == TCP_INFO && *size > 4) {
				memset((char *)value + 4, 0, *size - 4);
				if (!strcmp(getenv("TCP_INFO"), "short"))
					*size = 4;
			}
			return ret;
		}
	END
	for mode in short zeros; do
		for tls in 1.2 1.3; do
			JUDGE_ARGS=(--no-tickets)
			TCP_INFO=$mode play "$BATS_TEST_TMPDIR/counts_nothing.so" client "$tls" close_only
			assert_equal "$STATUS $(verdict_of "$RESULT")" '0 truncated'
			TCP_INFO=$mode play "$SHIM:$BATS_TEST_TMPDIR/counts_nothing.so" client "$tls" close_only
			assert_equal "$STATUS $(verdict_of "$RESULT")" '0 closed'
		done
	done
}
