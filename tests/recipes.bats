#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The recipes of closenotify-recipes(7), as far as they can run without the daemons they are for.

bats_require_minimum_version 1.5.0

load helper

CLIENT=$BUILD/tests/plain_client

setup_file() {
	make_certs
}

setup() {
	export CLOSENOTIFY_LIBRARY=$SHIM
	wrapper=$PROJECT/scripts/closenotify
}

@test "systemd takes the drop-in, with the values as they were given" {
	local units=$BATS_TEST_TMPDIR/units
	mkdir -p "$units/example.service.d"
	printf '[Service]\nExecStart=/bin/true\nSystemCallFilter=@system-service\n' >"$units/example.service"
	"$wrapper" --log 'json:/var/log/100% a"b' --print-env=systemd >"$units/example.service.d/closenotify.conf"
	run systemd-analyze verify --man=no "$units/example.service"
	assert_success
	refute_output --partial closenotify
}

@test "lines of NAME=VALUE, as cron and EnvironmentFile have them, repair a client" {
	local lines
	mapfile -t lines < <("$wrapper" --print-env)
	start_judge --tls 1.2 --no-tickets
	env -i "$CLIENT" "$JUDGE_PORT" 1.2 5 C >/dev/null
	assert_equal "$(verdict_of "$(judge_result)")" truncated
	start_judge --tls 1.2 --no-tickets
	env -i "${lines[@]}" "$CLIENT" "$JUDGE_PORT" 1.2 5 C >/dev/null
	assert_equal "$(verdict_of "$(judge_result)")" closed
}

@test "/etc/ld.so.preload with a configuration: only what is named is repaired" {
	local name
	[ "$(id -u)" = 0 ] || skip 'needs root'
	needs_mount
	mkdir "$BATS_TEST_TMPDIR/etc"
	cp -a /etc/. "$BATS_TEST_TMPDIR/etc"
	echo "$SHIM" >"$BATS_TEST_TMPDIR/etc/ld.so.preload"
	echo 'only plain_cl*' >"$BATS_TEST_TMPDIR/etc/closenotify.conf"
	ln -s "$CLIENT" "$BATS_TEST_TMPDIR/other"
	for name in "$CLIENT closed" "$BATS_TEST_TMPDIR/other truncated"; do
		start_judge --tls 1.2 --no-tickets
		# shellcheck disable=SC2016 # for the inner shell
		unshare --mount sh -c 'mount --bind "$0" /etc && exec "$@"' "$BATS_TEST_TMPDIR/etc" "${name% *}" "$JUDGE_PORT" 1.2 5 C >/dev/null
		assert_equal "$(verdict_of "$(judge_result)")" "${name##* }"
	done
}
