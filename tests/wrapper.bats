#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The wrapper alone. A stub stands for the library: it writes into $STUB_LOG in which program it was loaded.
# shellcheck disable=SC1003,SC2016,SC2030,SC2031,SC2154 # literal $ and \ on purpose; each test is a subshell of its own; stderr comes from run

bats_require_minimum_version 1.5.0

setup_file() {
	cat >"$BATS_FILE_TMPDIR/stub.c" <<-'END'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <stdio.h>
		#include <stdlib.h>

		__attribute__((constructor)) static void loaded(void)
		{
			const char *name = getenv("STUB_LOG");
			FILE *log = name ? fopen(name, "a") : NULL;

			if (!log)
				return;
			fprintf(log, "loaded in %s\n", program_invocation_short_name);
			fclose(log);
		}
	END
	echo 'int main(void) { return 0; }' >"$BATS_FILE_TMPDIR/nothing.c"
	cc -shared -fPIC -o "$BATS_FILE_TMPDIR/stub.so" "$BATS_FILE_TMPDIR/stub.c"
	cc -static -o "$BATS_FILE_TMPDIR/static" "$BATS_FILE_TMPDIR/nothing.c"
	cc -static-pie -o "$BATS_FILE_TMPDIR/static-pie" "$BATS_FILE_TMPDIR/nothing.c"
	cc -o "$BATS_FILE_TMPDIR/dynamic" "$BATS_FILE_TMPDIR/nothing.c"
	chmod 755 "$BATS_FILE_TMPDIR"
}

setup() {
	source_script=$BATS_TEST_DIRNAME/../scripts/closenotify
	wrapper=$source_script
	stub=$BATS_TEST_TMPDIR/stub.so
	cp "$BATS_FILE_TMPDIR/stub.so" "$stub"
	export CLOSENOTIFY_LIBRARY=$stub
	export STUB_LOG=$BATS_TEST_TMPDIR/stub.log
	unset LD_PRELOAD CLOSENOTIFY_MODE CLOSENOTIFY_LOG CLOSENOTIFY_WAIT_MS CLOSENOTIFY_TIMEOUT_MS
	unset CLOSENOTIFY_LINGER_MS CLOSENOTIFY_QUIET CLOSENOTIFY_EXIT CLOSENOTIFY_ONLY
}

teardown() {
	[ -z "${public-}" ] || rm -r "$public"
}

# The flag $1 as COMMAND sees it when the wrapper gets the other arguments.
flag_is() { # FLAG VALUE [OPTION ...]
	local flag=$1 expected=$2
	shift 2
	run "$wrapper" "$@" printenv "$flag"
	echo "$*: $flag is '$output' (status $status), expected '$expected'"
	[ "$status" -eq 0 ] && [ "$output" = "$expected" ]
}

refused() { # WORDS [ARGUMENT ...]: status 125 and one line that has these words
	local words=$1
	shift
	run "$wrapper" "$@"
	echo "$* gave status $status: $output"
	[ "$status" -eq 125 ] && [ "${#lines[@]}" -eq 1 ] && [[ $output == "closenotify: "*"$words"* ]]
}

warns() { # WORDS [ARGUMENT ...]: one warning that has these words
	local words=$1
	shift
	run "$wrapper" "$@"
	echo "$* gave status $status: $output"
	[ "$(grep -c '^closenotify: warning: ' <<<"$output")" -eq 1 ] && [[ $output == *"$words"* ]]
}

