#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# closenotify --patch: OpenSSL inside a program that exports it. Entries of every shape, all that is refused, and real TLS. The
# decoder against objdump.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell of its own; run sets stderr

bats_require_minimum_version 1.5.0

load helper

PATCHED=$BUILD/tests/patch
# Debian 13's libcrypto compresses. Its packages for that have no library to link with by name.
STATIC=(-l:libssl.a -l:libcrypto.a "-Wl,--as-needed" -l:libz.so.1 -l:libzstd.so.1 -lpthread -ldl)
BOTH=$SHIM:${SHIM%.so}-patch.so

# entries SHAPE [CFLAG...]: that program, built.
entries() {
	gcc -O1 -D_GNU_SOURCE -rdynamic -DSHAPE="$1" "${@:2}" "$PROJECT/tests/patch/entries.c" -o "$PATCHED/entries.$1"
}

setup_file() {
	[ "$(uname -m)" = x86_64 ] || skip 'x86-64 alone'
	make_certs
	mkdir -p "$PATCHED"
	[ "$PATCHED/inside" -nt "$PROJECT/tests/rude/rude.h" ] || gcc -rdynamic "$PROJECT/tests/rude/free_then_close.c" \
		-o "$PATCHED/inside" "${STATIC[@]}"
}

# runs PROGRAM: without and with; sets BEFORE and AFTER (what it says, but whether it was changed), CHANGED and COMPLAINT.
runs() {
	BEFORE=$("$@" | grep -v '^changed')
	AFTER=$(LD_PRELOAD=$BOTH "$@" 2>"$BATS_TEST_TMPDIR/complaint")
	CHANGED=${AFTER##*changed: } AFTER=${AFTER%$'\n'*} COMPLAINT=$(<"$BATS_TEST_TMPDIR/complaint")
	echo "$*: $CHANGED; $COMPLAINT"
	assert_equal "$AFTER" "$BEFORE"
}

# left_alone WHY PROGRAM
left_alone() {
	runs "${@:2}"
	assert_equal "$CHANGED" '0 0'
	assert_equal "$COMPLAINT" "closenotify: --patch: ${*:2:1} is left as it is: $1"
}

@test "entries of every shape are redirected, and the functions do what they did" {
	local shape pic
	for shape in 1 2 3 4 5 6 7 8; do
		for pic in no-pie pie; do
			[ "$shape $pic" != '7 pie' ] || continue # an absolute table
			entries "$shape" -$pic
			runs "$PATCHED/entries.$shape"
			assert_equal "$CHANGED $COMPLAINT" '1 1 '
		done
	done
}

@test "what can't be moved for certain: none of the entries is changed, and that is said" {
	local shape why
	while read -r shape why; do
		entries "$shape" -no-pie
		left_alone "$why" "$PATCHED/entries.$shape"
	done <<-'END'
		21 an instruction that is not known for certain
		22 a branch into the bytes to be moved
		23 a branch into the bytes to be moved
		24 a branch into the bytes to be moved
		25 a function that is too short
		26 an instruction that is not known for certain
		27 a jump by a table
		28 a jump by a table
		29 a function that is too short
		30 two of its functions are one
	END
}

@test "an OpenSSL that lacks what the library needs is left as it is, and that is said" {
	entries 1 -no-pie -DLACKS
	left_alone 'it lacks functions of OpenSSL that are needed' "$PATCHED/entries.1"
}

@test "where memory may not become code nothing is changed, and the program lives" {
	local how
	entries 1 -no-pie
	for how in mdwe filter; do
		PATCH_PRELOAD=$BOTH run --separate-stderr python3 "$PROJECT/tests/patch/denies.py" "$how" "$PATCHED/entries.1"
		[ "$status" -ne 77 ] || continue # an older kernel
		assert_success
		assert_line 'changed: 0 0'
		assert_equal "$stderr" "closenotify: --patch: $PATCHED/entries.1 is left as it is: code may not be changed here"
	done
}

@test "where there are threads already, and where the library is missing or off, nothing is changed" {
	entries 1 -no-pie
	gcc -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/threads.so" -lpthread <<-'END'
		#include <pthread.h>
		#include <unistd.h>
		static void *wait(void *nothing) { pause(); return nothing; }
		__attribute__((constructor)) static void start(void) { pthread_t thread; pthread_create(&thread, 0, wait, 0); }
	END
	BOTH=$BOTH:$BATS_TEST_TMPDIR/threads.so
	left_alone 'it has threads already, or /proc does not tell' "$PATCHED/entries.1"
	BOTH=${SHIM%.so}-patch.so
	left_alone 'libclosenotify.so is not loaded' "$PATCHED/entries.1"
	BOTH=$SHIM:$BOTH
	CLOSENOTIFY_MODE=off runs "$PATCHED/entries.1"
	assert_equal "$CHANGED $COMPLAINT" '0 0 '
}

@test "shells of a program around a shared OpenSSL go on being called" {
	gcc -xc -rdynamic - -o "$PATCHED/shells" -l:libssl.so -l:libcrypto.so -ldl <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <openssl/ssl.h>
		#include <stdio.h>
		static int reads, frees;
		int SSL_read(SSL *ssl, void *buf, int num) {
			int (*real)(SSL *, void *, int) = dlsym(RTLD_NEXT, "SSL_read");
			reads++;
			return real(ssl, buf, num > 4 ? 4 : num) + 0 * reads;
		}
		void SSL_free(SSL *ssl) {
			void (*real)(SSL *) = dlsym(RTLD_NEXT, "SSL_free");
			frees++;
			real(ssl);
			frees++;
		}
		int main(void) {
			SSL *ssl = SSL_new(SSL_CTX_new(TLS_method()));
			char byte;
			SSL_read(ssl, &byte, 1);
			SSL_free(ssl);
			printf("%d %d\nchanged: %d %d\n", reads, frees, *(unsigned char *)SSL_read == 0xe9,
			       *(unsigned char *)SSL_free == 0xe9);
			return 0;
		}
	END
	left_alone 'an OpenSSL outside it is loaded as well' "$PATCHED/shells"
}

@test "programs that export no OpenSSL are left alone, without a word" {
	LD_PRELOAD=$BOTH run "$BUILD/tests/rude/free_then_close"
	refute_output --partial patch
	LD_PRELOAD=$BOTH run /bin/true
	assert_output ''
}

@test "Debian's static OpenSSL has calls at its entries: it is left as it is" {
	local tls said complaint
	complaint="closenotify: --patch: $PATCHED/inside is left as it is: an instruction that is not known for certain"$'\n'
	RUDE=$PATCHED JUDGE_ARGS=()
	for tls in 1.2 1.3; do
		play '' client "$tls" inside
		assert_equal "$(verdict_of "$RESULT")" truncated
		said="$STATUS $SAID"
		play "$BOTH" client "$tls" inside
		assert_equal "$(verdict_of "$RESULT") $STATUS $SAID" "truncated ${said/ / $complaint}"
	done
}

@test "closenotify-check tells an OpenSSL that is exported from one that is not" {
	run "$PROJECT/scripts/closenotify-check" "$PATCHED/inside"
	assert_success
	assert_line --regexp 'inside, and exports it: reachable with --patch$'
	assert_line --regexp '^verdict: +covered with --patch$'
	gcc "$PROJECT/tests/rude/free_then_close.c" -o "$BATS_TEST_TMPDIR/hidden" "${STATIC[@]}"
	run "$PROJECT/scripts/closenotify-check" "$BATS_TEST_TMPDIR/hidden"
	assert_failure 1
	refute_line --partial patch
}

@test "the decoder agrees with objdump, or refuses: encodings of every kind" {
	run "$PROJECT/tests/patch/decoded" encodings 12000
	echo "$output"
	assert_success
	assert_line --regexp '^[0-9]+ decoded, [0-9]+ refused, 0 wrong$'
}
