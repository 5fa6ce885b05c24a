#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How libssl comes into the process (a plugin, dlopen, dlmopen, dlsym), and whether its calls are reached: by plain preloading, and in
# the deep mode of the wrapper. Where they are not, the program must be as it was.

load helper

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests/dlopen
	JUDGE_ARGS=(--silent-end)
}

# ends HOW COUNT PROGRAM ARG...: how COUNT connections of the program ended; HOW: without, with, deep.
ends() {
	local how=$1 count=$2 program=$3 wrap=()
	shift 3
	[ "$how" = without ] || wrap=("$PROJECT/scripts/closenotify" -q)
	[ "$how" != deep ] || wrap+=(--deep)
	[ "$how" = without ] || wrap+=(--)
	start_judge --tls 1.3 --no-tickets --connections "$count" "${JUDGE_ARGS[@]}"
	CLOSENOTIFY_LIBRARY=$SHIM timeout -k 10 60 "${wrap[@]}" "$RUDE/$program" "$JUDGE_PORT" 1.3 100 "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 ||
		fail "$how $program: $(cat "$BATS_TEST_TMPDIR/said")"
	judge_result >/dev/null
	tail -n +2 "$JUDGE_OUT" | jq -r '[.verdict, .bytes, .close_notify] | join(" ")' | sort | uniq -c | sed 's/^ *//'
}

# reached WITH DEEP COUNT PROGRAM ARG...: the verdict by plain preloading and in deep mode; without the library it is truncated. DEEP "-":
# not tried.
reached() {
	local with=$1 deep=$2 count=$3
	shift 3
	assert_equal "$(ends without "$count" "$@")" "$count truncated 100 0"
	assert_equal "$(ends with "$count" "$@")" "$count $with"
	[ "$deep" = - ] || assert_equal "$(ends deep "$count" "$@")" "$count $deep"
}

LIBSSL=$(ldd "$BUILD/tests/rude/close_only" | sed -n 's/^\t\(libssl[^ ]*\) .*/\1/p')
CLOSED='closed 100 1'
TRUNCATED='truncated 100 0'

@test "libssl comes with a plugin that is loaded RTLD_LOCAL" {
	reached "$CLOSED" "$CLOSED" 1 load_plugin local
}

@test "the plugin and libssl are unloaded, and loaded again" {
	reached "$CLOSED" "$CLOSED" 2 load_plugin twice
}

@test "libgnutls is unloaded, and loaded again elsewhere" {
	assert_equal "$("$RUDE/gnutls_unloaded")" 'done'
	assert_equal "$(LD_PRELOAD=$SHIM "$RUDE/gnutls_unloaded")" 'done'
}

@test "a session that was never freed, and its libgnutls unloaded: close() does not call it" {
	local dir=$BATS_TEST_TMPDIR preload
	gcc -shared -fPIC -xc - -o "$dir/plugin.so" -lgnutls <<-'END'
		#include <gnutls/gnutls.h>
		void *begin(void *fd) {
			gnutls_session_t session;
			gnutls_certificate_credentials_t trust;
			gnutls_init(&session, GNUTLS_CLIENT);
			gnutls_certificate_allocate_credentials(&trust);
			gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
			gnutls_set_default_priority(session);
			gnutls_transport_set_int(session, *(int *)fd);
			return gnutls_handshake(session) ? NULL : fd;
		}
	END
	gcc -xc - -o "$dir/host" -lpthread -ldl <<-'END'
		#include <arpa/inet.h>
		#include <dlfcn.h>
		#include <pthread.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		int main(int argc, char **argv) {
			struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1]))};
			int fd = socket(AF_INET, SOCK_STREAM, 0);
			void *plugin = dlopen(argv[1], RTLD_NOW), *met = NULL;
			pthread_t thread;
			to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			if (!plugin || connect(fd, (struct sockaddr *)&to, sizeof(to)))
				return 99;
			/* libgnutls stays while a thread lives that has used it */
			pthread_create(&thread, NULL, (void *(*)(void *))dlsym(plugin, "begin"), &fd);
			pthread_join(thread, &met);
			dlclose(plugin);
			printf("%d %d\n", met == &fd, close(fd));
			return 0;
		}
	END
	for preload in '' "$SHIM"; do
		start_judge --tls 1.3 --connections 1
		LD_PRELOAD=$preload run "$dir/host" "$dir/plugin.so" "$JUDGE_PORT"
		assert_success
		assert_output '1 0'
		assert_equal "$(verdict_of "$(judge_result)")" truncated
	done
}

# What --deep asks for. An older loader has no auditing of what it binds at once, and crashes in dlmopen() beside any.
has_deep_mode() {
	printf '%s\n' 2.35 "$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)" | sort -CV
}

@test "RTLD_DEEPBIND: reached in deep mode only, and from glibc 2.35 on" {
	local deep=$CLOSED
	has_deep_mode || deep=$TRUNCATED
	reached "$TRUNCATED" "$deep" 1 load_plugin deepbind
}

@test "dlmopen: a namespace of its own is left alone" {
	local deep=$TRUNCATED
	has_deep_mode || deep=-
	reached "$TRUNCATED" "$deep" 1 load_plugin namespace
}

@test "dlsym on a handle: reached in deep mode only" {
	reached "$TRUNCATED" "$CLOSED" 1 by_name "$LIBSSL"
}

@test "ten copies of libssl in one process: each has its own functions" {
	local copy copies=() libssl
	libssl=$(ldd "$BUILD/tests/rude/close_only" | sed -n 's/.*=> \(.*libssl[^ ]*\) .*/\1/p')
	for copy in 1 2 3 4 5 6 7 8 9 10; do
		mkdir "$BATS_TEST_TMPDIR/$copy"
		copies+=("$BATS_TEST_TMPDIR/$copy/libssl.so.3")
		cp "$libssl" "${copies[-1]}"
	done
	assert_equal "$(ends without 10 by_name "${copies[@]}")" "10 $TRUNCATED"
	assert_equal "$(ends deep 10 by_name "${copies[@]}")" "10 $CLOSED"
}

@test "no libssl there: what a program finds by name fails, and does no harm" {
	run env LD_PRELOAD="$SHIM" /usr/bin/python3 -c '
import ctypes
found = ctypes.CDLL(None)
print(found.SSL_shutdown(None), found.SSL_clear(None), found.SSL_write(None, b"x", 1), found.SSL_CTX_new(None))
found.SSL_free(None)'
	assert_success
	assert_output '-1 0 -1 0'
}

@test "two libssl of different versions in one process, called from the same places" {
	local old
	[ "$LIBSSL" != libssl.so.1.1 ] || skip 'this release has no newer libssl beside 1.1'
	"$PROJECT/tests/sysroot" add -q bullseye libssl1.1
	old=$("$PROJECT/tests/sysroot" path bullseye)/usr/lib/$(gcc -print-multiarch)/libssl.so.1.1
	ln -s "$(dirname "$old")/libcrypto.so.1.1" "$BATS_TEST_TMPDIR/libcrypto.so.1.1"
	export LD_LIBRARY_PATH=$BATS_TEST_TMPDIR
	reached "$TRUNCATED" "$CLOSED" 2 by_name "$LIBSSL" "$old"
	reached "$TRUNCATED" "$CLOSED" 2 by_name "$old" "$LIBSSL"
}
