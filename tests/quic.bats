#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# QUIC, of OpenSSL 3.5, in the root of Debian 13: one connection has several objects, of which one is the connection.

load helper

setup_file() {
	local root libraries out=$BUILD/quic/quic
	may_mount || return 0
	make_certs
	"$PROJECT/tests/sysroot" add -q trixie libc6-dev libssl-dev openssl >&2
	root=$("$PROJECT/tests/sysroot" path trixie)
	libraries=$root/usr/lib/$(gcc -print-multiarch)
	mkdir -p "${out%/*}"
	gcc -fuse-ld=lld --sysroot="$root" -B"$libraries" -L"$libraries" -std=gnu11 -D_GNU_SOURCE -o "$out" "$PROJECT/tests/rude/quic.c" \
		-lssl -lcrypto -lpthread
}

setup() {
	needs_mount
}

# quic END [NAME=VALUE]...: both ends in one process, the library in it. Sets SAID, the program's own, and RECORDS.
quic() {
	local end=$1 name env=() all
	shift
	for name; do
		env+=(--env "$name")
	done
	all=$(timeout -k 10 60 "$PROJECT/tests/sysroot" run "${env[@]}" trixie -- "$BUILD/quic/quic" 1 1.3 10000 "$end" 2>&1)
	SAID=$(grep -v '^{' <<<"$all")
	RECORDS=$(grep '^{' <<<"$all" | jq -r '[.role, .tls, .verdict, .reason] | join(" ")') || :
	echo "$end: $SAID / $RECORDS"
}

# records END RECORD...: these are its records, each once, and the program does what it does without the library.
records() {
	local without end=$1
	shift
	quic "$end"
	without=$SAID
	quic "$end" LD_PRELOAD="$SHIM" CLOSENOTIFY_LOG=json
	assert_equal "$SAID" "$without"
	assert_equal "$RECORDS" "$(printf '%s\n' "$@")"
}

CLIENT='client QUICv1 not_covered unsupported'
SERVER='server QUICv1 not_covered unsupported'

@test "streams of their own, a listener and libssl's handshake have no record: each end of the connection has one" {
	records streams "$CLIENT" "$SERVER"
}

@test "a connection that is its only stream has one record" {
	records shutdown "$CLIENT" # the process vanishes then, with the other end in it
	records free "$CLIENT"
}
