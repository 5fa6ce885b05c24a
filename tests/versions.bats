#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Other versions of OpenSSL than this machine's, and libraries that only resemble it. A few rude programs, built against
# the headers and libraries of other Debian releases, run there; tests/versions runs the whole suite so. One library is
# enough for all: it is built against the oldest glibc.

load helper

OLDEST=bullseye
OTHERS=(bullseye trixie sid)

setup_file() {
	local suite source
	may_mount || return 0
	make_certs
	for suite in "${OTHERS[@]}"; do
		"$PROJECT/tests/sysroot" add -q "$suite" libc6-dev libssl-dev openssl >&2
	done
	make -s -j "$(nproc)" -C "$PROJECT" CC="$(compiler "$OLDEST")" BUILD="$BUILD/smoke/$OLDEST" all >&2 3>&-
	for suite in "${OTHERS[@]}"; do
		mkdir -p "$BUILD/smoke/$suite"
		for source in rude/{free_then_close,close_then_free,exit_0,ssl_shutdown_then_close,close_with_unread,parent_closes,quic} \
			transports/transport; do
			program "$suite" "$source"
		done
	done
}

# Words: a compiler for that release. It is this machine's, but nothing else is.
compiler() {
	local root libraries
	root=$("$PROJECT/tests/sysroot" path "$1")
	libraries=$root/usr/lib/$(gcc -print-multiarch)
	echo "gcc --sysroot=$root -B$libraries -L$libraries"
}