silent() {
	run "$wrapper" "$@"
	echo "$* gave status $status: $output"
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "the library is loaded into COMMAND and nothing is printed" {
	silent true
	[ "$(cat "$STUB_LOG")" = 'loaded in true' ]
}

@test "the library is loaded into COMMAND's children" {
	silent env true
	[ "$(cat "$STUB_LOG")" = $'loaded in env\nloaded in true' ]
}

@test "without options no flag is set" {
	run "$wrapper" env
	[ "$status" -eq 0 ]
	[ "$(grep '^CLOSENOTIFY_' <<<"$output")" = "CLOSENOTIFY_LIBRARY=$stub" ]
}

@test "flags of the environment stay, and an option goes before them" {
	export CLOSENOTIFY_MODE=fix CLOSENOTIFY_LOG=text
	flag_is CLOSENOTIFY_MODE fix --
	flag_is CLOSENOTIFY_LOG text --observe
	flag_is CLOSENOTIFY_MODE observe --observe
}

@test "-o, --observe and --off set the mode, the last one counts" {
	flag_is CLOSENOTIFY_MODE observe -o
	flag_is CLOSENOTIFY_MODE observe --observe
	flag_is CLOSENOTIFY_MODE off --off
	flag_is CLOSENOTIFY_MODE off --observe --off
	flag_is CLOSENOTIFY_MODE observe --off -o
}

@test "-l and --log set the log" {
	flag_is CLOSENOTIFY_LOG text -l text
	flag_is CLOSENOTIFY_LOG json -ljson
	flag_is CLOSENOTIFY_LOG json --log json
	flag_is CLOSENOTIFY_LOG 'text:/tmp/a b=%p:%n' --log='text:/tmp/a b=%p:%n'
	flag_is CLOSENOTIFY_LOG json:x -l json:x
	for value in '' xml text: json: texts text,json =text; do
		refused "'$value' is not accepted; accepted is text or json" --log "$value" true
		refused "--log: '$value'" "--log=$value" true
	done
}

@test "-w, -t and --linger take milliseconds from 0 to 3600000" {
	flag_is CLOSENOTIFY_WAIT_MS 500 -w 500
	flag_is CLOSENOTIFY_WAIT_MS 500 -w500
	flag_is CLOSENOTIFY_WAIT_MS 0 --wait 0
	flag_is CLOSENOTIFY_WAIT_MS 3600000 --wait=3600000
	flag_is CLOSENOTIFY_TIMEOUT_MS 7 -t 7
	flag_is CLOSENOTIFY_TIMEOUT_MS 8 --timeout 8
	flag_is CLOSENOTIFY_TIMEOUT_MS 9 --timeout=9
	flag_is CLOSENOTIFY_LINGER_MS 10 --linger 10
	flag_is CLOSENOTIFY_LINGER_MS 11 --linger=11
	for option in -w --wait -t --timeout --linger; do
		for value in '' -1 +1 1.5 5s ' 5' 0x10 3600001 99999999999999999999; do
			refused "$option: '$value' is not accepted; accepted is a whole number of milliseconds from 0 to 3600000" \
				"$option" "$value" true
		done
	done
}

@test "--quiet takes honour or override" {
	flag_is CLOSENOTIFY_QUIET honour --quiet honour
	flag_is CLOSENOTIFY_QUIET override --quiet=override
	refused "--quiet: 'yes' is not accepted; accepted is honour or override" --quiet yes true
	refused "--quiet: '' is not accepted" --quiet= true
}

@test "--exit takes clean or always" {
	flag_is CLOSENOTIFY_EXIT clean --exit clean
	flag_is CLOSENOTIFY_EXIT always --exit=always
	refused "--exit: 'never' is not accepted; accepted is clean or always" --exit=never true
}

@test "--level, --backtrace and --summary" {
	flag_is CLOSENOTIFY_LEVEL ends --level ends
	flag_is CLOSENOTIFY_LEVEL calls --level=calls
	refused "--level: 'all' is not accepted; accepted is ends or calls" --level all true
	flag_is CLOSENOTIFY_BACKTRACE on --backtrace
	flag_is CLOSENOTIFY_SUMMARY exit --summary exit
	flag_is CLOSENOTIFY_SUMMARY 86400 --summary=86400
	for value in '' 0 off 01 86401 999999 1.5 -1; do
		refused "--summary: '$value' is not accepted; accepted is exit, or seconds from 1 to 86400" "--summary=$value" true
	done
}

@test "--only takes comma separated globs and expands none of them" {
	cd "$BATS_TEST_TMPDIR"
	flag_is CLOSENOTIFY_ONLY '*' --only '*'
	flag_is CLOSENOTIFY_ONLY 'curl,python3*,[a-c]?' "--only=curl,python3*,[a-c]?"
	for value in '' ',' ',curl' 'curl,' 'curl,,wget' /usr/bin/curl; do
		refused "--only: '$value' is not accepted; accepted is program names or globs" --only "$value" true
	done
}

@test "a value that is missing, or is one too many, is refused" {
	for option in -l --log -w --wait -t --timeout --linger --quiet --exit --only --level --summary; do
		refused "$option needs a value; accepted is" "$option"
	done
	for option in --observe --off --backtrace --no-warn --help --version; do
		refused "$option takes no value, but 'x' is given" "$option=x" true
	done
}

@test "an unknown option is refused" {
	for option in -x --obs --logs=text -; do
		[ "$option" = - ] || refused "unknown option '${option%%=*}'" "$option" true
	done
	refused "unknown option '-x'" -ox true
	refused "unknown option '-='" -o= true
}

@test "short options can stand together" {
	flag_is CLOSENOTIFY_MODE observe -qo
	flag_is CLOSENOTIFY_WAIT_MS 5 -qow5
	flag_is CLOSENOTIFY_WAIT_MS 5 -qow 5
}

@test "a control character in a value does not break the line" {
	refused "'a\u000ab\u001b[1m' is not accepted" --exit $'a\nb\e[1m' true
	refused "'\u009b1m\u005c' is not accepted" --exit $'\x9b1m\\' true
}

@test "options end at COMMAND or at --" {
	run "$wrapper" echo --observe -h
	[ "$output" = '--observe -h' ]
	run "$wrapper" -o -- echo -- -o
	[ "$output" = '-- -o' ]
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "ran $0 $*"\n' >"$BATS_TEST_TMPDIR/bin/-odd"
	chmod +x "$BATS_TEST_TMPDIR/bin/-odd"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run "$wrapper" -- -odd -x
	[ "$output" = "ran $BATS_TEST_TMPDIR/bin/-odd -x" ]
	refused 'no COMMAND'
	refused 'no COMMAND' -o --
}

@test "arguments arrive as they are: blanks, newlines, globs, quotes, empty ones" {
	run "$wrapper" printf '<%s>' 'a b' '' $'two\nlines\n' '*' '"$HOME"\' -- -q ''
	[ "$status" -eq 0 ]
	[ "$output" = $'<a b><><two\nlines\n><*><"$HOME"\\><--><-q><>' ]
}

@test "standard input, argv[0] and other descriptors are COMMAND's" {
	run bash -c '"$0" cat <<<"from stdin"' "$wrapper"
	[ "$output" = 'from stdin' ]
	run bash -c '"$0" sh -c "cat <&5" 5<<<"from 5"' "$wrapper"
	[ "$output" = 'from 5' ]
	run "$wrapper" bash -c 'tr "\0" "\n" </proc/$$/cmdline | head -n 1'
	[ "$output" = bash ]
	run sh -c 'ls /proc/self/fd | wc -l; "$0" ls /proc/self/fd | wc -l' "$wrapper"
	[ "${lines[0]}" = "${lines[1]}" ]
}

@test "COMMAND takes the wrapper's process over" {
	run sh -c 'echo $$; exec "$0" sh -c "echo \$\$"' "$wrapper"
	[ "${#lines[@]}" -eq 2 ]
	[ "${lines[0]}" = "${lines[1]}" ]
}

@test "COMMAND's exit status and death by signal pass through" {
	for code in 0 1 7 124 125 126 127 255; do
		run "-$code" "$wrapper" sh -c "exit $code"
		[ -z "$output" ]
	done
	run "$wrapper" sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

@test "127: COMMAND is not found" {
	run -127 "$wrapper" no-such-command-anywhere
	[ "$output" = 'closenotify: no-such-command-anywhere: not found' ]
	run -127 "$wrapper" "$BATS_TEST_TMPDIR/none"
	run -127 "$wrapper" ''
	run -127 "$wrapper" find_program x # no function of the script itself
	run -127 "$wrapper" export x # nor a shell builtin
}

@test "126: COMMAND is found but can't be executed" {
	touch "$BATS_TEST_TMPDIR/plain"
	run "$wrapper" "$BATS_TEST_TMPDIR/plain"
	[ "$status" -eq 126 ]
	[ "$output" = "closenotify: $BATS_TEST_TMPDIR/plain: found, but can't be executed" ]
	run "$wrapper" "$BATS_TEST_TMPDIR"
	[ "$status" -eq 126 ]
	PATH=$PATH:$BATS_TEST_TMPDIR run "$wrapper" plain
	[ "$status" -eq 126 ]
}

@test "PATH is searched as execvp does: past what can't be executed, empty entries are here" {
	mkdir "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two words"
	touch "$BATS_TEST_TMPDIR/one/tool"
	printf '#!/bin/sh\necho two\n' >"$BATS_TEST_TMPDIR/two words/tool"
	chmod +x "$BATS_TEST_TMPDIR/two words/tool"
	PATH="$BATS_TEST_TMPDIR/one:$BATS_TEST_TMPDIR/two words:$PATH" run "$wrapper" tool
	[ "$output" = two ]
	cd "$BATS_TEST_TMPDIR/two words"
	PATH="$PATH:" run "$wrapper" tool
	[ "$output" = two ]
}

@test "LD_PRELOAD is kept, behind the library" {
	cp "$stub" "$BATS_TEST_TMPDIR/other.so"
	export LD_PRELOAD=$BATS_TEST_TMPDIR/other.so
	flag_is LD_PRELOAD "$stub:$BATS_TEST_TMPDIR/other.so"
}

@test "LD_PRELOAD never holds the library twice" {
	cp "$stub" "$BATS_TEST_TMPDIR/other.so"
	other=$BATS_TEST_TMPDIR/other.so
	for LD_PRELOAD in "$stub" "$other:$stub" "$other $stub" "$stub $other" "$other:$stub:$other"; do
		export LD_PRELOAD
		flag_is LD_PRELOAD "$LD_PRELOAD"
	done
	export LD_PRELOAD=
	flag_is LD_PRELOAD "$stub" "$wrapper" # nested
	cp "$stub" "$stub.1" # a longer name is another library
	export LD_PRELOAD=$stub.1
	flag_is LD_PRELOAD "$stub:$stub.1"
}

@test "--print-env prints the environment and runs nothing" {
	run "$wrapper" --print-env
	[ "$status" -eq 0 ]
	[ "$output" = "LD_PRELOAD=$stub" ]
	export CLOSENOTIFY_ONLY='curl,w*'
	run "$wrapper" -o -l 'json:/var/log/a b/%n' -w 1 -t 2 --linger 3 --quiet override --exit always \
		--level calls --backtrace --summary 60 -p
	[ "$status" -eq 0 ]
	[ "$output" = "LD_PRELOAD=$stub
CLOSENOTIFY_MODE=observe
CLOSENOTIFY_LOG=json:/var/log/a b/%n
CLOSENOTIFY_LEVEL=calls
CLOSENOTIFY_BACKTRACE=on
CLOSENOTIFY_SUMMARY=60
CLOSENOTIFY_WAIT_MS=1
CLOSENOTIFY_TIMEOUT_MS=2
CLOSENOTIFY_LINGER_MS=3
CLOSENOTIFY_QUIET=override
CLOSENOTIFY_EXIT=always
CLOSENOTIFY_ONLY=curl,w*" ]
	[ ! -e "$STUB_LOG" ]
	refused "runs nothing, but COMMAND 'true' is given" -p true
}

@test "--print-env tells of a variable that is no flag, and leaves it out" {
	export CLOSENOTIFY_WAITMS=5 CLOSENOTIFY_EMPTY='' CLOSENOTIFY_WAIT_MS=7 CLOSENOTIFY_PORT=1 CLOSENOTIFY_JOURNALCTL=-u
	run --separate-stderr "$wrapper" --print-env
	[ "$status" -eq 0 ]
	[ "$output" = "LD_PRELOAD=$stub"$'\n'"CLOSENOTIFY_WAIT_MS=7" ]
	[ "$stderr" = 'closenotify: CLOSENOTIFY_WAITMS is no flag, and left out' ]
}

@test "--print-env refuses what environment files read differently" {
	for value in 'text:a"b' "text:a'b" 'text:a\b' 'text:a '; do
		refused "can't stand in an environment file" -p -l "$value" # and not a line more: LD_PRELOAD was right
	done
	refused "can't stand in one line" -p -l $'text:a\nLD_AUDIT=x'
}

@test "what --print-env prints does what the wrapper does" {
	run "$wrapper" -o -l text:/dev/null -p
	run env "${lines[@]}" printenv CLOSENOTIFY_MODE
	[ "$output" = observe ]
	[ "$(cat "$STUB_LOG")" = 'loaded in printenv' ]
}

@test "--print-env for systemd, docker, kubernetes and the shell" {
	run "$wrapper" -o -l 'json:/log/100%/$(A) "x\y"' --print-env=systemd
	[ "$status" -eq 0 ]
	[ "$output" = '[Service]
Environment="LD_PRELOAD='"$stub"'"
Environment="CLOSENOTIFY_MODE=observe"
Environment="CLOSENOTIFY_LOG=json:/log/100%%/$(A) \"x\\y\""' ]
	run "$wrapper" -o -l 'json:/log/100%/$(A) "x\y"' --print-env=kubernetes
	[ "$output" = 'env:
- name: LD_PRELOAD
  value: "'"$stub"'"
- name: CLOSENOTIFY_MODE
  value: "observe"
- name: CLOSENOTIFY_LOG
  value: "json:/log/100%/$$(A) \"x\\y\""' ]
	[ "$(python3 -c 'import sys, yaml; print(yaml.safe_load(sys.stdin)["env"][2]["value"])' <<<"$output")" = 'json:/log/100%/$$(A) "x\y"' ]
	run "$wrapper" -o -l json:/log/%n --print-env=docker
	[ "$output" = "--volume=$stub:$stub:ro
--env=LD_PRELOAD=$stub
--env=CLOSENOTIFY_MODE=observe
--env=CLOSENOTIFY_LOG=json:/log/%n" ]
	refused "can't stand in a command line" -l 'json:/a b' --print-env=docker
	refused "can't stand in a command line" -l 'json:/*' --print-env=docker
	for form in systemd kubernetes docker; do
		refused "can't stand in one line" -l $'json:a\nb' "--print-env=$form"
	done
	for value in 'a b' "a'b\"c\\d" $'two\nlines' '$HOME `x` *'; do
		run "$wrapper" -l "json:$value" --print-env=shell
		[ "$(eval "$output" && env -u LD_PRELOAD printenv CLOSENOTIFY_LOG)" = "json:$value" ]
	done
	for value in yaml Systemd; do
		refused "--print-env: '$value' is not accepted; accepted is systemd, docker, kubernetes or shell" "--print-env=$value"
	done
	refused '--print-env: ' --print-env=
}

@test "--help and --version answer without a library" {
	export CLOSENOTIFY_LIBRARY=/nonexistent
	for option in -h --help; do
		run "$wrapper" "$option"
		[ "$status" -eq 0 ]
		[[ ${lines[0]} == 'Usage: closenotify [options] [--] COMMAND [ARG ...]' ]]
		for line in "${lines[@]}"; do
			[ "${#line}" -le 80 ]
		done
	done
	for option in -V --version; do
		run "$wrapper" "$option"
		[ "$status" -eq 0 ]
		[[ $output =~ ^closenotify\ [^[:space:]]+$ ]]
	done
}

@test "the help and the manual page know every option" {
	"$wrapper" --help | grep -oE -- '(^ +|, )--?[a-zA-Z-]+' | grep -oE -- '-+[a-zA-Z-]+' | sort >"$BATS_TEST_TMPDIR/help"
	grep '^\.It Fl' "$source_script.1" | grep -oE 'Fl [a-zA-Z-]+' | sed 's/Fl /-/' | sort >"$BATS_TEST_TMPDIR/manual"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/help")" -eq 27 ]
	diff "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/manual"
}

@test "--deep names the companion beside the library, and only if it is there" {
	cp "$stub" "$BATS_TEST_TMPDIR/libclosenotify.so"
	export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/libclosenotify.so
	run "$wrapper" --deep true
	[ "$status" -eq 125 ]
	[[ $output = *"no readable library at $BATS_TEST_TMPDIR/libclosenotify-deep.so"* ]]
	: >"$BATS_TEST_TMPDIR/libclosenotify-deep.so"
	run "$wrapper" --deep --print-env
	[ "$status" -eq 0 ]
	[[ $'\n'$output$'\n' = *$'\n'"LD_AUDIT=$BATS_TEST_TMPDIR/libclosenotify-deep.so"$'\n'* ]]
}

@test "--patch preloads the second companion, once, only if it is there, and never for --deep" {
	cp "$stub" "$BATS_TEST_TMPDIR/libclosenotify.so"
	export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/libclosenotify.so
	run "$wrapper" --patch true
	[ "$status" -eq 125 ]
	[[ $output = *"no readable library at $BATS_TEST_TMPDIR/libclosenotify-patch.so"* ]]
	: >"$BATS_TEST_TMPDIR/libclosenotify-deep.so"
	: >"$BATS_TEST_TMPDIR/libclosenotify-patch.so"
	run "$wrapper" --patch --print-env
	[ "$output" = "LD_PRELOAD=$CLOSENOTIFY_LIBRARY:$BATS_TEST_TMPDIR/libclosenotify-patch.so" ]
	LD_PRELOAD="$CLOSENOTIFY_LIBRARY:$BATS_TEST_TMPDIR/libclosenotify-patch.so" run "$wrapper" --patch --print-env
	[[ $output = *"LD_PRELOAD=$CLOSENOTIFY_LIBRARY:$BATS_TEST_TMPDIR/libclosenotify-patch.so" ]]
	run "$wrapper" --deep --print-env
	[[ $output != *patch* ]]
	run "$wrapper" --patch --print-env=docker
	[[ $output = *"--volume=$BATS_TEST_TMPDIR/libclosenotify-patch.so:"* ]]
}

@test "a .NET program without --deep gets one warning" {
	echo 'const char *host = "libhostfxr.so"; int main(void) { return !host; }' | cc -xc - -o "$BATS_TEST_TMPDIR/apphost"
	cp "$stub" "$BATS_TEST_TMPDIR/libclosenotify.so"
	: >"$BATS_TEST_TMPDIR/libclosenotify-deep.so"
	export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/libclosenotify.so
	run "$wrapper" "$BATS_TEST_TMPDIR/apphost"
	[ "$status" -eq 0 ]
	[ "$output" = "closenotify: warning: $BATS_TEST_TMPDIR/apphost is .NET, which is reached with --deep only; see .NET in libclosenotify(7)" ]
	for option in --no-warn --deep; do
		run "$wrapper" "$option" "$BATS_TEST_TMPDIR/apphost"
		[[ $output != *warning* ]]
	done
}

@test "--reach runs nothing and says what would run" {
	run "$wrapper" --reach true
	[ "$status" -eq 0 ]
	[[ $output = "runs /"*"/true" ]]
}

@test "--reach: a line each, whatever the names hold, and without a library" {
	cd "$BATS_TEST_TMPDIR"
	name=$'a\nwhy it is mine\e[2J\\'
	cp "$BATS_FILE_TMPDIR/static" "$name"
	export CLOSENOTIFY_LIBRARY=$PWD/none.so
	run "$wrapper" --reach "./$name"
	[ "$status" -eq 0 ]
	[ "$output" = "runs ./a\\u000awhy it is mine\\u001b[2J\\u005c
why ./a\\u000awhy it is mine\\u001b[2J\\u005c is statically linked: nothing can be preloaded into it" ]
}

@test "the way to the flags that --help gives works" {
	[[ $("$wrapper" --help) == *$'\n'*'CLOSENOTIFY_MODE=help closenotify true' ]]
	unset CLOSENOTIFY_LIBRARY
	library=${CN_BUILD:-$BATS_TEST_DIRNAME/../build}/libclosenotify.so
	CLOSENOTIFY_LIBRARY=$library CLOSENOTIFY_MODE=help run "$wrapper" true
	[ "$(grep -c '^CLOSENOTIFY_[A-Z_]*$' <<<"$output")" -ge 11 ]
}

checkout() { # DIRECTORY: a tree as after `make`
	mkdir -p "$1/scripts" "$1/build"
	cp "$source_script" "$1/scripts/"
	cp "$stub" "$1/build/libclosenotify.so"
	printf '# VERSION = 1\nVERSION := 9.8.7\nX := 1\n' >"$1/Makefile"
	wrapper=$1/scripts/closenotify
	unset CLOSENOTIFY_LIBRARY
}

@test "from a checkout it takes the library of that checkout, through any link" {
	checkout "$BATS_TEST_TMPDIR/tree"
	library=$BATS_TEST_TMPDIR/tree/build/libclosenotify.so
	flag_is LD_PRELOAD "$library"
	run "$wrapper" --version
	[ "$output" = 'closenotify 9.8.7' ]
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s ../tree/scripts/closenotify "$BATS_TEST_TMPDIR/bin/first"
	ln -s first "$BATS_TEST_TMPDIR/bin/second"
	wrapper=$BATS_TEST_TMPDIR/bin/second
	flag_is LD_PRELOAD "$library"
	cd "$BATS_TEST_TMPDIR/bin"
	wrapper=./first
	flag_is LD_PRELOAD "$library"
	PATH=$PATH:$BATS_TEST_TMPDIR/bin
	wrapper=second
	flag_is LD_PRELOAD "$library"
	cd ../tree/scripts
	run sh closenotify printenv LD_PRELOAD
	[ "$output" = "$library" ]
}

@test "once installed it takes the library it was installed with" {
	mkdir -p "$BATS_TEST_TMPDIR/usr/bin" "$BATS_TEST_TMPDIR/usr/lib"
	sed -e "s|@LIBDIR@|$BATS_TEST_TMPDIR/usr/lib|" -e 's|@VERSION@|1.2.3|' "$source_script" >"$BATS_TEST_TMPDIR/usr/bin/closenotify"
	chmod +x "$BATS_TEST_TMPDIR/usr/bin/closenotify"
	wrapper=$BATS_TEST_TMPDIR/usr/bin/closenotify
	unset CLOSENOTIFY_LIBRARY
	refused "no readable library at $BATS_TEST_TMPDIR/usr/lib/libclosenotify.so; run \`make install\` again" true
	cp "$stub" "$BATS_TEST_TMPDIR/usr/lib/libclosenotify.so"
	flag_is LD_PRELOAD "$BATS_TEST_TMPDIR/usr/lib/libclosenotify.so"
	run "$wrapper" --version
	[ "$output" = 'closenotify 1.2.3' ]
	export CLOSENOTIFY_LIBRARY=$stub
	flag_is LD_PRELOAD "$stub"
}

@test "make install where one may not write says so first, and what to do" {
	local rights=() place=$BATS_TEST_TMPDIR/place
	[ "$EUID" -ne 0 ] || rights=(setpriv --bounding-set=-dac_override --inh-caps=-dac_override)
	mkdir "$place"
	chmod 555 "$place"
	run "${rights[@]}" make -s -C "$BATS_TEST_DIRNAME/.." -o all install PREFIX="$place/usr"
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = "make install: $place is not yours to write: take sudo, or another place by PREFIX=" ]
	[[ ${lines[1]} = install:* ]]
}

@test "without the library it says to run make" {
	checkout "$BATS_TEST_TMPDIR/tree"
	rm "$BATS_TEST_TMPDIR/tree/build/libclosenotify.so"
	refused "run \`make\` in $BATS_TEST_TMPDIR/tree first" true
	refused "run \`make\` in $BATS_TEST_TMPDIR/tree first" --print-env
	export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/none.so
	refused "no readable library at $BATS_TEST_TMPDIR/none.so; CLOSENOTIFY_LIBRARY names it" true
	export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR
	refused "no readable library at $BATS_TEST_TMPDIR;" true
}

@test "a relative CLOSENOTIFY_LIBRARY still holds after COMMAND changed directory" {
	cd "$BATS_TEST_TMPDIR"
	export CLOSENOTIFY_LIBRARY=stub.so
	flag_is LD_PRELOAD "$stub"
}

@test "a library path that LD_PRELOAD would split is refused" {
	for name in 'a b' a:b $'a\tb' $'a\nb'; do
		checkout "$BATS_TEST_TMPDIR/$name"
		refused "it is split at spaces and colons" true
		export CLOSENOTIFY_LIBRARY=$BATS_TEST_TMPDIR/$name/build/libclosenotify.so
		wrapper=$source_script
		refused "it is split at spaces and colons" true
	done
}

@test "a checkout in a path with blanks works with a library from elsewhere" {
	checkout "$BATS_TEST_TMPDIR/a b"
	export CLOSENOTIFY_LIBRARY=$stub
	flag_is LD_PRELOAD "$stub"
}

@test "it warns of a static program and runs it" {
	for program in static static-pie; do
		warns "$BATS_FILE_TMPDIR/$program is statically linked" "$BATS_FILE_TMPDIR/$program"
		[ "$status" -eq 0 ]
		[ ! -e "$STUB_LOG" ] # and that is true
		silent -q "$BATS_FILE_TMPDIR/$program"
		silent --no-warn "$BATS_FILE_TMPDIR/$program"
	done
	silent "$BATS_FILE_TMPDIR/dynamic"
	[ -e "$STUB_LOG" ]
}

@test "the loader itself, run as a command, gets no warning" {
	loader=$(readelf -lW "$BATS_FILE_TMPDIR/dynamic" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
	silent "$loader" "$BATS_FILE_TMPDIR/dynamic"
	[ -e "$STUB_LOG" ]
}

@test "it warns of a set-user-ID program of somebody else" {
	if [ "$(id -u)" -eq 0 ]; then
		program=$BATS_TEST_TMPDIR/setuid
		cp "$(type -P true)" "$program"
		chown 65534 "$program"
		chmod 4755 "$program"
	else
		program=$(PATH=$PATH:/bin:/usr/bin command -v su)
	fi
	warns "$program is set-user-ID: the loader ignores LD_PRELOAD" "$program" --help
	[ "$status" -eq 0 ]
	[ ! -e "$STUB_LOG" ] || findmnt -no OPTIONS -T "$program" | grep -q nosuid ||
		grep -qE '^NoNewPrivs:\s+1' /proc/self/status # and that is true
	if [ "$(id -u)" -eq 0 ]; then
		silent -q "$program"
		chown 0 "$program" # for root, root's programs are no secure execution
		chmod 4755 "$program"
		silent "$program"
		[ -e "$STUB_LOG" ]
	fi
}

@test "it warns of a set-group-ID program of another group" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
	program=$BATS_TEST_TMPDIR/setgid
	cp "$(type -P true)" "$program"
	chown 0:65534 "$program"
	chmod 2755 "$program"
	warns "$program is set-group-ID" "$program"
	[ "$status" -eq 0 ]
}

@test "it warns of file capabilities" {
	PATH=$PATH:/usr/sbin:/sbin
	[ "$(id -u)" -eq 0 ] && command -v setcap setpriv || skip 'needs root, setcap and setpriv'
	public=$(mktemp -d) # the directories of bats are closed to others
	chmod 755 "$public"
	program=$public/capable
	install -m 755 "$(type -P true)" "$program"
	install -m 755 "$stub" "$source_script" "$public"
	export CLOSENOTIFY_LIBRARY=$public/stub.so
	setcap cap_net_raw=ep "$program" || skip 'no file capabilities here'
	silent "$program" # nothing changes for root
	rm "$STUB_LOG"
	run setpriv --reuid 65534 --clear-groups "$public/closenotify" "$program"
	[ "$status" -eq 0 ]
	[ "$output" = "closenotify: warning: $program has file capabilities: the loader ignores LD_PRELOAD" ]
}

@test "it warns when program and library are for different machines" {
	printf '\x08' | dd of="$stub" bs=1 seek=18 conv=notrunc status=none # e_machine: MIPS
	warns "for another machine or word size than $stub" true
	[ "$status" -eq 0 ]
	[ ! -e "$STUB_LOG" ]
}

@test "a script is judged by its interpreter" {
	cd "$BATS_TEST_TMPDIR"
	printf '#!%s -x\n' "$BATS_FILE_TMPDIR/static" >direct
	printf '#! \t%s\n' "$BATS_TEST_TMPDIR/direct" >indirect
	printf '#!/usr/bin/env static\n' >by-env
	printf '#!/usr/bin/env -S A=1 static -x\n' >by-env-split
	printf '#!%s' "$BATS_FILE_TMPDIR/static" >unfinished
	chmod +x direct indirect by-env by-env-split unfinished
	PATH=$BATS_FILE_TMPDIR:$PATH
	for script in direct indirect by-env by-env-split unfinished; do
		warns "$BATS_FILE_TMPDIR/static is statically linked" "./$script"
		[ "$status" -eq 0 ]
	done
	printf '#!/bin/sh\n' >plain
	printf '#!/usr/bin/env sh\n' >plain-env
	printf ':\n' >without
	: >empty
	chmod +x plain plain-env without empty
	for script in plain plain-env without empty; do
		silent "./$script"
	done
}

@test "a script that names itself or nothing is left to the kernel" {
	cd "$BATS_TEST_TMPDIR"
	printf '#!%s\n' "$PWD/loop" >loop
	printf '#!\n' >bare
	printf '#!/nonexistent\n' >lost
	chmod +x loop bare lost
	run ! timeout -k 10 10 "$wrapper" ./loop
	[[ $output != *warning:* ]]
	[ "$status" -ne 124 ]
	run timeout -k 10 10 "$wrapper" ./bare
	[[ $output != *warning:* ]]
	[ "$status" -ne 124 ]
	run -127 timeout -k 10 10 "$wrapper" ./lost
	[[ $output != *warning:* ]]
}

@test "when it can't find out, it runs COMMAND and says nothing" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	for tool in od ls id getcap; do
		printf '#!/bin/sh\necho broken; echo broken >&2; exit 1\n' >"$BATS_TEST_TMPDIR/bin/$tool"
		chmod +x "$BATS_TEST_TMPDIR/bin/$tool"
	done
	PATH=$BATS_TEST_TMPDIR/bin:$PATH silent true
	printf '\177ELF\2\1\1' >"$BATS_TEST_TMPDIR/stump"
	head -c 64 "$BATS_FILE_TMPDIR/dynamic" >"$BATS_TEST_TMPDIR/head"
	chmod +x "$BATS_TEST_TMPDIR/stump" "$BATS_TEST_TMPDIR/head"
	for program in stump head; do
		run "$wrapper" "$BATS_TEST_TMPDIR/$program"
		[[ $output != *warning:* ]]
	done
}

@test "it needs no tool that PATH must provide for a COMMAND with a slash" {
	run env PATH=/nonexistent "$wrapper" "$(type -P true)"
	[ "$status" -eq 0 ]
	[ -e "$STUB_LOG" ]
}

@test "a PATH that is unset, empty or leads nowhere: from a checkout as well, and COMMAND gets it as it is" {
	checkout "$BATS_TEST_TMPDIR/tree"
	library=$BATS_TEST_TMPDIR/tree/build/libclosenotify.so
	run env -u PATH "$wrapper" env
	[ "$status" -eq 0 ]
	[[ $'\n'$output = *$'\n'"LD_PRELOAD=$library"* ]]
	[[ $'\n'$output != *$'\n'PATH=* ]]
	for path in '' /nonexistent; do
		run env PATH="$path" "$wrapper" "$(type -P env)"
		[ "$status" -eq 0 ]
		[[ $'\n'$output = *$'\n'"LD_PRELOAD=$library"* ]]
		[[ $'\n'$output$'\n' = *$'\n'"PATH=$path"$'\n'* ]]
		run -127 env PATH="$path" "$wrapper" true
		[ "$output" = 'closenotify: true: not found' ]
	done
}

@test "every POSIX shell on this machine runs it" {
	for shell in 'dash' 'bash --posix' 'busybox sh' 'mksh' 'yash' 'ksh93' 'zsh --emulate sh'; do
		command -v "${shell%% *}" >/dev/null || continue
		echo "$shell"
		# shellcheck disable=SC2086 # the shell and its option
		run $shell "$wrapper" -qow5 --log=text -- sh -c 'echo "$LD_PRELOAD $CLOSENOTIFY_MODE $CLOSENOTIFY_WAIT_MS $1"; exit 3' - 'a  b'
		[ "$status" -eq 3 ]
		[ "$output" = "$stub observe 5 a  b" ]
		# shellcheck disable=SC2086
		run $shell "$wrapper" "$BATS_FILE_TMPDIR/static"
		[ "$output" = "closenotify: warning: $BATS_FILE_TMPDIR/static is statically linked: nothing can be preloaded into it" ]
		# shellcheck disable=SC2086
		run -127 $shell "$wrapper" no-such-command-anywhere
	done
}
