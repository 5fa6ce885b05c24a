#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The fork matrix: one connection and two processes, by every way to bear the second, in every order of speaking,
# closing, freeing and leaving. tests/fork_matrix.py makes the cases and says how each must end, tests/programs/
# fork_matrix.c plays them, the judge hears them. Without the library nobody says goodbye; with it only who may.

# `make test` plays a sample, in which any two circumstances meet that can meet; `make matrix` plays all of it.

load helper

MATRIX=${MATRIX:-sample}

setup_file() {
	make_certs
}

# play_matrix LIBRARY TLS: all scripts, in the background; sets HEARD (the judge's output), SAID (the program's), WAIT_FOR.
play_matrix() {
	start_judge --tls "$2" --connections "$(($(wc -l <"$SCRIPTS") + 1))" --no-tickets --silent-end --timeout-ms 60000
	HEARD=$JUDGE_OUT SAID=$JUDGE_OUT.said
	LD_PRELOAD=$1 "$BUILD/tests/fork_matrix" "$JUDGE_PORT" "$2" <"$SCRIPTS" >"$SAID" 3>&- &
	WAIT_FOR=$!
}

# matrix TLS: what the calls return, and how the processes end, is the same without the library and with it.
matrix() {
	local without without_said without_pid
	SCRIPTS=$BATS_TEST_TMPDIR/scripts
	python3 "$PROJECT/tests/fork_matrix.py" scripts "$MATRIX" "$1" >"$SCRIPTS"
	play_matrix '' "$1"
	without=$HEARD without_said=$SAID without_pid=$WAIT_FOR
	play_matrix "$SHIM" "$1"
	wait "$without_pid"
	wait "$WAIT_FOR"
	flock "$without.lock" true
	flock "$HEARD.lock" true
	run python3 "$PROJECT/tests/fork_matrix.py" expect "$MATRIX" "$1" without "$without"
	echo "# ${lines[-1]}" >&3
	assert_success
	run python3 "$PROJECT/tests/fork_matrix.py" expect "$MATRIX" "$1" with "$HEARD"
	echo "# ${lines[-1]}" >&3
	assert_success
	run diff "$without_said" "$SAID"
	assert_success
}

@test "one connection, two processes, TLS 1.2: only who alone went on speaking says goodbye, and only if alone" {
	matrix 1.2
}

@test "one connection, two processes, TLS 1.3: only who alone went on speaking says goodbye, and only if alone" {
	matrix 1.3
}

# --- what is too rare for the matrix ---

# parts SCRIPT WITHOUT WITH [AS...]: what the judge hears of one script, and of the calls nothing else.
parts() {
	local library said without heard tls
	for tls in 1.2 1.3; do
		for library in '' "$SHIM"; do
			start_judge --tls "$tls" --connections 2 --no-tickets --silent-end
			said=$("${@:4}" env LD_PRELOAD="$library" timeout -k 10 60 "$BUILD/tests/fork_matrix" "$JUDGE_PORT" "$tls" <<<"$1")
			heard=$(judge_result 2 | jq -r '[.bytes, .verdict, .close_notify] | join(" ")')
			if [ -z "$library" ]; then
				without=$said
				assert_equal "$heard" "$2"
			fi
		done
		assert_equal "$heard $said" "$3 $without"
	done
}

@test "in a root without /proc, the parent closes, and the child speaks on" {
	[ "$EUID" -eq 0 ] || skip 'chroot is for root'
	parts 'P.chroot P.shake P.write fork P.close P.free P.exit C.write C.free C.close C.exit' '200 truncated 0' '200 closed 1'
}

@test "the parent closes, and the child speaks on, of which the first thread has ended" {
	parts 'P.shake P.write fork C.main_ends P.close P.free P.exit C.write C.free C.close C.exit' '200 truncated 0' '200 closed 1'
}

@test "to an ordinary user, a dead child for which nobody has waited holds nothing" {
	local as=()
	needs_readers
	[ "$EUID" -ne 0 ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	parts 'P.shake P.write fork C._exit P.write P.close P.exit' '200 truncated 0' '200 closed 1' "${as[@]}"
}
