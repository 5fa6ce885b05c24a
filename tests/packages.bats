#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The packages: checked by lintian, installed, used and removed in roots of Debian 11, 12 and 13.

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	make_certs
	make -s -C "$PROJECT" BUILD="$BUILD" deb
	make -s -C "$PROJECT" BUILD="$BUILD" dist
	"$PROJECT/tests/needs" lintian=lintian rpmbuild=rpm
}

# In a mount namespace: a layer above the root, which is thrown away. At the end it prints each file that the package has left there.
# With an emulator, of another architecture: dpkg is this machine's, and of the package's programs only the library is tried, as none of
# them can start another.
# shellcheck disable=SC2016 # for the inner shell
WALK='root=$1 deb=$2 port=$3 emulator=$4 new=/mnt/root
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work $new
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" none $new
mkdir -p $new/var/lib/dpkg/info $new/var/lib/dpkg/updates $new/var/lib/dpkg/triggers
mount --bind /dev $new/dev
mount --bind /proc $new/proc
cp "$deb" $new/tmp/it.deb
[ ! "$emulator" ] || cp "$emulator" $new/tmp/emulator
inside() { /usr/sbin/chroot $new /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
emulated() { /usr/sbin/chroot $new /tmp/emulator -E "LD_PRELOAD=$preload" "$@"; }
packager() { inside dpkg --force-depends "$@"; }
foreign_packager() { dpkg --root=$new --force-architecture --force-depends "$@"; }
quietly() { "$@" >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }; }
client() {
	"$@" /usr/bin/python3 -c "import socket, ssl, sys
context = ssl._create_unverified_context()
s = context.wrap_socket(socket.create_connection((\"127.0.0.1\", int(sys.argv[1]))))
s.send(b\"x\")
s.close()" "$port"
}
files() { (cd /mnt/upper && find . ! -type d ! -path "./var/lib/dpkg/*" ! -path "./var/log/*" ! -name "*.pyc" | sort); }
files >/mnt/before
if [ "$emulator" ]; then
	quietly foreign_packager -i $new/tmp/it.deb
	preload=
	client emulated
	preload=$(echo $new/usr/lib/*/libclosenotify.so)
	preload=${preload#$new}
	client emulated
	quietly foreign_packager --purge closenotify
else
	quietly packager -i /tmp/it.deb
	inside closenotify --version
	inside closenotify-check openssl | tail -n 1
	client inside
	client inside closenotify
	quietly packager --purge closenotify
fi
files | diff /mnt/before -
find /mnt/upper -path "*closenotify*"'

# side_by_side ARCHITECTURE: its package and this machine's have the same files but for the library.
side_by_side() {
	local architecture
	mkdir "$BATS_TEST_TMPDIR/$1"
	for architecture in "$1" "$(dpkg --print-architecture)"; do
		dpkg-deb -x "$BUILD"/packages/closenotify_*_"$architecture".deb "$BATS_TEST_TMPDIR/$1/$architecture"
	done
	run diff -rq "$BATS_TEST_TMPDIR/$1"/*
	assert_equal "$(grep -c '^Only in .*/usr/lib: [a-z0-9_]*-linux-gnu$' <<<"$output") ${#lines[@]}" '2 2'
}

# Debian 11, 12 and 13; "make packages" adds other architectures.
@test "installed, used and removed without a trace" {
	local place architecture emulator tools without=()
	[ "$(id -u)" = 0 ] || skip 'needs root'
	needs_mount
	# Debian 11's reads no override that names its file in brackets, as later ones want it.
	[[ $(lintian --print-version) != 2.104.* ]] || without=(--suppress-tags "sharedobject-in-library-directory-missing-soname,mismatched-override")
	for place in ${PLACES:-bullseye bookworm trixie}; do
		architecture=$(dpkg --print-architecture) emulator='' tools=()
		case $place in
		*:*) architecture=${place#*:} tools=(bash coreutils dash diffutils grep libc-bin sed) ;;
		esac
		case $architecture in
		arm64) emulator=$(command -v qemu-aarch64-static) ;;
		esac
		if [ "$architecture" != "$(dpkg --print-architecture)" ]; then
			make -s -C "$PROJECT" BUILD="$BUILD" deb ARCH="$architecture"
			side_by_side "$architecture"
		fi
		"$PROJECT/tests/sysroot" add -q "$place" dpkg openssl libssl-dev python3 "${tools[@]}"
		start_judge --tls 1.2 --no-tickets --connections 2
		run unshare --mount bash -euc "$WALK" - "$("$PROJECT/tests/sysroot" path "$place")" \
			"$(echo "$BUILD"/packages/closenotify_*_"$architecture".deb)" "$JUDGE_PORT" "$emulator"
		echo "$place: $output"
		assert_success
		if [ -z "$emulator" ]; then
			assert_line --regexp '^closenotify [0-9.]+$'
			assert_line --regexp '^verdict: +covered$'
			assert_equal "${#lines[@]}" 2 # and no file is left
		else
			assert_output ''
		fi
		assert_equal "$(judge_result 1 | jq -r .verdict) $(judge_result 2 | jq -r .verdict)" 'truncated closed'
		run lintian --allow-root --fail-on error,warning "${without[@]}" "$BUILD"/packages/closenotify_*_"$architecture".deb
		assert_success
	done
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
	run bash -c 'rpm -qp --requires "$1" | grep -oE "GLIBC_2\.[0-9]+" | sort -V | tail -n 1' - "$BUILD"/packages/closenotify-*.rpm
	assert_output GLIBC_2.17
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
