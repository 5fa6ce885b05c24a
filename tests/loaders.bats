#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whatever loads, unwinds or interrupts the program: the loader's lock, exceptions and cancellation, signal handlers, other
# libcs, other word sizes. Where the library can do nothing, the program is as it was.

load helper

LOADERS=$BUILD/tests/loaders

# compile NAME SOURCE [COMPILER ARGUMENT...]: $LOADERS/NAME from tests/loaders/SOURCE, unless it is there and new.
compile() {
	local out=$LOADERS/$1 source=$PROJECT/tests/loaders/$2
	shift 2
	[ "$out" -nt "$source" ] && [ "$out" -nt "$PROJECT/tests/rude/rude.h" ] && return
	"${1:-gcc}" -D_GNU_SOURCE -O1 -g "$source" -o "$out" "${@:2}"
}

setup_file() {
	make_certs
	mkdir -p "$LOADERS"
	compile loads loads.c gcc -ldl
	compile loads.plugin waits.c gcc -shared -fPIC -lssl -lcrypto -lpthread
	compile dead_frame dead_frame.c gcc -lssl -lcrypto -lpthread
	compile asan ends.c gcc -fsanitize=address -lpthread
	compile musl ends.c musl-gcc
	compile catches.o catches.cpp g++ -c
	compile unwinds unwinds.c gcc -fexceptions "$LOADERS/catches.o" -lssl -lcrypto -lpthread -lstdc++
}

setup() {
	RUDE=$LOADERS
	JUDGE_ARGS=()
}

# repaired TLS PROGRAM [ARG...]: truncated without the library, closed with it; the program sees no difference.
repaired() {
	local said
	play '' client "$@"
	assert_equal "$(verdict_of "$RESULT")" truncated
	said="$STATUS $SAID"
	play "$SHIM" client "$@"
	assert_equal "$(verdict_of "$RESULT") $STATUS $SAID" "closed $said"
}

# --- the loader's lock ---

@test "a constructor that waits for a thread's first connection, in a plugin" {
	repaired 1.2 loads 1000
	repaired 1.3 loads 1000
}

@test "the same with a log that names the caller" {
	export CLOSENOTIFY_LOG=text:$BATS_TEST_TMPDIR/log CLOSENOTIFY_LEVEL=calls CLOSENOTIFY_BACKTRACE=on
	repaired 1.3 loads 1000
	run cat "$BATS_TEST_TMPDIR/log"
	assert_output --partial 'caller="loads.plugin('
}

@test "the library refers to nothing that takes the loader's lock" {
	run readelf --dyn-syms --wide "$SHIM"
	assert_success
	refute_output --regexp ' UND (dlsym|dlvsym|dlopen|dlclose|dladdr|dladdr1|dlinfo)(@| |$)'
}

# --- calls that are left without a return ---

# left_alone TLS PROGRAM [ARG...]: the same verdict without and with the library; the program sees no difference.
left_alone() {
	local said
	play '' client "$@"
	said="$(verdict_of "$RESULT") $(field bytes "$RESULT") $STATUS $SAID"
	play "$SHIM" client "$@"
	assert_equal "$(verdict_of "$RESULT") $(field bytes "$RESULT") $STATUS $SAID" "$said"
}

@test "an exception leaves SSL_read, a thread is cancelled in it: the session's end is as any other" {
	repaired 1.2 unwinds 1000 read_thrown
	repaired 1.3 unwinds 1000 read_thrown
	repaired 1.2 unwinds 1000 read_cancelled
	repaired 1.3 unwinds 1000 read_cancelled
}

@test "an exception leaves SSL_write: the stream is truncated, and stays so" {
	left_alone 1.3 unwinds 1000 write_thrown
	assert_equal "$(verdict_of "$RESULT")" truncated
}

@test "an exception leaves SSL_shutdown when the alert is out: no second one, no signal blocked, no descriptor left" {
	JUDGE_ARGS=(--silent-end) # its answer may come after close(), and be reset, where the kernel grants no filter
	left_alone 1.2 unwinds 1000 shutdown_thrown
	left_alone 1.3 unwinds 1000 shutdown_thrown
	assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'closed 1'
	assert_regex "$SAID" 'SIGPIPE blocked 0'
}

@test "a thread is cancelled in an SSL_shutdown that writes: no signal blocked, no descriptor left" {
	JUDGE_ARGS=(--silent-end) # as above
	left_alone 1.3 unwinds 1000 shutdown_cancelled
}

@test "nothing but libc is needed for that" {
	run readelf --dynamic --wide "$SHIM"
	# glibc before 2.34 comes in parts
	assert_equal "$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$output" | grep -v -e '^libpthread.so.0$' -e '^libdl.so.2$')" libc.so.6
}

# --- signal handlers ---

@test "a handler that is over: its frame lies in a buffer, and is not taken for a handler" {
	repaired 1.2 dead_frame 1000
	repaired 1.3 dead_frame 1000
}

# masks LIBRARY: how often the program's thread asks for its signal mask, or sets it; and how its connection ends.
masks() {
	start_judge --tls 1.3 --no-tickets
	# no thread in the background, whose beginning asks too, where the kernel grants no filter
	strace -f -o "$BATS_TEST_TMPDIR/calls" -e trace=rt_sigprocmask -E CLOSENOTIFY_LINGER_MS=0 -E LD_PRELOAD="$1" \
		"$BUILD/tests/rude/free_then_close" "$JUDGE_PORT" 1.3 100 >&2
	echo "$(grep -c rt_sigprocmask "$BATS_TEST_TMPDIR/calls") $(verdict_of "$(judge_result)")"
}

@test "where the program has no handler, nobody asks whether this is one" {
	local without
	without=$(masks '')
	assert_regex "$without" '^[0-9]+ truncated$'
	assert_equal "$(masks "$SHIM")" "${without/truncated/closed}"
}

# --- other libcs ---

@test "no symbol that is younger than glibc 2.28 is needed" {
	local newest
	newest=$(readelf --version-info --wide "$SHIM" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
	assert_equal "$(printf '%s\n' GLIBC_2.28 "$newest" | sort -V | tail -n 1)" GLIBC_2.28
	# In glibc 2.38 these have new versions, which a library built there would need.
	run grep -oE '\b(strto[a-z]+|[a-z]*scanf|ato[a-z]+)\(' "$PROJECT"/shim/*.[ch]
	assert_output ''
}

@test "musl: a program starts, forks, and ends as without the library" {
	local said
	run "$LOADERS/musl"
	assert_success
	said=$output
	for mode in fix observe; do
		CLOSENOTIFY_MODE=$mode CLOSENOTIFY_LOG=text LD_PRELOAD=$SHIM run "$LOADERS/musl"
		assert_success
		assert_output "$said"
	done
}

@test "AddressSanitizer's shared runtime refuses to come second: the wrapper lets it come first" {
	local said
	run "$LOADERS/asan"
	assert_success
	said=$output
	LD_PRELOAD=$SHIM run "$LOADERS/asan"
	assert_failure
	CLOSENOTIFY_LIBRARY=$SHIM run "$PROJECT/scripts/closenotify" "$LOADERS/asan"
	assert_success
	assert_output "$said"
}
