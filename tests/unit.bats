#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What can be said about the library without a connection: the decision, the text, the prototypes, the exports.

load helper

# What the shim says otherwise than the headers, and why that is the same call. Here void * stands for a type that
# the shim has no use for, so that it needs no header of OpenSSL.
BENIGN=(
	'OPENSSL_init_ssl       int (uint64_t, const OPENSSL_INIT_SETTINGS *)'
	'SSL_CTX_new            SSL_CTX *(const SSL_METHOD *)'
	'SSL_CTX_new_ex         SSL_CTX *(OSSL_LIB_CTX *, const char *, const SSL_METHOD *)'
	'BIO_new                BIO *(const BIO_METHOD *)'
	'BIO_s_mem              const BIO_METHOD *(void)'
	'BIO_s_socket           const BIO_METHOD *(void)'
	'BIO_s_fd               const BIO_METHOD *(void)'
	'BIO_s_connect          const BIO_METHOD *(void)'
	'BIO_f_buffer           const BIO_METHOD *(void)'
	'BIO_f_ssl              const BIO_METHOD *(void)'
	'BIO_s_null             const BIO_METHOD *(void)'
	'SSL_set_record_padding_callback void (SSL *, size_t (*)(SSL *, int, size_t, void *))'
	'gnutls_record_send_range ssize_t (gnutls_session_t, const void *, size_t, const gnutls_range_st *)'
	# 1.1.1: void *from_d for the address of the copied pointer
	'CRYPTO_get_ex_new_index int (int, long, void *, ex_new *, int (*)(CRYPTO_EX_DATA *, const CRYPTO_EX_DATA *, void *, int, long, void *), ex_free *)'
)

# Functions that older headers lack, and bsd_signal, which newer ones do; the shim finds out at run time.
NEWER='SSL_CTX_new_ex SSL_write_ex2 SSL_is_quic SSL_get0_connection SSL_sendfile close_range closefrom _Fork bsd_signal'
NEWER+=' gnutls_record_send_file gnutls_transport_is_ktls_enabled gnutls_alert_set_read_function'

# The same for numbers: until then they mean nothing, neither as a flag nor as a question to a BIO.
NEWER_NUMBERS='SSL_R_UNEXPECTED_EOF_WHILE_READING SSL_OP_IGNORE_UNEXPECTED_EOF BIO_CTRL_GET_KTLS_SEND'

# The names of numbers in openssl.h, and those of the headers.
NUMBERS=(
	'LIBRARY_SSL ERR_LIB_SSL'
	'SENT SSL_SENT_SHUTDOWN' 'RECEIVED SSL_RECEIVED_SHUTDOWN' 'ERROR_SSL SSL_ERROR_SSL'
	'ERROR_SYSCALL SSL_ERROR_SYSCALL' 'ERROR_ZERO_RETURN SSL_ERROR_ZERO_RETURN' 'WANT_NOTHING SSL_NOTHING'
	'EARLY_DATA_REJECTED SSL_EARLY_DATA_REJECTED' 'RECORD_ALERT SSL3_RT_ALERT' 'CLEAR_ALERT SSL3_RT_HEADER_LENGTH+2'
	'WANT_WRITING SSL_WRITING' 'CTRL_MODE SSL_CTRL_MODE' 'MODE_ASYNC SSL_MODE_ASYNC'
	'MODE_MOVING_BUFFER SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER' 'MODE_PARTIAL_WRITE SSL_MODE_ENABLE_PARTIAL_WRITE'
	'RECORD_MOST SSL3_RT_MAX_PLAIN_LENGTH'
	'OP_IGNORE_UNEXPECTED_EOF SSL_OP_IGNORE_UNEXPECTED_EOF'
	'REASON_UNEXPECTED_EOF SSL_R_UNEXPECTED_EOF_WHILE_READING'
	'REASON_MASK 0xfff' # 1.1.1's; 3.x has more bits, unused by libssl's reasons
	'EX_INDEX_SSL CRYPTO_EX_INDEX_SSL' 'BIO_RESET BIO_CTRL_RESET' 'BIO_EOF BIO_CTRL_EOF' 'BIO_INFO BIO_CTRL_INFO'
	'BIO_PENDING BIO_CTRL_PENDING' 'BIO_WPENDING BIO_CTRL_WPENDING' 'BIO_KTLS_SEND BIO_CTRL_GET_KTLS_SEND'
	'BIO_GET_FD BIO_C_GET_FD'
	'BIO_SHOULD_RETRY BIO_FLAGS_SHOULD_RETRY'
	'BIO_RETRY_FLAGS (BIO_FLAGS_RWS|BIO_FLAGS_SHOULD_RETRY)'
)

HEADERS='#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/socket.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>'

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "the decision: every row of the table, their order, and what must never happen" {
	run "$BUILD/tests/policy_table"
	assert_success
	assert_output --regexp '^[0-9]+ rows for [0-9]+ causes, [0-9]+ decisions: all as the table says$'
}