# program SUITE SOURCE [FLAG...]: $BUILD/smoke/SUITE/NAME from tests/SOURCE.c, linked with libssl unless the flags say.
program() {
	local suite=$1 source=$2 out=$BUILD/smoke/$1/${2##*/}
	shift 2
	[ "$out" -nt "$PROJECT/tests/$source.c" ] && [ "$out" -nt "$PROJECT/tests/rude/rude.h" ] && return
	# Debian 11's ld cannot read newer libraries.
	# shellcheck disable=SC2046 # words are wanted
	$(compiler "$suite") -fuse-ld=lld -std=gnu11 -D_GNU_SOURCE -g -o "$out" "$PROJECT/tests/$source.c" "${@:--lssl}" -lcrypto -lpthread
}

setup() {
	needs_mount
	JUDGE_ARGS=(--silent-end)
}

# play_in SUITE LIBRARY TLS PROGRAM [ARG...]: one run in that root. Sets RESULT, STATUS and SAID.
play_in() {
	local suite=$1 library=$2 tls=$3 program=$BUILD/smoke/$1/$4
	shift 4
	STATUS=0
	start_judge --tls "$tls" --no-tickets "${JUDGE_ARGS[@]}"
	SAID=$(timeout -k 10 60 "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$library" "$suite" -- \
		"$program" "$JUDGE_PORT" "$tls" "$@" 2>&1) || STATUS=$?
	RESULT=$(judge_result)
	echo "$suite: ${program##*/} $*, TLS $tls, ${library:-without}: status $STATUS $RESULT $SAID"
	[ "$STATUS" -ne 99 ]
}

heard() {
	jq -rc '[.verdict, .order, .bytes, .sha256, .close_notify, .fatal, .end]' <<<"$RESULT"
}

# changes_in LIBRARY SUITE BEFORE PROGRAM [ARG...]: the verdict there without the library; closed with it, all else the same.
changes_in() {
	local library=$1 suite=$2 before=$3 tls said
	shift 3
	for tls in 1.2 1.3; do
		play_in "$suite" '' "$tls" "$@"
		assert_equal "$(verdict_of "$RESULT")" "$before"
		said="$STATUS $SAID"
		play_in "$suite" "$library" "$tls" "$@"
		assert_equal "$(jq -c '[.verdict, .close_notify]' <<<"$RESULT") $STATUS $SAID" "[\"closed\",1] $said"
	done
}

# leaves_in LIBRARY SUITE VERDICT PROGRAM [ARG...]: the same without and with the library.
leaves_in() {
	local library=$1 suite=$2 verdict=$3 tls without
	shift 3
	for tls in 1.2 1.3; do
		play_in "$suite" '' "$tls" "$@"
		assert_equal "$(verdict_of "$RESULT")" "$verdict"
		without="$(heard) $STATUS $SAID"
		play_in "$suite" "$library" "$tls" "$@"
		assert_equal "$(heard) $STATUS $SAID" "$without"
	done
}

# works_in SUITE LIBRARY VERSION
works_in() {
	local suite=$1 library=$2
	run "$PROJECT/tests/sysroot" run "$suite" -- openssl version
	assert_output --regexp "^OpenSSL $3"
	run "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$library" --env LD_BIND_NOW=1 "$suite" -- true
	assert_success
	assert_output ''
	changes_in "$library" "$suite" truncated free_then_close
	changes_in "$library" "$suite" truncated close_then_free
	changes_in "$library" "$suite" truncated exit_0
	changes_in "$library" "$suite" truncated transport 20000 memory send
	changes_in "$library" "$suite" closed ssl_shutdown_then_close
	leaves_in "$library" "$suite" closed parent_closes
	JUDGE_ARGS=(--silent-end --send 10000)
	resets_no_more_in "$library" "$suite"
}

# Without the library what the peer gets to hear is chance.
resets_no_more_in() {
	play_in "$2" '' 1.3 close_with_unread
	assert_equal "$(verdict_of "$RESULT")" reset
	play_in "$2" "$1" 1.3 close_with_unread
	assert_equal "$(jq -c '[.verdict, .bytes, .close_notify]' <<<"$RESULT")" '["closed",10000,1]'
}

@test "OpenSSL 1.1.1 and glibc 2.31" {
	works_in bullseye "$BUILD/smoke/$OLDEST/libclosenotify.so" '1\.1\.1'
}

@test "glibc 2.31: what a program looks for at run time, and finds in the library alone, works" {
	local function
	cat >"$BATS_TEST_TMPDIR/weak.c" <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>

		extern void closefrom(int) __attribute__((weak));
		extern int close_range(unsigned int, unsigned int, int) __attribute__((weak));

		int main(int argc, char **argv)
		{
			(void)argc;
			if (!strcmp(argv[1], "closefrom") && closefrom)
				closefrom(3);
			else if (!strcmp(argv[1], "close_range") && close_range)
				close_range(3, ~0U, 0);
			else
				return puts("not there") < 0;
			puts(fcntl(3, F_GETFD) < 0 ? "closed" : "open");
			return 0;
		}
	END
	# shellcheck disable=SC2046 # words are wanted
	$(compiler bullseye) -D_GNU_SOURCE -o "$BUILD/smoke/bullseye/weak" "$BATS_TEST_TMPDIR/weak.c"
	for function in closefrom close_range; do
		run "$PROJECT/tests/sysroot" run bullseye -- "$BUILD/smoke/bullseye/weak" "$function" 3</dev/null
		assert_output 'not there'
		run "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$BUILD/smoke/$OLDEST/libclosenotify.so" bullseye -- \
			"$BUILD/smoke/bullseye/weak" "$function" 3</dev/null
		assert_success
		assert_output closed
	done
}

@test "OpenSSL 3.5, with the library built for the oldest release" {
	works_in trixie "$BUILD/smoke/$OLDEST/libclosenotify.so" '3\.5'
}

@test "OpenSSL 3.6 or newer, with the library built for the oldest release" {
	works_in sid "$BUILD/smoke/$OLDEST/libclosenotify.so" '(3\.([6-9]|..)|[4-9])'
}

@test "OpenSSL 3.6 or newer, with the library of this machine" {
	works_in sid "$SHIM" '(3\.([6-9]|..)|[4-9])'
}

@test "QUIC: connections and streams are left alone" {
	local end library without
	export PKI
	for end in free shutdown stream unconnected; do
		for library in '' "$SHIM"; do
			run timeout -k 10 60 "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$library" trixie -- \
				"$BUILD/smoke/trixie/quic" 1 1.3 10000 "$end"
			assert_success
			[ -n "$library" ] || without=$output
		done
		case $end in
		free) assert_line 'heard 10000 bytes, then SSL_read = 0, the other end does not know' ;;
		unconnected) assert_line 'heard -1 bytes' ;;
		*) assert_line 'heard 10000 bytes, then SSL_read = 0, the other end knows' ;;
		esac
		assert_output "$without"
	done
	CLOSENOTIFY_LOG=json run timeout -k 10 60 "$PROJECT/tests/sysroot" run --env LD_PRELOAD="$SHIM" trixie -- \
		"$BUILD/smoke/trixie/quic" 1 1.3 10000 free
	assert_success
	assert_equal "$(grep '^{' <<<"$output" | jq -r '[.action, .reason] | join(" ")' | uniq)" 'none unsupported'
}

@test "async_mode: libssl's calls run as jobs, and are left alone" {
	local role tls without
	for role in client server; do
		for tls in 1.2 1.3; do
			play '' "$role" "$tls" async_mode
			assert_equal "$(verdict_of "$RESULT")" truncated
			without="$(heard) $STATUS $SAID"
			play "$SHIM" "$role" "$tls" async_mode
			assert_equal "$(heard) $STATUS $SAID" "$without"
		done
	done
}

# --- libraries that resemble it ---

LEFT_ALONE='this TLS library lacks functions that are needed; it is left alone'

