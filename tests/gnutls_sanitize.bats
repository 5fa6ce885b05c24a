#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The library over GnuTLS under the sanitizers and valgrind: not one report, and each program ends as in the plain build.

load helper

setup_file() {
	make_certs
	(
		flock 9
		make -s -j "$(nproc)" -C "$PROJECT" BUILD="$BUILD/asan" \
			CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined' all gnutls-programs >&2
	) 9>"$BUILD/tests/asan.lock" 3>&-
	(
		flock 9
		make -s -j "$(nproc)" -C "$PROJECT" BUILD="$BUILD/tsan" CFLAGS='-O1 -g -fsanitize=thread' all gnutls-programs >&2
	) 9>"$BUILD/tests/tsan.lock" 3>&-
}

# Programs that say nothing of themselves, end by themselves, and find a judge as server.
ONES=(deinit_then_close close_then_deinit close_only shutdown_wr_then_deinit shutdown_wr_then_bye close_then_bye reused_number exit_0
	underscore_exit_0 dup2_over own_push own_vec_push own_push_bye own_push_holds own_push_later no_signal two_numbers forked_server
	handshake_given_up corked_then_close uncorked_then_close half_written_record half_written fatal_then_goes_on
	bye_then_close bye_both_once bye_twice alert_then_close bye_gave_up alert_gave_up key_update_then_close key_update_stalls
	child_closes child_exits small_records fast_open quic_callback server_name thread_in_read linger_zero)

# as_plain NAME PRELOAD DIRECTORY: the verdict and the status are those of the plain build, and nothing is reported.
as_plain() {
	local plain
	JUDGE_ARGS=(--silent-end)
	RUDE=$BUILD/tests/gnutls play "$SHIM" client 1.3 "$1"
	plain="$(verdict_of "$RESULT") $(field close_notify "$RESULT") $STATUS"
	RUDE=$3 play "$2" client 1.3 "$1"
	refute_regex "$SAID" 'Sanitizer|runtime error'
	assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $STATUS" "$plain"
}

@test "ASan and UBSan: every order of an end" {
	local name preload
	preload=$(cc -print-file-name=libasan.so):$(cc -print-file-name=libubsan.so):$BUILD/asan/libclosenotify.so
	export ASAN_OPTIONS=detect_leaks=0:exitcode=66:handle_segv=1 UBSAN_OPTIONS=print_stacktrace=1
	for name in "${ONES[@]}"; do
		as_plain "$name" "$preload" "$BUILD/asan/tests/gnutls"
	done
}

@test "TSan: one thread sends while another receives, and sessions come and go in four" {
	export TSAN_OPTIONS="exitcode=66 ignore_noninstrumented_modules=1"
	start_judge --tls 1.3 --no-tickets --send 10000 --first close_notify --silent-end
	run env LD_PRELOAD="$BUILD/tsan/libclosenotify.so" "$BUILD/tsan/tests/gnutls/two_threads" "$JUDGE_PORT" 1.3
	assert_success
	refute_output --partial Sanitizer
	assert_equal "$(verdict_of "$(judge_result)")" closed
	run env LD_PRELOAD="$BUILD/tsan/libclosenotify.so" "$BUILD/tsan/tests/gnutls/churn" 10
	assert_success
	refute_output --partial Sanitizer
}

@test "valgrind: no invalid access, and no use of what was never set" {
	local name
	JUDGE_ARGS=(--silent-end --timeout-ms 60000)
	for name in deinit_then_close close_then_deinit own_push bye_then_close bye_gave_up half_written_record; do
		start_judge --tls 1.3 --no-tickets "${JUDGE_ARGS[@]}"
		LD_PRELOAD=$SHIM run timeout -k 10 120 valgrind -q --error-exitcode=66 \
			"$BUILD/tests/gnutls/$name" "$JUDGE_PORT" 1.3
		assert_success
		assert_equal "$(verdict_of "$(judge_result)")" closed
	done
}
