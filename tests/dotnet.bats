#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# .NET: SslStream, HttpClient and Kestrel, which find OpenSSL by dlsym() on a handle and give it memory for a transport. It asks
# OpenSSL for a quiet shutdown on each connection, so only ShutdownAsync() says goodbye; --quiet override says it for the rest.
#
# `make test` plays four of the scenarios in TLS 1.3, `make dotnet` all of them in both versions, also in .NET 8 and 9.

load helper

DOTNET=${DOTNET:-sample}
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_HOME=$BUILD/dotnet DOTNET_GENERATE_ASPNET_CERTIFICATE=false

# name | role | what the judge does | its verdict without | with --deep | with --quiet override as well
# A verdict for both versions of TLS, or one for each. A reset may overtake what was sent before.
SCENARIOS=(
	'dispose            | client | --send 100 --send-when request | truncated | truncated | closed'
	'unread             | client | --send 100 --send-when request | truncated | truncated | closed'
	'answer             | client | --send 100 --send-when request --first both | truncated | truncated | closed'
	'shutdown           | client | --send 100 --send-when request --silent-end | closed | closed | closed'
	'shutdown_then_read | client | --send 100 --send-when request | closed | closed | closed'
	'abort              | client | --send 100 --send-when request | reset | reset | reset'
	'socket_close       | client | --send 100 --send-when request | truncated | truncated | closed'
	'socket_shutdown    | client | --send 100 --send-when request | truncated | truncated | closed'
	'blocking           | client | --send 100 --send-when request | truncated | truncated | closed'
	'returns            | client | --send 100 --send-when request | truncated | truncated | closed'
	'exits              | client | --send 100 --send-when request | truncated | truncated | closed'
	'exits_1            | client | --send 100 --send-when request | truncated | truncated | truncated'
	'throws             | client | --send 100 --send-when request | truncated | truncated | truncated'
	'upload             | client | --read-pause-ms 2 --tickets 2 | truncated reset | truncated | closed'
	'upload_shutdown    | client | --read-pause-ms 2 --tickets 2 --silent-end | closed reset | closed | closed'
	'upload_exits       | client | --read-pause-ms 2 --tickets 2 | truncated reset | truncated reset | closed'
	'http               | client | --http 3000 | truncated | truncated | closed'
	'http_returns       | client | --http 3000 | truncated | truncated | closed'
	'http_headers       | client | --http 300000 | truncated | truncated | closed'
	'http_cancel        | client | --no-tickets | truncated | truncated | closed'
	'http_upload        | client | --http 10 --read-pause-ms 1 | truncated | truncated | closed'
	'server_dispose     | server | --request hello | truncated | truncated | closed'
	'server_shutdown    | server | --request hello --silent-end | closed | closed | closed'
	'server_until_end   | server | --request hello --first close_notify | truncated | truncated | closed'
	'server_abort       | server | --request hello | reset | reset | reset'
	'server_exits       | server | --request hello | truncated | truncated | closed'
	'server_sends       | server | --request hello --read-pause-ms 2 | truncated | truncated | closed'
	'kestrel            | server | --request GET~/~HTTP/1.0\r\n\r\n | truncated | truncated | closed'
	'kestrel_abort      | server | --request GET~/~HTTP/1.1\r\nHost:~localhost\r\n\r\n | reset | reset | reset'
	'kestrel_stop       | server | --request GET~/~HTTP/1.1\r\nHost:~localhost\r\n\r\n | truncated | truncated | closed'
)
SAMPLE=' dispose shutdown upload server_dispose '

setup_file() {
	make_certs
}

# built FRAMEWORK [ARGUMENT...]: the program for it, in $BUILD/dotnet/FRAMEWORK; sets PARTY.
built() {
	local place=$BUILD/dotnet/$DOTNET.$1
	PARTY=$place/out/party
	[ "$PARTY" -nt "$PROJECT/tests/dotnet/party.cs" ] || timeout -k 10 600 dotnet build --nologo -v quiet -c Release -p:Framework="$1" \
		"${@:2}" -o "$place/out" --artifacts-path "$place/obj" "$PROJECT/tests/dotnet/party.csproj" </dev/null >&2
}