@test "BoringSSL as a shared library is left alone, and one line says so" {
	local root name android
	"$PROJECT/tests/sysroot" add -q host libc6-dev android-libboringssl android-libboringssl-dev
	root=$("$PROJECT/tests/sysroot" path host)
	android=/$(cd "$root" && echo usr/lib/*/android)
	mkdir -p "$BUILD/smoke/host"
	for name in free_then_close close_then_free exit_0 ssl_shutdown_then_close; do
		program host "rude/$name" -I"$root/usr/include/android" -Wl,-rpath,"$android" \
			"$root$android/libssl.so" "$root$android/libcrypto.so"
		if [ "$name" = ssl_shutdown_then_close ]; then
			leaves_in "$SHIM" host closed "$name"
		else
			leaves_in "$SHIM" host truncated "$name"
		fi
		run readelf -d "$BUILD/smoke/host/$name"
		assert_output --partial '[libssl.so.0]' # BoringSSL's, not OpenSSL's
	done
	CLOSENOTIFY_LOG=text play_in host "$SHIM" 1.3 free_then_close
	assert_equal "$(grep -c "$LEFT_ALONE" <<<"$SAID") $(verdict_of "$RESULT")" '1 truncated'
}

# A libssl.so.3 that takes what it is given as it is, and has nothing but what this program calls.
@test "a libssl that lacks what is needed is left alone, and one line says so" {
	cd "$BATS_TEST_TMPDIR" || return 1
	cat >stub.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>

		int OPENSSL_init_ssl(unsigned long options, const void *settings) { return printf("init %lu %p\n", options, settings) > 0; }
		void *SSL_CTX_new(const void *method) { puts(method ? "method" : "no method"); return malloc(1); }
		void SSL_CTX_free(void *context) { free(context); }
		void *SSL_new(void *context) { return context ? calloc(1, sizeof(int)) : NULL; }
		int SSL_set_fd(int *ssl, int fd) { *ssl = fd; return 1; }
		int SSL_connect(int *ssl) { return write(*ssl, "hello\n", 6) == 6; }
		int SSL_write(int *ssl, const void *bytes, int n) { return (int)write(*ssl, bytes, (size_t)n); }
		int SSL_read(int *ssl, void *bytes, int n) { return (int)read(*ssl, bytes, (size_t)n); }
		int SSL_shutdown(int *ssl) { return (int)write(*ssl, "bye\n", 4); }
		void SSL_free(int *ssl) { printf("free %d\n", *ssl); free(ssl); }
	END
	cat >program.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <unistd.h>

		int OPENSSL_init_ssl(unsigned long, const void *), SSL_set_fd(void *, int), SSL_connect(void *);
		int SSL_write(void *, const void *, int), SSL_read(void *, void *, int), SSL_shutdown(void *);
		void *SSL_CTX_new(const void *), *SSL_new(void *), SSL_free(void *), SSL_CTX_free(void *);

		int main(int argc, char **argv)
		{
			char bytes[100] = "";
			int fds[2], got, all = 0;
			void *context, *ssl;

			setvbuf(stdout, NULL, _IONBF, 0);
			socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
			printf("init = %d\n", OPENSSL_init_ssl(7, NULL));
			context = SSL_CTX_new("m");
			ssl = SSL_new(context);
			printf("set_fd = %d\n", SSL_set_fd(ssl, fds[0]));
			printf("connect = %d\n", SSL_connect(ssl));
			printf("write = %d\n", SSL_write(ssl, "data\n", 5));
			printf("peer's write = %zd\n", write(fds[1], "answer", 6));
			printf("read = %d %s\n", SSL_read(ssl, bytes, 6), bytes);
			if (argc > 1 && strchr(argv[1], 's'))
				printf("shutdown = %d\n", SSL_shutdown(ssl));
			if (argc > 1 && strchr(argv[1], 'f'))
				SSL_free(ssl);
			printf("close = %d\n", close(fds[0]));
			if (argc > 1 && strchr(argv[1], 'F'))
				SSL_free(ssl);
			while ((got = (int)read(fds[1], bytes + all, sizeof(bytes) - 1 - (size_t)all)) > 0)
				all += got;
			bytes[all] = 0;
			printf("peer heard, then %d:\n%s", got, bytes);
			SSL_CTX_free(context);
			return 7;
		}
	END
	gcc -shared -fPIC -Wl,-soname,libssl.so.3 -o libssl.so.3 stub.c
	gcc -o program program.c ./libssl.so.3 -Wl,-rpath,"$PWD"
	for order in '' f F sf sF s; do
		status=0
		run ./program "$order"
		assert_equal "$status" 7
		assert_line data
		without=$output
		LD_PRELOAD=$SHIM run ./program "$order"
		assert_equal "$status" 7
		assert_output "$without"
		LD_PRELOAD=$SHIM CLOSENOTIFY_LOG=text ./program "$order" >out 2>err || status=$?
		assert_equal "$status $(cat out)" "7 $without"
		assert_regex "$(cat err)" "^[-0-9T:.]+Z closenotify: program\[[0-9]+\] warning: message=\"$LEFT_ALONE\"\$"
	done
}
