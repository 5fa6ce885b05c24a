#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The private roots that the other tests take their real programs from.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	may_mount || return 0
	export sysroot=$BATS_TEST_DIRNAME/sysroot
	"$sysroot" add -q host coreutils bash
}

setup() {
	needs_mount
	cd "$BATS_TEST_TMPDIR" || return
}

# Waits until background job $1 has become the program $2.
becomes() {
	until [ "$(cat "/proc/$1/comm")" = "$2" ]; do
		is_ours "$1"
		a_moment
	done
}

@test "sysroot: a wrong argument is named, with what is accepted" {
	for words in 'dance' 'add' 'add woody bash' 'add host' 'add host Bash' 'run host' 'run --loud host true' 'run --env X host true' 'path woody' 'source host here' 'source host here Bash'; do
		# shellcheck disable=SC2086
		run "$sysroot" $words
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
	run "$sysroot" path woody
	[ "$output" = "sysroot: unknown suite 'woody': bookworm, bullseye, trixie, sid or host is accepted" ]
	run "$sysroot" --help
	[ "$status" -eq 0 ]
	[[ $output == Usage:* ]]
}

@test "sysroot: a second add changes nothing, says nothing and asks neither apt-get nor dpkg" {
	mkdir none
	# shellcheck disable=SC2016
	for tool in apt-get apt-cache dpkg dpkg-deb; do
		printf '#!/bin/sh\necho "$0 was asked"\nexit 9\n' >"none/$tool"
		chmod +x "none/$tool"
	done
	status_file=$("$sysroot" path host)/var/lib/dpkg/status
	before=$(stat -c '%i %Y' "$status_file")
	PATH=$PWD/none:$PATH run "$sysroot" add host coreutils bash
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(stat -c '%i %Y' "$status_file")" = "$before" ]
}

@test "sysroot: a source package is unpacked, patched; with a path only what is below it" {
	"$sysroot" source -q host "$PWD/all" sl
	[ -d all/debian ]
	grep -q "case 'e'" all/sl.c # of a patch of Debian's
	"$sysroot" source -q host "$PWD/part" sl sl.c
	[ -e part/sl.c ]
	[ ! -e part/LICENSE ]
	run "$sysroot" source host "$PWD/part" sl sl.c
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "sysroot: programs come from the root, not from this machine" {
	marker=$("$sysroot" path host)/etc/sysroot-marker
	touch "$marker"
	run "$sysroot" run host ls /etc/sysroot-marker
	rm "$marker"
	[ "$status" -eq 0 ]
}

@test "sysroot: no program in a root is setuid or setgid" {
	run find "$("$sysroot" path host)" -xdev -type f -perm /6000
	[ -z "$output" ]
}

@test "sysroot: the background job is the program itself, without a wrapper" {
	"$sysroot" run host sleep 600 3>&- &
	pid=$!
	STARTED+=("$pid")
	becomes $pid sleep
	[ -z "$(cat /proc/$pid/task/$pid/children)" ]
	kill -KILL $pid
	wait $pid || status=$?
	[ "$status" -eq 137 ]
}

@test "sysroot: signals reach the program" {
	mkfifo go
	exec 8<>go
	# shellcheck disable=SC2016
	"$sysroot" run host bash -c 'trap "echo caught; exit 7" USR1; echo $$ >ready; read -r word <go' >out 3>&- &
	pid=$!
	STARTED+=("$pid")
	until [ -s ready ]; do is_ours $pid; a_moment; done
	[ "$(cat ready)" = "$pid" ]
	kill -USR1 $pid
	echo >&8 # it may not have begun to read
	wait $pid || status=$?
	[ "$status" -eq 7 ]
	[ "$(cat out)" = caught ]
}

@test "sysroot: --env reaches the program and none of the tools before it" {
	# shellcheck disable=SC2016
	run "$sysroot" run --env 'A=one two' --env B= host -- bash -c 'echo "[$A][${B-unset}]"'
	[ "$output" = '[one two][]' ]
	# The loader complains once for every program that is to preload what isn't there.
	run "$sysroot" run --env LD_PRELOAD=/nowhere.so host true
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"'/nowhere.so' from LD_PRELOAD cannot be preloaded"* ]]
}

@test "sysroot: environment, directory and standard input are the caller's" {
	export SYSROOT_TEST=kept
	# shellcheck disable=SC2016
	run "$sysroot" run host bash -c 'echo "$SYSROOT_TEST $PWD $(cat)"' <<<input
	[ "$output" = "kept $PWD input" ]
}

@test "sysroot: the exit status is the program's, or 126 and 127 as with env" {
	run "$sysroot" run host bash -c 'exit 42'
	[ "$status" -eq 42 ]
	run "$sysroot" run host /etc/passwd
	[ "$status" -eq 126 ]
	run -127 "$sysroot" run host no-such-program
}

@test "sysroot: /tmp is shared, /sys is read-only, and nothing is mounted on the machine" {
	before=$(cat /proc/self/mountinfo)
	"$sysroot" run host sleep 600 3>&- &
	pid=$!
	STARTED+=("$pid")
	becomes $pid sleep
	[ "$(cat /proc/self/mountinfo)" = "$before" ]
	kill $pid
	wait $pid || :
	[ "$(cat /proc/self/mountinfo)" = "$before" ]
	"$sysroot" run host bash -c 'echo seen >file'
	[ "$(cat file)" = seen ]
	run "$sysroot" run host touch /sys/file
	[ "$status" -eq 1 ]
}

@test "sysroot: while packages are installed on the machine no daemon starts; what sees to that goes, after a signal as well" {
	local how
	[ "$EUID" -eq 0 ] || skip 'only root installs packages by itself'
	mkdir -p tests layer
	cp "$sysroot" tests/
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/sh' '/usr/sbin/policy-rc.d; echo "status $?"' '[ "$HOW" = none ] || kill -"$HOW" $PPID $$' >tests/needs
	chmod 755 tests/needs
	for how in none INT TERM; do
		# shellcheck disable=SC2016
		HOW=$how CN_BUILD=$PWD/build run unshare --mount sh -euc 'mount -t tmpfs none layer
			mkdir layer/upper layer/work
			mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=layer/upper,workdir=layer/work /usr/sbin
			rm -f /usr/sbin/policy-rc.d
			env --default-signal=INT setpriv --bounding-set -sys_admin --inh-caps -sys_admin --no-new-privs tests/sysroot add host no-such-package 2>/dev/null ||
				echo "ended by $?"
			[ ! -e /usr/sbin/policy-rc.d ] || echo "it stays"'
		case $how in
		none) [ "$output" = 'status 101' ] ;;
		INT) [ "$output" = $'status 101\nended by 130' ] ;;
		TERM) [ "$output" = $'status 101\nended by 143' ] ;;
		esac
	done
}
