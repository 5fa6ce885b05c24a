#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every command of README and of the manual pages is run here, as in a checkout; what would change the machine goes below a
# directory of the test's own. And what they link to is there.

bats_require_minimum_version 1.5.0

load helper

PAGES=(closenotify.1 closenotify-check.1 closenotify-report.1 closenotify-log.5 closenotify-recipes.7 libclosenotify.7)

setup_file() {
	make_certs
}

teardown() {
	stop_judges
}

# stand_in NAME TEXT: a program of that name comes first in the PATH.
stand_in() {
	printf '#!/bin/sh\n%s\n' "$2" >"$ROOT/bin/$1"
	chmod 755 "$ROOT/bin/$1"
}

# A place to run commands in: a checkout, the logs and programs that the examples speak of, and no way to change the machine.
a_machine() {
	ROOT=$BATS_TEST_TMPDIR/root WHERE=$BATS_TEST_TMPDIR/where
	mkdir -p "$WHERE" "$ROOT"/{bin,etc,tmp,var/log/closenotify,var/lib/prometheus/node-exporter}
	ln -s "$PROJECT"/* "$WHERE"
	start_judge --connections 99 --send 100 --send-when request --no-tickets
	printf '%s\n' 'import os, runpy, sys' "sys.argv[1:] = ['unread', os.environ['JUDGE_PORT']]" \
		"runpy.run_path('$PROJECT/tests/clients/client.py', run_name='__main__')" >"$WHERE/client.py"
	export ROOT JUDGE_PORT DESTDIR=$ROOT CLOSENOTIFY_LIBRARY=$SHIM
	(cd "$WHERE" && scripts/closenotify --observe --level calls --log json:log python3 client.py)
	sed 's/"id":"[^"]*"/"id":"4242-1f"/' "$WHERE/log" >"$WHERE/closenotify.json"
	cp "$WHERE/closenotify.json" "$ROOT/var/log"
	cp "$WHERE/closenotify.json" "$ROOT/var/log/closenotify"
	cp "$PROJECT/scripts/fleet/totals.sql" "$WHERE"
	echo 'only python3*,curl' >"$ROOT/etc/closenotify.conf"
	stand_in sudo 'exec "$@"'
	stand_in pidof "echo $$"
	stand_in docker 'true'
	stand_in wine 'true' # schannel.bats has one
	stand_in systemctl 'true'
	# demo.bats, this suite and packages.bats run these; within it they are only asked for.
	stand_in make "unset MAKEFLAGS MAKELEVEL; case \${1-} in demo | test) set -- -n \"\$@\" ;; esac; exec $(command -v make) -C '$WHERE' \"\$@\" BUILD='$BUILD'"
	stand_in bats "exec env -i PATH=\"\$PATH\" $BATS_ROOT/bin/bats --count \"\$@\""
}

# All commands of a block marked sh, and those after the prompt of one marked console.
readme_commands() {
	awk '/^```/ { kind = kind ? "" : substr($0, 4); next }
		kind == "sh" { sub(/  +#.*/, ""); print }
		kind == "console" && sub(/^\$ /, "")' "$PROJECT/README.md"
}

# What follows a prompt, or the times of cron; and jq.
page_commands() {
	sed -n -e 's/\\(dq/"/g; s/\\e/\\/g; s/^\(\.Dl \)\{0,1\}[$#] //p' -e 's/^\.Dl \(\*[^ ]* \)\(\* \)*//p' -e 's/^\.Dl jq/jq/p' \
		"$PROJECT/scripts/$1"
}

# runs MIN: the commands on standard input, at least MIN, by one shell; each must do its work.
runs() {
	local command script=$BATS_TEST_TMPDIR/script count=0
	a_machine
	{
		# shellcheck disable=SC2016 # for the script
		echo 'ran() { status=$?
			case $1:$status in
			*:0 | *closenotify-report*:1 | *closenotify-check*:[13]) echo "ran: $1" ;;
			*) echo "status $status: $1"; exit 1 ;;
			esac; }'
		while IFS= read -r command; do
			[[ $command != tests/run* ]] || command="bats${command#tests/run}"
			# shellcheck disable=SC2001 # one of three words
			sed "s,/\(etc\|tmp\|var\)/,$ROOT/\1/,g" <<<"$command"
			printf 'ran %q\n' "$command"
		done
	} >"$script"
	cd "$WHERE" || return
	PATH=$ROOT/bin:$ROOT/usr/local/bin:$PROJECT/scripts:$PATH run bash "$script" 3>&-
	assert_success || return
	count=$(grep -c '^ran: ' <<<"$output" || :)
	echo "$output"
	[ "$count" -ge "$1" ] || return
	printf '# %s: %s commands run\n' "$BATS_TEST_DESCRIPTION" "$count" >&3
}

@test "README" {
	runs 13 < <(readme_commands)
	[ -x "$ROOT/usr/local/bin/closenotify" ]
	grep -q LD_PRELOAD "$WHERE/closenotify.conf"
}

@test "closenotify(1)" {
	runs 7 < <(page_commands closenotify.1)
	grep -q LD_PRELOAD "$ROOT/etc/systemd/system/example.service.d/closenotify.conf"
}