# scenarios NAMES VERSIONS: plays these (all: NAMES is empty) without the library, with --deep, and with --quiet override.
scenarios() {
	local row name role judge without deep override tls library verdicts=() now=0 first
	for row in "${SCENARIOS[@]}"; do
		columns "$row" name role judge without deep override
		[ -z "$1" ] || [[ $1 = *" $name "* ]] || continue
		[[ $name != kestrel* ]] || [ "$KESTREL" = yes ] || continue
		read -ra judge <<<"$judge"
		for tls in $2; do
			add_run "$role" "$tls" '' "${judge[@]//'~'/ }" -- PKI="$PKI" "$PARTY" "$name"
			add_run "$role" "$tls" "$SHIM" "${judge[@]//'~'/ }" -- PKI="$PKI" LD_AUDIT="${SHIM%.so}-deep.so" \
				CLOSENOTIFY_LOG="text:$BATS_TEST_TMPDIR/log.$name.$tls" "$PARTY" "$name"
			add_run "$role" "$tls" "$SHIM" "${judge[@]//'~'/ }" -- PKI="$PKI" LD_AUDIT="${SHIM%.so}-deep.so" \
				CLOSENOTIFY_QUIET=override "$PARTY" "$name"
			for library in "$without" "$deep" "$override"; do
				[ "$tls" = 1.2 ] || library=${library#* }
				verdicts+=("$name ${library% *}")
			done
		done
	done
	play_runs
	for ((now = 0; now < ${#RUNS[@]}; now++)); do
		this_run "${RUNS[now]}"
		assert_equal "${verdicts[now]% *} $(verdict_of "$RESULT")" "${verdicts[now]}"
		[ $((now % 3)) -gt 0 ] || first="$STATUS ${SAID//$JUDGE_PORT/}" before=$RESULT
		assert_equal "$STATUS ${SAID//$JUDGE_PORT/}" "$first"
		assert_equal "$(field close_notify "$RESULT")" "$([[ ${verdicts[now]} != *closed ]] && echo 0 || echo 1)"
		[[ ${verdicts[now]} != *upload*\ closed ]] || assert [ "$(field bytes "$RESULT")" -ge 3000000 ]
		if [[ ${verdicts[now - now % 3]} = *closed ]]; then # right already: byte for byte
			assert_equal "$(field order "$RESULT") $(field sha256 "$RESULT")" "$(field order "$before") $(field sha256 "$before")"
		fi
		[ $((now % 3)) -ne 1 ] || named "${verdicts[now]}" "$BATS_TEST_TMPDIR/log.${verdicts[now]% *}.$TLS"
	done
}

# named "NAME VERDICT" LOG: what was not repaired is told, and why.
named() {
	[[ $1 != throws* ]] || return 0 # it dies by SIGABRT
	run cat "$2"
	case $1 in
	*truncated) assert_output --regexp ' (fault=quiet|reason=unclean_exit|reason=quiet) ' ;;
	*reset) assert_output --regexp ' (fault=abort|reason=abort_requested|reason=quiet) ' ;; # also of a write that it cut short
	*closed) assert_output --regexp ' verdict=(ended|repaired) ' ;;
	esac
}

@test ".NET: rude ends are closed by --deep --quiet override, right ones stay, uploads arrive" {
	local sdk framework
	sdk=$(dotnet --version 2>/dev/null) || skip 'no .NET SDK'
	KESTREL=no
	if [ "$DOTNET" = sample ]; then
		built "net${sdk%%.*}.0"
		scenarios "$SAMPLE" 1.3
		return
	fi
	for framework in net8.0 net9.0; do # their runtimes come by NuGet
		built "$framework" -r linux-x64 --self-contained
		scenarios '' '1.2 1.3'
	done
	[[ $(dotnet --list-runtimes) != *Microsoft.AspNetCore.App* ]] || KESTREL=yes
	built "net${sdk%%.*}.0" -p:Kestrel="$KESTREL"
	scenarios '' '1.2 1.3'
}
