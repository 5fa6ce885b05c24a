#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# make demo where no file system may be mounted, as in a container: the packages are installed there.

bats_require_minimum_version 1.5.0

load helper

# build: a build directory of its own, with the library in it.
build() {
	mkdir "$BATS_TEST_TMPDIR/build"
	cp -r "$BUILD/obj" "$BUILD/probes" "$BUILD"/*.so "$BUILD/exports.map" "$BATS_TEST_TMPDIR/build"
}

# SETPRIV...: the demo, and what it must say; whatever the caller's settings are.
demo_within() {
	build
	git init -q "$BATS_TEST_TMPDIR/theirs"
	printf '[%s]\n%s\n' commit 'gpgSign = true' user 'name = somebody' >"$BATS_TEST_TMPDIR/.gitconfig"
	run env HOME="$BATS_TEST_TMPDIR" GIT_DIR="$BATS_TEST_TMPDIR/theirs/.git" SSLKEYLOGFILE=/nowhere/keys OPENSSL_CONF=/nowhere/conf \
		PYTHONHOME=/nowhere CDPATH=.:/ "$@" make -C "$PROJECT" BUILD="$BATS_TEST_TMPDIR/build" demo 3>&-
	assert_success
	assert_output --partial 'the packages themselves are installed'
	assert_equal "$(grep -c ' repaired$' <<<"$output")" 4
	assert_equal "$(git -C "$BATS_TEST_TMPDIR/theirs" rev-list --all --count)" 0
}

@test "the demo in an ordinary container, without CAP_SYS_ADMIN and CAP_NET_ADMIN: each fault is seen, and each repair" {
	[ "$EUID" -eq 0 ] || skip 'only root can give up a capability and install packages'
	run ! setpriv --bounding-set -sys_admin,-net_admin --inh-caps -sys_admin,-net_admin --no-new-privs unshare --mount true
	demo_within setpriv --bounding-set -sys_admin,-net_admin --inh-caps -sys_admin,-net_admin --no-new-privs
}

@test "make without a compiler names the packages; nothing is installed" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s /usr/bin/{make,sh,dirname,mkdir,cat,env,touch} "$BATS_TEST_TMPDIR/bin"
	run env PATH="$BATS_TEST_TMPDIR/bin" make -C "$PROJECT" BUILD="$BATS_TEST_TMPDIR/build"
	assert_failure
	assert_output --partial 'on Debian: apt-get install gcc'
}
