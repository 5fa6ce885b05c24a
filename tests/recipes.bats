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

# Before needs_mount: a namespace that somebody else makes has one user.
as_root() {
	[ "$EUID" -eq 0 ] || skip 'only root can start services and become other users'
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
	as_root
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
rm -rf $new/etc/pam.d
mkdir $new/etc/pam.d
printf "%s required pam_permit.so\n" auth account session >$new/etc/pam.d/other
script=$6
shift 6
eval "$script"'

# layered CLIENT SCRIPT [ARG...]: what it says and its status are those of the script, which finds the rest in /out.
layered() {
	local client=$1
	shift
	mkdir -p "$BATS_TEST_TMPDIR/out"
	sed -e 's,@LIBDIR@,/usr/lib/example,' -e 's,@VERSION@,test,' "$wrapper" >"$BATS_TEST_TMPDIR/closenotify"
	timeout --signal=KILL 30 unshare --mount --pid --cgroup --uts --ipc --fork --kill-child env -u CLOSENOTIFY_LIBRARY sh -euc "$LAYER" - "$("$PROJECT/tests/sysroot" path host)" \
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
		ProtectSystem=strict;LogsDirectory=strict;Environment=CLOSENOTIFY_LOG=json:/var/log/strict/log;ExecStopPost=+/bin/cp /var/log/strict/log /out|closed
		DynamicUser=yes;LogsDirectory=dynamic;Environment=CLOSENOTIFY_LOG=json:/var/log/dynamic/log2;ExecStopPost=+/bin/cp /var/log/dynamic/log2 /out|closed
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
	as_root
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
	assert_equal "$(cat "$BATS_TEST_TMPDIR"/out/log "$BATS_TEST_TMPDIR"/out/log2 | jq -r "select(.event == \"end\").verdict" | xargs)" 'repaired repaired'
	diff <(echo '|reset' && hardening "$known") <(paste -d '|' <(echo && hardening "$known" | cut -d '|' -f 1) "$BATS_TEST_TMPDIR/verdicts")
}

# told LINES: how the two connections of the judge ended.
told() {
	judge_result >/dev/null
	assert_equal "$(tail -n +2 "$JUDGE_OUT" | jq -r .verdict | xargs)" "$1"
}

@test "cron runs a program with the lines at the head of the table" {
	as_root
	needs_mount
	"$PROJECT/tests/sysroot" add -q host cron openssl
	start_judge --tls 1.2 --no-tickets --connections 2
	# shellcheck disable=SC2016 # for the inner shell
	layered "$CLIENT" '
		rm -rf $new/etc/cron.d $new/etc/crontab
		mkdir -p $new/etc/cron.d $new/var/spool/cron/crontabs
		mkfifo $new/out/over
		job="@reboot root /usr/bin/example $1 1.2 5 C >/dev/null 2>&1; echo >/out/over"
		for lines in "" "$(chroot $new /usr/bin/closenotify --print-env)"; do
			printf "%s\n%s\n" "$lines" "$job" >$new/etc/crontab
			rm -f $new/run/crond.reboot $new/run/crond.pid
			chroot $new cron -f &
			read -r over <$new/out/over || :
			kill $!
		done' "$JUDGE_PORT"
	told 'truncated closed'
}

@test "sudo drops LD_PRELOAD; behind it closenotify sets it for the other user" {
	as_root
	needs_mount
	"$PROJECT/tests/sysroot" add -q host sudo openssl
	start_judge --tls 1.2 --no-tickets --connections 2
	# shellcheck disable=SC2016 # for the inner shell
	layered "$CLIENT" '
		echo "root ALL=(ALL) NOPASSWD: ALL" >$new/etc/sudoers
		inside() { chroot $new "$@" "$port" 1.2 5 C >/dev/null; }
		port=$1
		inside /usr/bin/env LD_PRELOAD=/usr/lib/example/libclosenotify.so sudo -u nobody example
		inside sudo -u nobody closenotify example' "$JUDGE_PORT"
	told 'truncated closed'
}

# bundle NAME ROOTFS [DOCKER-ARGUMENT...] -- ARG...: what docker gives its runtime; the network is the machine's.
bundle() {
	local to=$BATS_TEST_TMPDIR/out/bundles/$1 rootfs=$2 environment=() volumes=()
	shift 2
	while [ "$1" != -- ]; do
		case $1 in
		--env=*) environment+=("${1#--env=}") ;;
		--volume=*) volumes+=("${1#--volume=}") ;;
		esac
		shift
	done
	mkdir -p "$to"
	echo "$rootfs" >"$to/lower"
	jq -n --arg environment "$(printf '%s\n' "${environment[@]}")" --arg volumes "$(printf '%s\n' "${volumes[@]}")" '{
		ociVersion: "1.0.0", root: {path: "rootfs"}, linux: {namespaces: [{type: "pid"}, {type: "mount"}, {type: "ipc"}, {type: "uts"}]},
		process: {user: {uid: 0, gid: 0}, cwd: "/", args: $ARGS.positional, env: $environment | split("\n")},
		mounts: ([{destination: "/proc", type: "proc", source: "proc"}, {destination: "/dev", type: "tmpfs", source: "tmpfs"}] +
			($volumes | split("\n") | map(split(":") | select(.[1]) | {destination: .[1], type: "bind", source: .[0], options: (["rbind"] + .[2:])})))
		}' --args -- "${@:2}" >"$to/config.json"
}