@test "the verdict: a reset after an end that may have been close_notify accuses nobody" {
	run "$BUILD/tests/verdict_rows"
	assert_success
	refute_output
}

@test "text: no overrun, harmless escapes, the right time" {
	run "$BUILD/tests/format_check"
	assert_success
	assert_output 'text, escapes and time: all as they should be'
}

# hooked [HOME]: "name type" of each hook, as the preprocessor gives them.
hooked() {
	cc -E -P -xc '-DHOOK(ret, name, params, home, purpose)=home name ret params' "$PROJECT/shim/hooks.def" |
		sed -n "s/^ *${1-[A-Z]*} //p" | sed 's/^\([^ ]*\) \+/\1 /'
}

# called LIBRARY: the same for what its back end calls, from its list.
called() {
	{
		echo '#define NEED(ret, name, params) @name ret params'
		echo '#define MAY NEED'
		sed -n "/^#define ${1^^}_USES/,/[^\\\\]\$/p" "$PROJECT/shim/$1.h"
		echo "${1^^}_USES"
	} | cc -E -P -xc - | tr -s ' \n' '  ' | tr @ '\n' | sed -n 's/^ *\([A-Za-z_0-9]*\) \(.*[^ ]\) *$/\1 \2/p'
}

# compile_agreement: reads "name type" lines, and compiles a file that asserts that the headers say the same.
compile_agreement() {
	local name type other benign
	# shellcheck disable=SC2086 # words are wanted
	{
		echo "$HEADERS"
		sed -n '/^typedef [a-z]* [a-z_]*(/,/;$/p' "$PROJECT/shim/openssl.h"
		cc -D_GNU_SOURCE -E -P -xc - <<<"$HEADERS" >declared.i
		while read -r name type; do
			if ! grep -qw "$name" declared.i && [[ " $NEWER " == *" $name "* ]]; then
				echo "these headers are too old for $name" >&3
				continue
			fi
			benign=$type
			for other in "${BENIGN[@]}"; do
				[ "${other%% *}" != "$name" ] || benign=${other#* }
			done
			printf '_Static_assert(__builtin_types_compatible_p(__typeof__(%s), %s) ||\n\t' "$name" "$type"
			printf '__builtin_types_compatible_p(__typeof__(%s), %s), "%s");\n' "$name" "$benign" "$name"
		done
	} 3>&1 >agreement.c
	grep -c _Static_assert agreement.c
	cc -std=gnu11 -D_GNU_SOURCE -Wno-deprecated-declarations -fsyntax-only agreement.c
}

@test "prototypes: hooks.def says of libc what libc's headers say" {
	run compile_agreement < <(hooked LIBC)
	assert_success
	assert [ "${lines[-1]}" -ge 14 ]
}

@test "prototypes: hooks.def says of libssl what OpenSSL's headers say" {
	run compile_agreement < <(hooked OPENSSL)
	assert_success
	assert [ "${lines[-1]}" -ge 18 ] # so many has 1.1.1
}

@test "prototypes: of OpenSSL the back end calls what OpenSSL's headers declare" {
	run compile_agreement < <(called openssl)
	assert_success
	assert [ "${lines[-1]}" -ge 30 ]
}

@test "prototypes: of GnuTLS as its headers say" {
	run compile_agreement < <(hooked GNUTLS)
	assert_success
	assert [ "${lines[-1]}" -ge 24 ] # so many has 3.6
	run compile_agreement < <(called gnutls)
	assert_success
	assert [ "${lines[-1]}" -ge 10 ]
}

@test "numbers: of GnuTLS as its headers define them" {
	local name value
	{
		echo "$HEADERS"
		sed -n 's/^\tCN_GNUTLS_E_\([A-Z_]*\) = \(-[0-9]*\),$/\1 \2/p' "$PROJECT/shim/tls_gnutls.h" |
			while read -r name value; do
				case $name in
				INTERNAL) name=INTERNAL_ERROR ;;
				FATAL_ALERT) name=FATAL_ALERT_RECEIVED ;;
				PUSH | PULL) name=${name}_ERROR ;;
				PREMATURE) name=PREMATURE_TERMINATION ;;
				TIMED_OUT) name=TIMEDOUT ;;
				esac
				echo "_Static_assert(GNUTLS_E_$name == $value, \"$name\");"
			done
		printf '_Static_assert(%s, "");\n' 'GNUTLS_SERVER == 1' 'GNUTLS_DATAGRAM == 1 << 2' 'GNUTLS_NAME_DNS == 1' \
			'GNUTLS_SHUT_RDWR == 0' 'GNUTLS_SHUT_WR == 1' 'GNUTLS_AL_WARNING == 1' 'GNUTLS_AL_FATAL == 2' \
			'GNUTLS_A_CLOSE_NOTIFY == 0' 'GNUTLS_SSL3 == 1' 'GNUTLS_TLS1_2 == 4' 'GNUTLS_TLS1_3 == 5' 'GNUTLS_HANDSHAKE_FINISHED == 20' 'GNUTLS_AUTO_REAUTH == 1 << 19'
	} >numbers.c
	assert [ "$(grep -c _E_ numbers.c)" -ge 9 ]
	cc -std=gnu11 -D_GNU_SOURCE -fsyntax-only numbers.c
}