@test "closenotify-check(1)" {
	runs 2 < <(page_commands closenotify-check.1)
}

@test "closenotify-report(1)" {
	runs 5 < <(page_commands closenotify-report.1)
	[ -s "$ROOT/var/lib/prometheus/node-exporter/closenotify.prom" ]
}

@test "closenotify-log(5)" {
	runs 1 < <(page_commands closenotify-log.5)
	assert_output --partial '1 '
}

@test "closenotify-recipes(7)" {
	runs 10 < <(page_commands closenotify-recipes.7)
}

@test "a command of README that fails is seen" {
	fails() { # in a subshell, which ends the judge that it started
		trap stop_judges EXIT
		runs "$@"
	}
	run ! fails 1 < <(echo 'closenotify --no-such-option')
}

@test "README's record has the keys that the log has" {
	local keys='[ =][a-z_]+=' told
	told=$(sed -n '/^[0-9-]*T.* closenotify: /,/^```/p' "$PROJECT/README.md" | tr '\n' ' ' | grep -oE '[a-z_]+=' | tr '\n' ' ')
	a_machine
	cd "$WHERE" || return
	run bash -c 'scripts/closenotify --observe --log text python3 client.py 2>&1'
	assert_equal "$(grep -oE '[a-z_]+=' <<<"${lines[-1]}" | tr '\n' ' ')" "$told"
	assert_output --partial 'fault=reset_by_unread_input'
}

@test "README's flags and their defaults are those of the library" {
	local told
	# shellcheck disable=SC2016 # the backquotes are Markdown's
	told=$(sed -n 's/^| `\(CLOSENOTIFY_[A-Z_]*\)` |.*| \([^|]*\) |[^|]*|$/\1 \2/p' "$PROJECT/README.md" | tr -d '`' | sort)
	assert_equal "$told" "$(CLOSENOTIFY_MODE=help LD_PRELOAD=$SHIM bash -c : 2>&1 |
		sed -n 's/^\(CLOSENOTIFY_.*\)/\1/p; s/.*; default: //p' | paste -d ' ' - - | sort)"
}

@test "README names each room, and HOOKS.md each hook" {
	local file
	for file in "$PROJECT"/shim/*.c; do
		grep -qF "\`${file##*/}\`" "$PROJECT/README.md" || fail "README does not say what ${file##*/} is"
	done
	diff <("$PROJECT/scripts/coverage") "$PROJECT/shim/HOOKS.md"
	assert_equal "$(grep -c '^| lib[^r]' "$PROJECT/shim/HOOKS.md")" "$(grep -c '^HOOK(' "$PROJECT/shim/hooks.def")"
}

# The heading's anchor, as it is made of it.
anchors() {
	sed -n 's/^##* //p' "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-'
}

# Tests talk to this machine alone, so a link to an RFC is checked by its form: that it names a document and a section, and that
# the words before it name the same.
@test "links lead to what is there; those to RFCs have the form of one" {
	local file link page count=0
	cd "$PROJECT"
	while IFS= read -r file; do
		while IFS= read -r link; do
			count=$((count + 1))
			case $link in
			https://*) ;;
			'#'*) anchors "$file" | grep -qxF -- "${link#\#}" || fail "$file: $link" ;;
			*) [ -e "$(dirname "$file")/$link" ] || fail "$file: $link" ;;
			esac
		done < <(grep -oE '\]\([^)]+(\([0-9]\))?\)' "$file" | sed 's/^](//; s/)$//')
	done < <(find README.md shim tests scripts -name '*.md')
	[ "$count" -ge 20 ]
	run grep -rohE '\[[^]]*\]\(https?://[^)]*\)' README.md shim tests scripts --include='*.md'
	refute [ "${#lines[@]}" -eq 0 ]
	for link in "${lines[@]}"; do
		grep -qxE '\[RFC ([0-9]+), ([0-9.]+)\]\(https://www\.rfc-editor\.org/rfc/rfc\1#section-\2\)' <<<"$link" || fail "$link"
	done
	while IFS= read -r page; do
		[ -e "scripts/$page" ] || fail "no page $page"
	done < <({
		grep -ohE '[a-z-]*closenotify[a-z-]*\([1-8]\)' README.md tests/*.md tests/*/*.md | tr '(' . | tr -d ')'
		sed -n 's/^\.Xr \([a-z-]*closenotify[a-z-]*\) \([1-8]\).*/\1.\2/p' "${PAGES[@]/#/scripts/}"
	} | sort -u)
}

@test "sizes: README fits on 280 lines" {
	local page
	{
		printf '# README.md: %s lines, %s words\n' "$(wc -l <"$PROJECT/README.md")" "$(wc -w <"$PROJECT/README.md")"
		for page in "${PAGES[@]}"; do
			printf '# %s: %s lines, %s words\n' "$page" "$(wc -l <"$PROJECT/scripts/$page")" "$(wc -w <"$PROJECT/scripts/$page")"
		done
	} >&3
	[ "$(wc -l <"$PROJECT/README.md")" -le 280 ]
}
