#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The recipes of closenotify-recipes(7). Dovecot's and Postfix's are how programs.bats runs these.

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

# --- in a layer above the root of this release, which is thrown away ---

# The script $6 runs with the layer's root in $new; at its end it leads into it. /proc/sys is read-only: nothing changes the machine.
# shellcheck disable=SC2016 # for the inner shell
LAYER='new=/mnt/root root=$1
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work $new
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" none $new
mount -t proc proc $new/proc
mount --bind $new/proc/sys $new/proc/sys
mount -o remount,bind,ro $new/proc/sys
for directory in /dev /run /tmp; do mount -t tmpfs none $new$directory; done
mkdir -p $new/dev/pts $new/dev/shm
for file in null zero full random urandom tty ptmx; do : >$new/dev/$file; mount --bind /dev/$file $new/dev/$file; done
ln -s /proc/self/fd $new/dev/fd
mkdir -p $new/mnt $new/out $new/srv $new/usr/lib/example
mount --bind "$2" $new/out
cp "$3" $new/usr/lib/example/libclosenotify.so
cp "$4" $new/usr/bin/example
cp "$5" $new/usr/bin/closenotify
chmod 755 $new/usr/bin/example $new/usr/bin/closenotify
script=$6
shift 6
eval "$script"'

# layered CLIENT SCRIPT [ARG...]: what it says and its status are those of the script, which finds the rest in /out.
layered() {
	local client=$1
	shift
	mkdir -p "$BATS_TEST_TMPDIR/out"
	sed -e 's,@LIBDIR@,/usr/lib/example,' -e 's,@VERSION@,test,' "$wrapper" >"$BATS_TEST_TMPDIR/closenotify"
	timeout --signal=KILL 30 unshare --mount --pid --cgroup --uts --ipc --fork --kill-child sh -euc "$LAYER" - "$("$PROJECT/tests/sysroot" path host)" \
		"$BATS_TEST_TMPDIR/out" "$SHIM" "$client" "$BATS_TEST_TMPDIR/closenotify" "$@" 3>&-
}

# hardening SED: options of units, with semicolons between several, and how the unit's connection ends with the drop-in. By SED goes what
# this systemd does not know.
hardening() {
	local multiarch
	multiarch=/usr/lib/$(gcc -print-multiarch)
	sed "$1" <<-END
		NoNewPrivileges=yes|closed
		SystemCallFilter=@system-service;SystemCallErrorNumber=EPERM|closed
		SystemCallArchitectures=native|closed
		RestrictAddressFamilies=AF_INET AF_INET6|closed
		RestrictNamespaces=yes|closed
		RestrictRealtime=yes|closed
		RestrictSUIDSGID=yes|closed
		LockPersonality=yes|closed
		MemoryDenyWriteExecute=yes|closed
		CapabilityBoundingSet=|closed
		User=nobody|closed
		DynamicUser=yes|closed
		PrivateUsers=yes|closed
		PrivateTmp=yes|closed
		PrivateDevices=yes|closed
		PrivateMounts=yes|closed
		ProtectSystem=strict|closed
		ProtectHome=yes|closed
		ProtectProc=invisible|closed
		ProcSubset=pid|closed
		ProtectClock=yes|closed
		ProtectHostname=yes|closed
		ProtectKernelLogs=yes|closed
		ProtectKernelModules=yes|closed
		ProtectKernelTunables=yes|closed
		ProtectControlGroups=yes|closed
		RemoveIPC=yes|closed
		KeyringMode=private|closed
		UMask=0777|closed
		LimitNOFILE=16|closed
		LimitMEMLOCK=0|closed
		ReadOnlyPaths=/|closed
		TemporaryFileSystem=/var|closed
		NoExecPaths=/;ExecPaths=/usr/bin $multiarch /usr/lib64|reset
		NoExecPaths=/;ExecPaths=/usr/bin $multiarch /usr/lib64 /usr/lib/example|closed
		InaccessiblePaths=/usr/lib/example|reset
		RootDirectory=/srv;BindReadOnlyPaths=/usr/bin/example|reset
		RootDirectory=/srv;BindReadOnlyPaths=/usr/bin/example /usr/lib/example|closed
	END
}

@test "systemd runs a unit with the drop-in under each hardening option" {
	local units=$BATS_TEST_TMPDIR/out/units options wanted name before='' count=0 known=
	needs_mount
	"$PROJECT/tests/sysroot" add -q host systemd openssl
	[ "$("$PROJECT/tests/sysroot" run host systemctl --version | awk '{ print $2; exit }')" -ge 248 ] || known=/NoExecPaths/d
	mkdir -p "$units"
	start_judge --tls 1.2 --no-tickets --send 100 --silent-end --accept-timeout-ms 20000 --connections "$((1 + $(hardening "$known" | wc -l)))"
	while IFS='|' read -r options wanted; do
		name=$(printf 'unit%02d' "$count")
		printf '%s\n' '[Unit]' DefaultDependencies=no "After=$before" '[Service]' Type=oneshot StandardOutput=null "StandardError=append:/out/$name.log" \
			"ExecStart=/usr/bin/example $JUDGE_PORT 1.2 100" "${options//;/$'\n'}" >"$units/$name.service"
		[ "$count" = 0 ] || {
			mkdir "$units/$name.service.d"
			CLOSENOTIFY_LIBRARY=$SHIM "$wrapper" --print-env=systemd | sed "s,$SHIM,/usr/lib/example/libclosenotify.so," >"$units/$name.service.d/closenotify.conf"
		}
		before+=" $name.service" count=$((count + 1))
	done < <(echo '|reset' && hardening "$known")
	printf '%s\n' '[Unit]' DefaultDependencies=no "After=$before" SuccessAction=exit-force '[Service]' Type=oneshot ExecStart=/bin/true >"$units/last.service"
	printf '%s\n' '[Unit]' DefaultDependencies=no "Wants=$before last.service" >"$units/all.target"
	# shellcheck disable=SC2016 # for the inner shell
	layered "$RUDE/close_with_unread" '
		mount -t sysfs -o ro none $new/sys
		mount -t tmpfs none $new/sys/fs/cgroup
		mount -t cgroup2 none $new/sys/fs/cgroup
		rm -rf $new/etc/systemd/system
		cp -r "$new/out/units" $new/etc/systemd/system
		: >$new/etc/machine-id
		mount --bind "$root" $new/srv
		cd $new
		pivot_root . mnt
		umount -l /mnt
		cd /
		exec /usr/bin/env -i container=test /lib/systemd/systemd --system --unit=all.target --show-status=no' || :
	# What systemd leaves among the control groups.
	unshare --mount --cgroup sh -c 'mount -t cgroup2 none /mnt && cd /mnt && rmdir init.scope system.slice 2>/dev/null' || :
	tail -n +1 "$BATS_TEST_TMPDIR"/out/*.log
	judge_result >/dev/null
	tail -n +2 "$JUDGE_OUT" | jq -r .verdict >"$BATS_TEST_TMPDIR/verdicts"
	diff <(echo '|reset' && hardening "$known") <(paste -d '|' <(echo && hardening "$known" | cut -d '|' -f 1) "$BATS_TEST_TMPDIR/verdicts")
}
