#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The packages: installed, used and removed in roots of Debian 11, 12 and 13, each an overlay that is thrown away.

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	make_certs
	make -s -C "$PROJECT" BUILD="$BUILD" deb
	make -s -C "$PROJECT" BUILD="$BUILD" dist
	command -v lintian rpmbuild >/dev/null || "$PROJECT/tests/needs" lintian=lintian rpmbuild=rpm
}

@test "lintian finds no fault in the package" {
	run lintian --allow-root --fail-on error,warning "$BUILD"/packages/closenotify_*.deb
	assert_success
}

# shellcheck disable=SC2016 # for the inner shell
@test "installed, used and removed without a trace in Debian 11, 12 and 13" {
	local suite
	[ "$(id -u)" = 0 ] || skip 'needs root'
	needs_mount
	for suite in bullseye bookworm trixie; do
		"$PROJECT/tests/sysroot" add -q "$suite" dpkg openssl libssl-dev python3
		start_judge --tls 1.2 --no-tickets --connections 2
		run unshare --mount bash -euc '
			root=$1 deb=$2 port=$3
			mount -t tmpfs none /mnt
			mkdir /mnt/upper /mnt/work /mnt/root
			mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/root
			cp "$deb" /mnt/root/tmp/it.deb
			mount --bind /dev /mnt/root/dev
			mount --bind /proc /mnt/root/proc
			inside() { /usr/sbin/chroot /mnt/root /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
			files() { find /mnt/root -xdev -path "*closenotify*" | sort; }
			inside mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers
			inside dpkg --force-depends -i /tmp/it.deb >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }
			inside closenotify --version
			inside closenotify-check openssl | tail -n 1
			for with in "" closenotify; do
				inside $with /usr/bin/python3 -c "import socket, ssl, sys
context = ssl._create_unverified_context()
s = context.wrap_socket(socket.create_connection((\"127.0.0.1\", int(sys.argv[1]))))
s.send(b\"x\")
s.close()" "$port"
			done
			inside dpkg --purge closenotify >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }
			files' - "$("$PROJECT/tests/sysroot" path "$suite")" "$(echo "$BUILD"/packages/closenotify_*.deb)" "$JUDGE_PORT"
		echo "$suite: $output"
		assert_success
		assert_line --regexp '^closenotify [0-9.]+$'
		assert_line --regexp '^verdict: +covered$'
		assert_equal "${#lines[@]}" 2 # and no file is left
		assert_equal "$(judge_result 1 | jq -r .verdict) $(judge_result 2 | jq -r .verdict)" 'truncated closed'
	done
}

@test "the library in the package needs no newer libc than Debian 11's" {
	dpkg-deb -x "$BUILD"/packages/closenotify_*.deb "$BATS_TEST_TMPDIR/root"
	run bash -c 'readelf -VW "$1"/usr/lib/*/libclosenotify.so | grep -oE "GLIBC_2\.[0-9]+" | sort -uV | tail -n 1' - "$BATS_TEST_TMPDIR/root"
	assert_equal "$(printf '%s\nGLIBC_2.31\n' "$output" | sort -V | tail -n 1)" GLIBC_2.31
}

@test "the tarball builds, and is the same each time" {
	local sum
	cd "$BUILD/packages" || return 1
	sha256sum -c closenotify-*.tar.gz.sha256
	sum=$(sha256sum closenotify-*.tar.gz)
	make -s -C "$PROJECT" BUILD="$BUILD" dist >/dev/null
	assert_equal "$(sha256sum closenotify-*.tar.gz)" "$sum"
	tar -xzf closenotify-*.tar.gz -C "$BATS_TEST_TMPDIR"
	make -s -C "$BATS_TEST_TMPDIR"/closenotify-*/ install DESTDIR="$BATS_TEST_TMPDIR/there"
	run "$BATS_TEST_TMPDIR/there/usr/local/bin/closenotify" --version
	assert_success
	make -s -C "$BATS_TEST_TMPDIR"/closenotify-*/ uninstall DESTDIR="$BATS_TEST_TMPDIR/there"
	assert_equal "$(find "$BATS_TEST_TMPDIR/there" -type f)" ''
}

@test "the RPM has the same files" {
	run make -s -C "$PROJECT" BUILD="$BUILD" rpm
	assert_success
	run rpm -qlp "$BUILD"/packages/closenotify-*.rpm
	assert_line --regexp '/libclosenotify\.so$'
	assert_line /usr/bin/closenotify
	assert_line --regexp '/man7/libclosenotify\.7'
}

@test "the completions: bash completes options and values; zsh and fish read theirs" {
	local here=$PROJECT/scripts/packaging/completions
	# shellcheck disable=SC2016 # for the inner shell
	run env PATH="$PROJECT/scripts:$PATH" bash -c '
		. "$1"
		COMP_WORDS=(closenotify --pri) COMP_CWORD=1; _closenotify; echo "${COMPREPLY[*]}"
		COMP_WORDS=(closenotify --exit "") COMP_CWORD=2; _closenotify; echo "${COMPREPLY[*]}"' - "$here/closenotify.bash"
	assert_output $'--print-env\nclean always'
	! command -v zsh >/dev/null || zsh -n "$here/_closenotify"
	! command -v fish >/dev/null || fish --no-execute "$here/closenotify.fish"
}
