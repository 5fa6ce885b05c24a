#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What gnutls_bye would not refuse and the library has to: whatever is unfinished in a session, and a kernel that encrypts. The
# other refusals are in gnutls.bats.

load helper

setup_file() {
	make_certs
}

setup() {
	RUDE=$BUILD/tests/gnutls
	JUDGE_ARGS=(--silent-end)
}

@test "unfinished: handshake, early data, authentication, another handshake, a ticket: nothing is said" {
	local without
	without=$("$RUDE/unfinished")
	echo "$without"
	assert [ "$(wc -l <<<"$without")" -eq 15 ]
	assert_equal "$(grep -c ', then none$' <<<"$without")" 15
	# The first is in the middle of nothing: so it can be seen what is said.
	assert_equal "$(LD_PRELOAD=$SHIM "$RUDE/unfinished")" "${without/nothing: none, then none/nothing: none, then 23}"
}

@test "unfinished: each gate that is missing is seen" {
	local copy=$BATS_TEST_TMPDIR/copy
	mkdir -p "$copy/build"
	cp -a "$PROJECT/shim" "$PROJECT/Makefile" "$copy"
	cp -a "$BUILD/obj" "$BUILD/exports.map" "$copy/build"
	sed -i -e 's/state->established = g->established && /state->established = /' \
		-e 's/note_busy(g, CN_GNUTLS_HANDSHAKE, ret != 0)/(void)0/' \
		-e 's/if (ret == 0 || is_again(ret)) note_busy(call.g, CN_GNUTLS_HANDSHAKE, true)/(void)0/' \
		-e '/^SHELL(int, gnutls_reauth/,/^ *note_busy/s/note_busy(.*))$/(void)0)/' \
		-e 's/!cn_gnutls_reads(g) || cn_gnutls_shakes_hands(g)/false/' \
		-e 's/note_busy(call.g, CN_GNUTLS_TICKETS, is_again(ret))/(void)0/' "$copy"/shim/*_gnutls.c
	make -s -C "$copy" BUILD="$copy/build" WARN= "$copy/build/libclosenotify.so"
	run env LD_PRELOAD="$copy/build/libclosenotify.so" "$RUDE/unfinished"
	assert_success
	# Only a session that has said nothing yet has no socket either.
	assert_equal "$(grep ', then none$' <<<"$output")" 'before the handshake: none, then none'
}

# A copy of libgnutls that says of every session: the kernel encrypts.
library_with_ktls() {
	local library kind offset address size at
	library=$(LD_TRACE_LOADED_OBJECTS=1 "$RUDE/deinit_then_close" | awk '/libgnutls/ { print $3 }')
	cp "$library" "$BATS_TEST_TMPDIR/libgnutls.so.30"
	at=$((16#$(readelf -W --dyn-syms "$library" | awk '$8 ~ /^gnutls_transport_is_ktls_enabled/ { print $2 }')))
	while read -r kind offset address _ size _; do
		if [ "$kind" = LOAD ] && ((at >= address && at < address + size)); then
			# mov $3, %eax; ret
			printf '\xb8\x03\0\0\0\xc3' |
				dd of="$BATS_TEST_TMPDIR/libgnutls.so.30" bs=1 seek=$((at - address + offset)) conv=notrunc status=none
			return
		fi
	done < <(readelf -W --program-headers "$library")
	return 1
}

left_alone() {
	local library
	for library in '' "$SHIM"; do
		play "$library" "$1" "$2" deinit_then_close
		assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT") $STATUS" 'truncated 0 0'
	done
}

@test "ktls: a session whose kernel encrypts is left alone" {
	local role tls
	[ "$(uname -m)" = x86_64 ] || skip 'the copy of libgnutls is made for x86-64'
	nm -D "$(LD_TRACE_LOADED_OBJECTS=1 "$RUDE/deinit_then_close" | awk '/libgnutls/ { print $3 }')" | grep -q ktls || skip 'this GnuTLS knows no kTLS'
	play "$SHIM" client 1.3 deinit_then_close
	assert_equal "$(verdict_of "$RESULT")" closed
	library_with_ktls
	export LD_LIBRARY_PATH=$BATS_TEST_TMPDIR
	for role in client server; do
		for tls in 1.2 1.3; do
			left_alone "$role" "$tls"
		done
	done
}

@test "ktls: where the kernel really does" {
	printf '[global]\nktls = true\n' >"$BATS_TEST_TMPDIR/conf"
	export GNUTLS_SYSTEM_PRIORITY_FILE=$BATS_TEST_TMPDIR/conf
	play '' client 1.2 ktls
	[ "$STATUS" -ne 77 ] || skip 'this kernel or this GnuTLS has no kTLS'
	assert_equal "$(verdict_of "$RESULT")" truncated
	play "$SHIM" client 1.2 ktls
	assert_equal "$(verdict_of "$RESULT") $(field close_notify "$RESULT")" 'truncated 0'
}