@test "containers: docker's arguments, an init container and its volume; an image of musl is left unharmed" {
	local debian musl=$BATS_TEST_TMPDIR/musl client docker init preload page=$PROJECT/scripts/closenotify-recipes.7
	as_root
	needs_mount
	"$PROJECT/tests/sysroot" add -q host crun openssl
	"$PROJECT/tests/sysroot" add -q bullseye python3 libssl-dev
	debian=$("$PROJECT/tests/sysroot" path bullseye)
	mkdir -p "$musl/lib"
	musl-gcc -O1 "$PROJECT/tests/loaders/ends.c" -o "$musl/ends"
	cp -L "/lib/ld-musl-$(uname -m).so.1" "$musl/lib"
	client='import socket, ssl, sys
s = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
s.send(b"x")
s.close()'
	init=$(sed -n 's/^ *command: \[sh, -c, "\(.*\)"\]$/\1/p' "$page")
	preload=$(sed -n 's/^ *- {name: LD_PRELOAD, value: \(.*\)}$/\1/p' "$page")
	mapfile -t docker < <("$wrapper" --print-env=docker | sed "s,$SHIM,/usr/lib/example/libclosenotify.so,g")
	start_judge --tls 1.2 --no-tickets --connections 3
	set -- -- /usr/bin/python3 -c "$client" "$JUDGE_PORT"
	bundle 1-bare "$debian" "$@"
	bundle 2-docker "$debian" "${docker[@]}" "$@"
	bundle 3-init "$debian" --volume=/usr/lib/example:/usr/lib/example:ro --volume=/volume:/closenotify -- /bin/sh -c "$init"
	bundle 4-pod "$debian" --volume=/volume:/closenotify "--env=LD_PRELOAD=$preload" "$@"
	bundle 5-musl "$musl" -- /ends
	bundle 6-musl-docker "$musl" "${docker[@]}" -- /ends
	# shellcheck disable=SC2016 # for the inner shell
	layered "$CLIENT" '
		mkdir $new/volume
		cp -r $new/out/bundles $new
		for bundle in $new/bundles/*; do
			mkdir $bundle/rootfs /mnt/upper.${bundle##*/} /mnt/work.${bundle##*/}
			mount -t overlay -o "lowerdir=$(cat $bundle/lower),upperdir=/mnt/upper.${bundle##*/},workdir=/mnt/work.${bundle##*/}" none $bundle/rootfs
		done
		mount -t sysfs -o ro none $new/sys
		mount -t tmpfs none $new/sys/fs/cgroup
		cd $new
		pivot_root . mnt
		umount -l /mnt
		cd /
		for bundle in /bundles/*; do
			status=0
			crun --cgroup-manager=disabled run --bundle "$bundle" example >"/out/${bundle##*/}" 2>&1 || status=$?
			echo "status $status" >>"/out/${bundle##*/}"
		done'
	tail -n +1 "$BATS_TEST_TMPDIR"/out/[1-6]-*
	told 'truncated closed closed'
	assert_equal "$(cat "$BATS_TEST_TMPDIR"/out/[1-4]-*)" "$(printf 'status 0\n%.0s' 1 2 3 4)"
	diff "$BATS_TEST_TMPDIR"/out/5-musl "$BATS_TEST_TMPDIR"/out/6-musl-docker
	grep -q 'status 0' "$BATS_TEST_TMPDIR"/out/5-musl
}