@test "prototypes: a wrong one would be seen" {
	run compile_agreement <<<'SSL_write int (SSL *, const void *, long)'
	assert_failure
	assert_output --partial 'static assertion failed: "SSL_write"'
	run compile_agreement <<<'close int (long)'
	assert_output --partial 'static assertion failed: "close"'
	run compile_agreement <<<'SSL_does_not_exist int (SSL *)'
	assert_failure
}

@test "numbers: openssl.h writes down what OpenSSL's headers define" {
	local name value pair known newer
	{
		echo "$HEADERS"
		while read -r name value; do
			known=
			for pair in "${NUMBERS[@]}"; do
				[ "${pair% *}" != "$name" ] || known=${pair#* }
			done
			[ -n "$known" ] || fail "$name = $value: add its name in the headers to NUMBERS"
			newer=
			[[ " $NEWER_NUMBERS " != *" $known "* ]] || newer=1
			[ -z "$newer" ] || printf '#ifdef %s\n' "$known"
			printf '_Static_assert((%s) == (%s), "%s");\n' "$value" "$known" "$name"
			[ -z "$newer" ] || printf '#endif\n'
		done < <(sed -n '/^enum {/,/^};/s/^\t\([A-Z_]*\) = \(.*[^ ]\),.*$/\1 \2/p' "$PROJECT/shim/openssl.h")
	} >numbers.c
	run grep -c _Static_assert numbers.c
	assert [ "$output" -ge 15 ]
	cc -std=gnu11 -fsyntax-only numbers.c
}

@test "the library exports the hooks, all of them and nothing else" {
	nm -D --defined-only "$SHIM" | sed 's/.* //; s/@.*//' | sort >exported
	hooked | sed 's/ .*//' | sort >wanted
	diff wanted exported
}

@test "the library needs libc and nothing else" {
	# glibc before 2.34 comes in parts
	run bash -c 'readelf -d "$SHIM" | sed -n "s/.*(NEEDED).*\[\(.*\)\]/\1/p" | grep -v -e ^libpthread.so.0$ -e ^libdl.so.2$'
	assert_output libc.so.6
}

@test "the library asks for no symbol of OpenSSL and can be bound at once" {
	run bash -c 'nm -D --undefined-only "$SHIM" | grep -E " (SSL|BIO|ERR|CRYPTO|OPENSSL)_"'
	assert_output ''
	LD_BIND_NOW=1 LD_PRELOAD=$SHIM /bin/true
}

@test "gcc and clang build it without a warning" {
	local cc
	for cc in gcc $(command -v clang); do # the roots of tests/versions have gcc alone; make test installs both
		# clang 19 has this one for what systemtap's header makes of a probe.
		run make -s -C "$PROJECT" CC="$cc" CFLAGS="-O2 -Wno-unknown-warning-option -Wno-c23-extensions" BUILD="$BATS_TEST_TMPDIR/${cc##*/}"
		assert_success
		assert_output ''
		assert [ -e "$BATS_TEST_TMPDIR/${cc##*/}/libclosenotify.so" ]
	done
}

# A program without TLS: it tells which objects are loaded, whether the environment is as given, and which
# descriptors are open.
@test "a program without TLS carries nothing but the library" {
	cat >without_tls.c <<-'END'
		#define _GNU_SOURCE
		#include <dirent.h>
		#include <link.h>
		#include <stdio.h>
		#include <string.h>

		static int print(struct dl_phdr_info *info, size_t size, void *data)
		{
			(void)size, (void)data;
			if (strstr(info->dlpi_name, "libssl") || strstr(info->dlpi_name, "libcrypto") ||
			    strstr(info->dlpi_name, "libclosenotify"))
				puts(strrchr(info->dlpi_name, '/'));
			return 0;
		}

		int main(void)
		{
			DIR *fds = opendir("/proc/self/fd"), *tasks = opendir("/proc/self/task");
			int open = 0, threads = 0;

			while (readdir(fds))
				open++;
			while (readdir(tasks))
				threads++;
			printf("%d descriptors, %d threads\n", open, threads);
			dl_iterate_phdr(print, NULL);
			return 7;
		}
	END
	cc -o without_tls without_tls.c
	run ./without_tls
	assert_equal "$status" 7
	assert_equal "${#lines[@]}" 1
	bare=$output
	run env LD_PRELOAD="$SHIM" ./without_tls
	assert_equal "$status" 7
	assert_output "$bare"$'\n/libclosenotify.so'
}

@test "programs without TLS give the same, silently" {
	local command
	for command in /bin/true '/bin/echo hello' '/bin/sh -c "exit 3"' '/bin/ls /' '/bin/sh -c "exec 9>&1; echo x >&9; exec 9>&-"'; do
		run bash -c "$command"
		expected="$status $output"
		run env LD_PRELOAD="$SHIM" bash -c "$command"
		assert_equal "$status $output" "$expected"
	done
}
