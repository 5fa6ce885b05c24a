#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Rare ways to the kernel: copies and hand-overs by syscall(), halves of a socket, SO_LINGER set meanwhile, write() in a handler or
# after a jump, thousands of descriptors. Each first without the library.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load helper

setup_file() {
	make_certs
}

setup() {
	THREADS=$BUILD/tests/threads
	JUDGE_ARGS=()
}

# run_of ROLE PROGRAM: without the library, then with it, over TLS 1.3. Sets WITHOUT, WITH (status and what the program says), ENDED and RESULT
# (the judge's lines).
run_of() {
	play '' "$1" 1.3 "${@:2}"
	WITHOUT="$STATUS $SAID" ENDED=$RESULT
	play "$SHIM" "$1" 1.3 "${@:2}"
	WITH="$STATUS $SAID"
}

@test "dup_by_number: a copy made by syscall() is one, and the goodbye comes at the last" {
	local role
	for role in client server; do
		run_of "$role" dup_by_number
		assert_equal "$WITH" "$WITHOUT"
		assert_equal "$(field '|[.verdict, .bytes] | join(" ")' "$ENDED")" 'truncated 20000'
		assert_equal "$(field '|[.verdict, .bytes] | join(" ")' "$RESULT")" 'closed 20000'
	done
}

@test "handed_over_by_number: another process has the socket by syscall(SYS_sendmsg)" {
	run_of client handed_over_by_number
	assert_equal "$WITH" "$WITHOUT"
	assert_equal "$(verdict_of "$ENDED") $(verdict_of "$RESULT")" 'truncated truncated'
}

@test "handed_over_many: the same by syscall(SYS_sendmmsg)" {
	run_of client handed_over_many
	assert_equal "$WITH" "$WITHOUT"
	assert_equal "$(verdict_of "$ENDED") $(verdict_of "$RESULT")" 'truncated truncated'
}

@test "close in a handler whose signal is not blocked (SA_NODEFER, System V signal()): no second entry into malloc" {
	JUDGE_ARGS=(--connections 301 --timeout-ms 60000)
	play '' client 1.3 ../threads/handler 1000 300 nodefer
	assert_equal "$STATUS $SAID" '0 malloc in the handler: 0'
	play "$SHIM" client 1.3 ../threads/handler 1000 300 nodefer
	assert_equal "$STATUS $SAID" '0 malloc in the handler: 0'
	[ "$(grep -c '"verdict":"truncated"' "$JUDGE_OUT")" -eq 300 ]
	[ "$(grep -c '"verdict":"closed"' "$JUDGE_OUT")" -eq 1 ] # main's own, after that: it is in no handler
}

@test "shut_rd_close: what was written arrives, although the socket was shut for reading and the peer goes on sending" {
	needs_filter
	local role how
	JUDGE_ARGS=(--send 3000000 --read-pause-ms 1 --rcvbuf 4096)
	for role in client server; do
		for how in close wr wr_first exit; do
			run_of "$role" shut_rd_close 300000 "$how"
			assert_equal "$WITH" "$WITHOUT"
			assert_equal "$(verdict_of "$ENDED")" reset
			assert_equal "$(field '|[.verdict, .close_notify, .bytes] | join(" ")' "$RESULT")" 'closed 1 300000'
		done
	done
}

@test "many_early: exit right after thousands of early answers loses none of them" {
	needs_filter
	local limit
	limit=$(ulimit -Hn)
	[ "$limit" = unlimited ] || [ "$limit" -ge 4100 ] || skip 'not so many descriptors may be open here'
	assert_equal "$("$THREADS/many_early" 4000 60000)" 'whole 0'
	assert_equal "$(LD_PRELOAD=$SHIM "$THREADS/many_early" 4000 60000)" 'whole 4000'
}

@test "jumps_out_of_shutdown: write() on the same number is write() again, and raises SIGPIPE" {
	local how said
	for how in closed open; do
		said=$("$THREADS/jumps_out_of_shutdown" "$how")
		assert_equal "${said%%$'\n'*} ${said##*$'\n'}" 'jumped SIGPIPE 1'
		assert_equal "$(LD_PRELOAD=$SHIM "$THREADS/jumps_out_of_shutdown" "$how")" "$said"
	done
}

@test "free_then_close: SO_LINGER that is set while the library asks for it is honoured at close" {
	gcc -D_GNU_SOURCE -shared -fPIC -xc - -o "$BATS_TEST_TMPDIR/meanwhile.so" -ldl <<-'END'
		#include <dlfcn.h>
		#include <sys/socket.h>
		int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
			static int asked, own; /* the program's number: the library may ask by a copy */
			int (*real)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");
			int ret = real(fd, level, name, value, size);
			if (level == SOL_SOCKET && name == SO_LINGER && !asked++) {
				while (real(own, level, name, value, size))
					own++;
				setsockopt(own, level, name, &(struct linger){1, 0}, sizeof(struct linger));
			}
			return ret;
		}
	END
	play "$SHIM:$BATS_TEST_TMPDIR/meanwhile.so" client 1.3 ../rude/free_then_close
	echo "$RESULT"
	refute_regex "$(field '|.order | join(" ")' "$RESULT")" fin
}

@test "a handler's write() in the first call of TLS, whenever it comes, is not lost" {
	local mid=$BATS_TEST_TMPDIR
	gcc -D_GNU_SOURCE -shared -fPIC -xc - -o "$mid/whenever.so" -ldl <<-'END'
		#include <dlfcn.h>
		#include <unistd.h>
		int armed, lost;
		static __thread int within;
		int *__errno_location(void) { /* called by libcrypto before write() */
			static int *(*real)(void);
			if (!within++) {
				if (!real)
					real = (int *(*)(void))dlsym(RTLD_NEXT, "__errno_location");
				int *place = real(), error = *place;
				if (armed && write(armed, "", 1) != 1)
					lost++;
				*place = error;
			}
			within--;
			return real();
		}
	END
	gcc -xc - -o "$mid/first" -xnone "$mid/whenever.so" -l:libssl.so -Wl,-rpath,"$mid" <<-'END'
		#include <fcntl.h>
		#include <openssl/ssl.h>
		extern int armed, lost;
		int main(void) {
			armed = open("/dev/null", O_WRONLY);
			SSL_CTX_new(TLS_method());
			armed = 0;
			return lost;
		}
	END
	"$mid/first"
	LD_PRELOAD=$SHIM "$mid/first"
}
