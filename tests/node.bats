#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Official node, which has OpenSSL inside, by closenotify --patch: rude ends are closed and uploads arrive, right ones are byte for
# byte right, workers, clusters, children, snapshots and node --test do what they did.
#
# `make test` plays five of the scenarios in TLS 1.3 with the machine's node, `make node` all of them in both versions with
# node 18, 20, 22 and 24 of npm.

load helper

NODE=${NODE:-sample}
BOTH=$SHIM:${SHIM%.so}-patch.so

# name | role | what the judge does | its verdict without | with; a verdict for both versions of TLS, or one for each
SCENARIOS=(
	'get             | client | --http 3000 --silent-end | closed | closed'
	'keepalive       | client | --http 3000 --silent-end | closed | closed'
	'keepalive_exits | client | --http 3000 --silent-end | closed | closed'
	'fetch           | client | --http 3000 | truncated | closed'
	'fetch_exits     | client | --http 3000 | truncated | closed'
	'fetch_aborts    | client | --http 3000 | truncated | closed'
	'end             | client | --send 100 --send-when request --silent-end | closed | closed'
	'destroy         | client | --send 100 --send-when request | truncated | closed'
	'destroy_soon    | client | --no-tickets --silent-end | closed | closed'
	'exits           | client | --send 100 --send-when request | truncated | closed'
	'exits_1         | client | --send 100 --send-when request | truncated | truncated'
	'throws          | client | --send 100 --send-when request | truncated | truncated'
	'upload_ends     | client | --read-pause-ms 2 --tickets 2 --silent-end | closed | closed'
	'upload_destroys | client | --read-pause-ms 2 --tickets 2 | truncated reset | closed'
	'upload_unread   | client | --read-pause-ms 2 --tickets 2 | closed reset | closed'
	'worker          | client | --send 100 --send-when request | truncated | closed'
	'worker_exits    | client | --send 100 --send-when request | truncated | closed'
	'workers         | client | --connections 4 --send 100 --send-when request | truncated | closed'
	'child           | client | --send 100 --send-when request | truncated | closed'
	'child_exits     | client | --send 100 --send-when request | truncated | closed'
	'cluster         | client | --send 100 --send-when request | truncated | closed'
	'test            | client | --send 100 --send-when request | truncated | closed'
	'snapshot        | client | --send 100 --send-when request | truncated | closed'
	'server_ends     | server | --request hello --silent-end | closed | closed'
	'server_destroys | server | --request hello | truncated | closed'
	'server_exits    | server | --request hello | truncated | closed'
	'server_sends    | server | --request hello --read-pause-ms 2 | truncated | closed'
	'web             | server | --request GET~/~HTTP/1.0\r\n\r\n --silent-end | closed | closed'
	'web_destroys    | server | --request GET~/~HTTP/1.0\r\n\r\n | truncated | closed'
	'web_cluster     | server | --request GET~/~HTTP/1.0\r\n\r\n --silent-end | closed | closed'
)
SAMPLE=' destroy end exits upload_destroys server_destroys '

setup_file() {
	make_certs
}

# official VERSION: sets PROGRAM, the official node of npm.
official() {
	local at=$BUILD/node/$1
	[ -d "$at/node_modules/node" ] || npm install --silent --no-audit --no-fund --prefix "$at" "node@$1" >&2
	PROGRAM=$(find "$at/node_modules" -path '*/bin/node' -type f -size +10M | head -n 1)
}

# Sets PROGRAM, the machine's own, if it is official.
machines_own() {
	PROGRAM=$(type -P node) || skip 'no node'
	[[ $("$PROJECT/scripts/closenotify-check" "$PROGRAM") = *'covered with --patch'* ]] || skip 'no official node'
}

# party: sets PARTY, the scenarios for $PROGRAM.
party() {
	PARTY=$BATS_TEST_TMPDIR/party.js
	printf '#!%s\n' "$PROGRAM" | cat - "$PROJECT/tests/node/party.js" >"$PARTY"
	chmod +x "$PARTY"
}

# What each of the judge's lines says of scenario $1 but for the end: how many bytes and which; a Host header has the port.
bytes_of() {
	local line sum
	for line in "${RESULTS[@]}"; do
		[[ $line = "{"* ]] || continue
		sum=$(field sha256 "$line")
		case $1 in get* | keepalive* | fetch*) sum=- ;; esac
		echo "$(field bytes "$line") $sum"
	done | sort
}

# scenarios NAMES VERSIONS: plays these (all: NAMES is empty), without and with.
scenarios() {
	local row name role judge without with tls verdict verdicts=() now line said bytes
	for row in "${SCENARIOS[@]}"; do
		columns "$row" name role judge without with
		[ -z "$1" ] || [[ $1 = *" $name "* ]] || continue
		read -ra judge <<<"$judge"
		for tls in $2; do
			add_run "$role" "$tls" '' "${judge[@]//'~'/ }" -- PKI="$PKI" "$PARTY" "$name"
			add_run "$role" "$tls" "$BOTH" "${judge[@]//'~'/ }" -- PKI="$PKI" "$PARTY" "$name"
			for verdict in "$without" "$with"; do
				[ "$tls" = 1.2 ] || verdict=${verdict#* }
				verdicts+=("$name ${verdict% *}")
			done
		done
	done
	play_runs
	for ((now = 0; now < ${#RUNS[@]}; now++)); do
		this_run "${RUNS[now]}"
		for line in "${RESULTS[@]}"; do
			[[ $line != "{"* ]] || assert_equal "${verdicts[now]% *} $(verdict_of "$line")" "${verdicts[now]}"
		done
		[ $((now % 2)) -eq 1 ] || said="$STATUS $SAID" bytes=$(bytes_of "${verdicts[now]}")
		assert_equal "$STATUS $SAID" "$said"
		if [[ ${verdicts[now - now % 2]} = *reset ]]; then # what came of it before the reset
			[ $((now % 2)) -eq 0 ] || assert_equal "$(field bytes "$RESULT")" 3000000
		else
			assert_equal "$(bytes_of "${verdicts[now]}")" "$bytes"
		fi
	done
}

@test "official node with --patch: rude ends are closed, right ones stay, uploads arrive" {
	local version before
	if [ "$NODE" = sample ]; then
		machines_own
		party
		scenarios "$SAMPLE" 1.3
		return
	fi
	for version in ${NODE_VERSIONS:-18 20 22 24}; do
		official "$version"
		party
		scenarios '' '1.2 1.3'
		before=$(PKI=$PKI "$PARTY" 0 1.3 load)
		assert_equal "$(PKI=$PKI LD_PRELOAD=$BOTH "$PARTY" 0 1.3 load)" "$before"
	done
}

@test "official node: the decoder agrees with objdump on each function that is hooked" {
	machines_own
	run "$PROJECT/tests/patch/decoded" hooked "$PROGRAM"
	echo "$output"
	assert_success
	assert_line --regexp ': [1-9][0-9] functions: [1-9][0-9]+ decoded, [0-9]+ refused, 0 wrong$'
}
