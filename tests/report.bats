#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # jq has variables too; each test sets LOG and reads what bats sets
# closenotify-report: its figures beside those of jq, what it makes of lines that are none, and its page in a browser.

load helper
bats_require_minimum_version 1.5.0

setup_file() {
	export SAMPLES=$BATS_FILE_TMPDIR
	"$BATS_TEST_DIRNAME/report/generate" sample 1000 >"$SAMPLES/sample.json"
}

setup() {
	PATH=/usr/bin:$PATH # a python3 that is no wrapper: it is started often here
	REPORT=$PROJECT/scripts/closenotify-report
	GENERATE=$PROJECT/tests/report/generate
	LOG=$BATS_TEST_TMPDIR/log.json
}

# report STATUS ARGS...: runs it, and it must end so. Its standard output is in $output.
report() {
	run --separate-stderr "$REPORT" "${@:2}"
	# shellcheck disable=SC2154 # of bats
	[ "$status" -eq "$1" ] || fail "status $status, not $1: $stderr"
}

# refused WHAT ARGS...: one line that names WHAT, and status 2.
refused() {
	report 2 "${@:2}"
	assert_equal "$output" ''
	assert_equal "${#stderr_lines[@]}" 1
	assert_regex "$stderr" '^closenotify-report: '
	assert_regex "$stderr" "$1"
}

# same EXPRESSION OF-THE-REPORT: what jq computes of the records themselves ($ends) is what the report has.
same() {
	local ours theirs
	theirs=$(jq -cS -n "[inputs] as \$all | [\$all[] | select(.event == \"end\")] as \$ends
		| [\$ends[] | select(.verdict != \"held_elsewhere\")] as \$connections | $1" "$LOG")
	ours=$(jq -cS "$2" "$BATS_TEST_TMPDIR/report.json")
	[ "$theirs" != null ] && [ "$theirs" != '[]' ] && [ "$theirs" != 0 ]
	assert_equal "$2: $ours" "$2: $theirs"
}

# --- the figures ---

@test "the figures are those that jq computes" {
	LOG=$SAMPLES/sample.json
	report 1 --json "$LOG"
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/report.json"
	same '$all | length' .lines
	same '$connections | length' .connections
	same '[$ends[] | select(.verdict | startswith("truncated"))] | length' .truncated
	same '$ends | group_by(.verdict) | map({(.[0].verdict): length}) | add' .verdicts
	same '[$connections[] | select(.fault != "none")] | group_by(.fault) | map({(.[0].fault): length}) | add' .faults
	same '[$all[].time] | [min, max]' '[.from, .to]'
	same '[$all[].host] | unique | length' .hosts
	same '[$all[] | select(.event == "lost").lost] | add' .lost
	same '$connections | group_by([.program, .role]) | map([.[0].program, .[0].role, length,
		([.[] | select(.verdict | test("by_(us|both)"))] | length), ([.[] | select(.verdict | test("by_(peer|both)"))] | length),
		([.[] | select(.verdict == "repaired")] | length)]) | sort' \
		'[.programs.rows[] | [.program, .role, .connections, .truncated_by_us, .truncated_by_peer, .repaired]] | sort'
	same '$connections | group_by([.role, if .role == "client" then .peer else .peer[:.peer | rindex(":")] end])
		| map([(.[0] | if .role == "client" then .peer else .peer[:.peer | rindex(":")] end), length,
		([.[] | select(.verdict | test("by_(peer|both)"))] | group_by(.peer_end) | map({(.[0].peer_end): length}) | add // {})])
		| sort' '[.peers.rows[] | [.peer, .connections, .peer_ends]] | sort'
	same '[$connections[] | select(.fault != "none" or (.verdict | test("by_(us|both)")))]
		| group_by([.program, .role, .caller, .cause, .fault])
		| map([.[0].program, .[0].caller // "", .[0].cause, .[0].fault, length, ([.[] | select(.verdict == "repaired")] | length)])
		| sort' '[.call_sites.rows[] | [.program, .caller, .cause, .fault, .connections, .repaired]] | sort'
	# buckets of a minute
	same '$connections | group_by(.time[:16]) | map(length)' '[.timeline.buckets[].connections]'
	same '[$all[] | select(.event == "warning")] | group_by([.program, .message]) | map([.[0].program, length]) | sort' \
		'[.warnings[] | [.program, .count]] | sort'
}

@test "the text says in plain words who did what to whom" {
	"$GENERATE" lanes closes_without_a_word >"$LOG"
	report 1 "$LOG"
	assert_line '2 connections, 2 truncated (100.0 %); 1 host, 2026-11-21 12:00:00 to 12:00:00 UTC'
	assert_line '  truncated by the peer 127.0.0.1: FIN without close_notify, 1 of 1 connection'
	assert_line '  curl (as client) closed 1 connection to 127.0.0.1:8443 without close_notify; by libcurl.so.4(+0x1234)'
	report 1 "$SAMPLES/sample.json"
	assert_line --regexp \
		'^  curl \(as client\) closed [0-9]+ connections to 10\.0\.0\.1:443 without close_notify; the library repaired [0-9]+; by$'
	assert_line --regexp '^  2026-11-21 12:00  #+\.+ +[0-9]+ of [0-9]+$'
	assert_line '  6 records could not be logged: the figures are that much too low'
}

@test "the exit status tells whether truncations were found" {
	"$GENERATE" lanes both_say_goodbye >"$LOG"
	report 0 "$LOG"
	report 0 --csv "$LOG"
	report 0 --prometheus "$LOG"
	report 0 --html - "$LOG"
	report 0 --connection 4242-1f "$LOG"
	"$GENERATE" lanes closes_without_a_word >>"$LOG"
	report 1 "$LOG"
	report 1 --csv "$LOG"
	report 1 --prometheus "$LOG"
	report 1 --html - "$LOG"
	report 0 --verdict ended "$LOG"
}

@test "filters by time, program and verdict; --top" {
	local log=$SAMPLES/sample.json count
	count=$(jq -n '[inputs | select(.event == "end" and .time >= "2026-11-21T12:30" and .time < "2026-11-21T12:40")]
		| length' "$log")
	for args in '--since 2026-11-21T12:30 --until 2026-11-21T12:40Z' \
		'--since=2026-11-21T12:30:00.0 --until=2026-11-21T12:40:00'; do
		# shellcheck disable=SC2086 # split on purpose
		report 1 --csv $args "$log"
		assert_equal "${#lines[@]}" "$((count + 1))"
	done
	report 0 --csv --since 2026-11-22 "$log"
	assert_equal "${#lines[@]}" 1
	sed "s/2026-11-21T12:00/$(date -u -d '1 hour ago' +%FT%H:%M)/" "$log" >"$LOG"
	report 1 --csv --since 2h --until 30m "$LOG"
	assert_equal "${#lines[@]}" "$(($(grep '2026-11-21T12:00' "$log" | grep -c '"event":"end"') + 1))"
	report 1 --json --program 'n*' "$log"
	assert_equal "$(jq -c '[.programs.rows[].program] | sort' <<<"$output")" '["ncat","nginx"]'
	report 1 --json --verdict truncated --verdict failed "$log"
	assert_equal "$(jq -c '.verdicts | keys' <<<"$output")" \
		'["failed","truncated_by_both","truncated_by_peer","truncated_by_us"]'
	report 1 --json --top 2 "$log"
	assert_equal "$(jq -c '[.programs.rows, .peers.rows, .call_sites.rows | length]' <<<"$output")" '[2,2,2]'
	assert_equal "$(jq .programs.left_out <<<"$output")" 3
}

@test "files may be compressed, standard input or a pipe; for the page and the lanes too" {
	local log=$SAMPLES/sample.json args
	gzip -c "$log" >"$LOG.gz"
	# shellcheck disable=SC2086 # split on purpose
	for args in --json '--html -' '--connection 1003-3'; do
		"$REPORT" $args "$log" >"$BATS_TEST_TMPDIR/wanted" || [ $? -eq 1 ]
		cmp "$BATS_TEST_TMPDIR/wanted" <("$REPORT" $args "$LOG.gz" 2>&1)
		cmp "$BATS_TEST_TMPDIR/wanted" <("$REPORT" $args - 2>&1 <"$log")
		cmp "$BATS_TEST_TMPDIR/wanted" <("$REPORT" $args <(gzip -dc "$LOG.gz") 2>&1)
		# shellcheck disable=SC2002 # a pipe is what is meant
		cmp "$BATS_TEST_TMPDIR/wanted" <(cat "$LOG.gz" | "$REPORT" $args - 2>&1)
	done
	# one after the other
	head -n 100 "$log" >"$LOG"
	tail -n +101 "$log" | gzip >"$LOG.gz"
	report 1 --json "$LOG" "$LOG.gz"
	run --separate-stderr diff <(printf '%s\n' "$output") <("$REPORT" --json "$log")
	assert_output ''
}

@test "summaries are not counted once more, and tell of programs that have no other records" {
	head -n 50 "$SAMPLES/sample.json" | grep '"program":"curl"' >"$LOG"
	report 1 --json "$LOG"
	without=$(jq -c '[.connections, .verdicts]' <<<"$output")
	{
		jq -c 'select(.event == "end") | {v, time, host, pid, program, event: "summary", connections: 90,
			verdicts: {ended: 90}, faults: {}, lost: 0}' "$LOG"
		grep quiet-one "$SAMPLES/sample.json"
	} >"$LOG.2"
	report 1 --json "$LOG" "$LOG.2"
	assert_equal "$(jq -c '[.connections, .verdicts]' <<<"$output")" "$without"
	assert_equal "$(jq -c .summaries_alone <<<"$output")" '{"connections":9,"ended":7,"repaired":2}'
	grep quiet-one "$SAMPLES/sample.json" | sed 's/"repaired":2/"truncated_by_us":2/' >"$LOG"
	report 1 "$LOG"
	assert_line '  programs of which only summaries are logged ended 9 connections more: ended 7, truncated by us 2'
}

# --- lines that are none ---

@test "broken lines of every kind are counted and named, and nothing else is lost" {
	local good
	good=$("$GENERATE" sample 1 | head -n 1)
	{
		printf '%s\n' "$good"
		printf '%s\n' "${good:0:200}" # cut short
		printf '\0\1\2\377\376 binary\n'
		printf '\n'
		head -c 10000000 /dev/zero | tr '\0' x
		printf '\n'
		printf '%s\n' "${good/\"pid\":1000/\"pid\":\"1000\"}" "${good/\"pid\":1000/\"pid\":NaN}" "${good/\"pid\":1000/\"pid\":-1}" \
			"${good/\"pid\":1000/\"pid\":1000,\"pid\":1000}" "${good/\"pid\":1000/\"pid\":1e3}" "${good/\"pid\":1000,/}" \
			"${good/\"pid\":1000/\"pid\":true}" "${good/2026-11/2026-13}" "${good/2026-11/2026_11}" "${good/\"v\":1/\"v\":1.5}" \
			'[1]' '"end"' 1 null '{}' "$good$good" "${good/\"ended\"/[]}" "${good/\"age_us\":[0-9]*,/\"age_us\":{},}"
		printf '%09999d\n' 0
		printf '[%.0s' {1..20000}
		printf '\n%s\n' "$good"
		printf '%s' "$good" # the last one need not be ended
	} >"$LOG"
	report 0 --json "$LOG"
	assert_equal "$(jq '.connections' <<<"$output")" 3
	assert_equal "$(jq '.broken.lines' <<<"$output")" "$(($(wc -l <"$LOG") + 1 - 3))"
	report 0 "$LOG"
	assert_line --partial "$LOG:2: no JSON: "
	assert_line "    $LOG:3: not UTF-8"
	assert_line "    $LOG:4: an empty line"
	assert_line "    $LOG:5: longer than 16,384 bytes"
	assert_line "    $LOG:6: pid is not what it may be"
}

@test "a log in the text format, or a file of another kind, is no log without truncations: refused" {
	local args
	grep '^[-0-9T:.]*Z closenotify: ' "$PROJECT/README.md" >"$LOG"
	head -c 5000 /dev/zero | tr '\0' '\377' >"$LOG.rubbish"
	for args in '' --csv --otel --json --prometheus '--html -' '--connection 1-1' '--since 2h'; do
		# shellcheck disable=SC2086 # split on purpose
		refused "$LOG: the text format is not read; log with json:FILE$" $args "$LOG"
		# shellcheck disable=SC2086
		refused "no line is a record; $LOG.rubbish:1: not UTF-8$" $args "$LOG.rubbish"
	done
	"$GENERATE" lanes both_say_goodbye >>"$LOG" # with records in it, what is none is counted
	report 0 "$LOG"
	assert_line "    $LOG:1: the text format, not JSON"
}

@test "compressed data that breaks off is counted, and what was before it is not lost" {
	gzip -c "$SAMPLES/sample.json" | head -c 10000 >"$LOG"
	run gzip -dc "$LOG"
	assert_failure
	report 1 --json "$LOG" "$SAMPLES/sample.json"
	assert [ "$(jq .lines <<<"$output")" -gt 1200 ]
	assert_regex "$(jq -r '.broken.first[-1].why' <<<"$output")" 'no JSON|compressed data is broken'
	assert_equal "$(jq .broken.lines <<<"$output")" 1
}

@test "an empty file is no failure, and says so" {
	: >"$LOG"
	report 0 "$LOG"
	assert_line '0 connections, 0 truncated; 0 hosts'
	for args in --csv --prometheus --json '--html -'; do
		# shellcheck disable=SC2086
		report 0 $args "$LOG"
	done
}

@test "later versions, unknown kinds and words are counted as not understood; unknown keys are no matter" {
	local good
	good=$("$GENERATE" sample 1 | head -n 1)
	jq -c '(.v = 2), (.v = 2 | del(.pid)), (.event = "begin"), (.verdict = "vanished"), (.new = {a: [1]})' <<<"$good" >"$LOG"
	report 0 "$LOG"
	assert_line '  2 lines not understood (version 2)'
	assert_line '  1 line not understood (event begin)'
	assert_line '  1 line not understood (verdict vanished)'
	refute_line --partial broken
	assert_line --partial '1 connection,'
}

# Both the checks and the sample are held against the schema: every key left out, and every key of a wrong type.
@test "what the schema accepts is counted, and what it refuses is not" {
	"$GENERATE" lanes lingers >"$LOG"
	cat "$SAMPLES/sample.json" >>"$LOG"
	run python3 - "$PROJECT/scripts/closenotify-record.schema.json" "$LOG" "$BATS_TEST_TMPDIR/bad" <<-'END'
		import json, sys
		import jsonschema
		check = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
		kinds = {}
		for n, line in enumerate(open(sys.argv[2])):
		    record = json.loads(line)
		    if record['event'] not in kinds or n % 20 == 0:
		        check.validate(record)
		    kinds.setdefault(record['event'], record)
		bad = open(sys.argv[3], 'w')
		for record in kinds.values():
		    for key in record:
		        wrong = [{k: v for k, v in record.items() if k != key}]
		        wrong += [{**record, key: value} for value in (None, True, -1, 1.5, '', 'x y', 7, [], {'a': None})]
		        for one in wrong:
		            if not check.is_valid(one):
		                bad.write(json.dumps(one) + '\n')
		print(*sorted(kinds))
	END
	assert_success
	assert_output 'after call end lost summary warning'
	assert [ "$(wc -l <"$BATS_TEST_TMPDIR/bad")" -gt 300 ]
	report 1 --json "$LOG"
	assert_equal "$(jq -c '[.broken.lines, .not_understood]' <<<"$output")" '[0,{}]'
	report 0 --json "$BATS_TEST_TMPDIR/bad"
	assert_equal "$(jq -c '[.lines - .broken.lines - (.not_understood | add), .connections, .lost]' <<<"$output")" '[0,0,0]'
}

# --- the lanes ---

@test "the lanes of both sides are drawn as they are in tests/report/lanes" {
	local name id
	[ "$("$GENERATE" lanes | wc -l)" -eq "$(find "$PROJECT/tests/report/lanes" -name '*.txt' | wc -l)" ]
	for name in $("$GENERATE" lanes); do
		"$GENERATE" lanes "$name" >"$LOG"
		id=$(jq -rn 'input.id' "$LOG")
		run "$REPORT" --connection "$id" "$LOG"
		diff -u "$PROJECT/tests/report/lanes/$name.txt" <(printf '%s\n' "$output")
		assert_equal "$name $status" "$name $(jq -n --arg id "$id" '[inputs | select(.id == $id).verdict // ""
			| startswith("truncated")] | any | if . then 1 else 0 end' "$LOG")"
	done
}

@test "a connection is the same from either side" {
	"$GENERATE" lanes both_say_goodbye >"$LOG"
	report 0 --connection 4242-1f "$LOG"
	wanted=$(tail -n +2 <<<"$output")
	report 0 --connection alpha/4300-2 "$LOG"
	assert_equal "$(tail -n +2 <<<"$output")" "$wanted"
}

@test "an id that several hosts have, or none" {
	"$GENERATE" lanes both_say_goodbye >"$LOG"
	sed 's/"host":"alpha"/"host":"beta"/' "$LOG" >"$LOG.2"
	refused 'several hosts have it; take one of alpha/4242-1f, beta/4242-1f$' --connection 4242-1f "$LOG" "$LOG.2"
	report 0 --connection beta/4242-1f "$LOG" "$LOG.2"
	assert_line 'connection beta/4242-1f'
	refused '9-9: no such connection' --connection 9-9 "$LOG"
}

# --- CSV, Prometheus ---

@test "the CSV is read by another as what the log says" {
	report 1 --csv "$SAMPLES/sample.json"
	"$REPORT" --csv "$SAMPLES/sample.json" >"$BATS_TEST_TMPDIR/ends.csv" || true
	python3 - "$SAMPLES/sample.json" "$BATS_TEST_TMPDIR/ends.csv" <<-'END'
		import csv, json, sys
		ends = [record for record in map(json.loads, open(sys.argv[1])) if record['event'] == 'end']
		raw = open(sys.argv[2], newline='').read()
		assert raw.count('\r\n') == raw.count('\n') == len(ends) + 1
		rows = list(csv.DictReader(raw.splitlines(), strict=True))
		assert len(rows) == len(ends)
		text = lambda value: {None: '', True: 'true', False: 'false'}.get(value, value) if type(value) is not int else str(value)
		for row, end in zip(rows, ends):
		    assert set(row) == set(end) - {'v', 'event'} | {'backtrace', 'version'}
		    assert all(row[key] == text(end.get(key)) for key in row), (row, end)
	END
}

@test "the CSV starts no formula" {
	local good value
	good=$("$GENERATE" sample 1 | head -n 1)
	for value in '=1+1' '+1' '-1' '@SUM(1)' '\t=1' ' =1' '\r=1' '\uff1d1'; do
		printf '%s\n' "${good/\"program\":\"*\",\"id\"/\"program\":\"$value\",\"id\"}"
	done >"$LOG"
	report 0 --csv "$LOG"
	assert_equal "${#lines[@]}" 9
	for line in "${lines[@]:1}"; do
		program=$(cut -d, -f4 <<<"$line")
		assert_regex "$program" "^('|\\\\x)"
	done
}

@test "Prometheus accepts the counters, and they are those of the log" {
	report 1 --prometheus --peers --top 3 "$SAMPLES/sample.json"
	"$PROJECT/tests/sysroot" add -q host prometheus
	"$PROJECT/tests/sysroot" run host promtool check metrics <<<"$output"
	assert_equal "$(sed -n 's/^closenotify_connections_total{.*} //p' <<<"$output" | jq -s add)" \
		"$(grep -c '"event":"end"' "$SAMPLES/sample.json")"
	count=$(jq -n '[inputs | select(.program == "curl" and .verdict == "repaired")] | length' "$SAMPLES/sample.json")
	assert_line --partial '_total{program="curl",role="client",verdict="repaired",fault="close_without_shutdown"}'" $count"
	assert_equal "$(grep -o 'peer="[^"]*"' <<<"$output" | sort -u | wc -l)" 3
	assert_line 'closenotify_lost_records_total 6'
	report 1 --prometheus "$SAMPLES/sample.json"
	refute_output --partial peer=
}

# --- bounds ---

@test "300,000 records of ever new programs, peers and callers stay within 160 MB, and it is said what was poured together" {
	"$GENERATE" crowd 300000 >"$LOG"
	run --separate-stderr python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print("KB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$REPORT" "$LOG"
	echo "$output"
	assert [ "$(sed -n 's/^KB //p' <<<"$output")" -lt 160000 ]
	assert_line --partial '300,000 connections'
	assert_line --partial 'more than 10,000 different peers: '
	assert_line --regexp '^  program[0-9]+ +client '
	head -n 3000 "$LOG" >"$LOG.2"
	report 1 --prometheus "$LOG.2"
	assert [ "${#lines[@]}" -lt 1000 ]
	assert_line --partial 'program="other"'
}

# within MB ARGS...: runs it with so little address space, and it must end with 0 or 1.
within() {
	run --separate-stderr bash -c 'ulimit -v "$1" && exec "${@:2}"' - "$(($1 * 1024))" /usr/bin/python3 "$REPORT" "${@:2}"
	[ "$status" -le 1 ] || fail "${*:2}: status $status: $stderr"
}

@test "a log made to fill the memory does not: 224 MB of address space are enough for each" {
	local log count
	while read -r log count; do # a record first: without any it is refused
		{ "$GENERATE" lanes both_say_goodbye && "$GENERATE" bomb "$log" "$count"; } | gzip >"$BATS_TEST_TMPDIR/$log"
	done <<-END
		texts 20000
		words 300
		longest 60000
		nested 3000
		hosts 60000
	END
	for log in texts words longest nested hosts; do
		within 224 --json --top 1 "$BATS_TEST_TMPDIR/$log"
		assert [ "$(jq .lines <<<"$output")" -ge 300 ]
	done
	within 224 --html /dev/null "$BATS_TEST_TMPDIR/longest"
	within 224 --html /dev/null "$BATS_TEST_TMPDIR/nested"
	run "$REPORT" --connection 1-ab "$BATS_TEST_TMPDIR/hosts"
	assert_failure 2
	assert_output --partial 'several hosts have it'
	# The limit is one: less is not enough, and then the status is that of a failure.
	run bash -c 'ulimit -v 24000 && exec /usr/bin/python3 "$1" --json "$2"' - "$REPORT" "$BATS_TEST_TMPDIR/longest"
	[ "$status" -ne 0 ] && [ "$status" -ne 1 ] || fail "status $status: $output"
}

@test "a failure of the report itself has the status of a failure, not of a finding" {
	cp -r "$PROJECT/scripts" "$BATS_TEST_TMPDIR/scripts"
	sed -i 's/^def text_report(f, out):/&\n    raise ValueError("\\x1b[2J")/' "$BATS_TEST_TMPDIR/scripts/report/text.py"
	run "$BATS_TEST_TMPDIR/scripts/closenotify-report" "$SAMPLES/sample.json"
	assert_failure 2
	assert_output 'closenotify-report: ValueError: \x1b[2J'
	rm -r "$BATS_TEST_TMPDIR/scripts/report"
	run "$BATS_TEST_TMPDIR/scripts/closenotify-report" "$SAMPLES/sample.json"
	assert_failure 2
	run bash -c '"$1" /none 2>&-' - "$REPORT"
	assert_failure 2
	assert_output ''
}

@test "the sample has no broken line, however long it is" {
	"$GENERATE" sample 500000 | sed -n '1~997p;$p' >"$LOG" # eleven days
	assert [ "$(tail -n 1 "$LOG" | jq -r .time)" != "$(head -n 1 "$LOG" | jq -r .time)" ]
	grep -q '"time":"2026-12-02T' "$LOG"
	"$GENERATE" crowd 3000 >>"$LOG"
	report 1 --json "$LOG"
	assert_equal "$(jq -c '[.broken.lines, .not_understood]' <<<"$output")" '[0,{}]'
}

# --- what comes from outside ---

@test "numbers of thousands of digits, lone surrogates, times at the ends of time: counted, none breaks it" {
	local args
	"$GENERATE" hostile >"$LOG"
	for args in '' --csv --json --prometheus '--prometheus --peers' --otel '--html -' '--connection h/1-ab' \
		'--top 1 --verdict truncated' '--since 2026-11-21 --until 9999-12-31'; do
		# shellcheck disable=SC2086
		run --separate-stderr "$REPORT" $args "$LOG"
		assert_equal "$args: $status$stderr" "$args: 1"
	done
	report 1 --json "$LOG"
	assert_equal "$(jq -c '[.lines - .broken.lines - ([.not_understood[]] | add), .connections]' <<<"$output")" \
		"$("$GENERATE" hostile | python3 -c '
import json, sys
good = ends = 0
for line in sys.stdin:
    if "99999999" not in line.replace("9999-12-31", "") and not line.startswith("[") and "\"bad\"" not in line:
        good += 1
        ends += "\"event\": \"end\"" in line and "held_elsewhere" not in line
print(f"[{good},{ends}]")')"
}

@test "bytes in arguments that are no text" {
	cp "$SAMPLES/sample.json" "$BATS_TEST_TMPDIR/"$'\xff\e'
	report 1 --json "$BATS_TEST_TMPDIR/"$'\xff\e'
	refused 'no such connection' --connection $'\xff/1-1' "$SAMPLES/sample.json"
	refused 'no such connection' --connection $'1-1\xff' "$SAMPLES/sample.json"
	refused 'No such file' $'/none\xff'
	refused 'is no time' --since $'\xff' "$SAMPLES/sample.json"
	refused 'is not accepted' --verdict $'\xff' "$SAMPLES/sample.json"
	report 0 --json --program $'\xff*' "$SAMPLES/sample.json"
	report 1 --json -o "$BATS_TEST_TMPDIR/"$'out\xff' "$SAMPLES/sample.json"
	printf 'x\n' >>"$BATS_TEST_TMPDIR/"$'\xff\e'
	report 1 "$BATS_TEST_TMPDIR/"$'\xff\e'
	assert_line --partial '\udcff\x1b:'
}

@test "every fault has a next step, in the text and on the page; all shares are of connections" {
	report 1 "$SAMPLES/sample.json"
	assert_line 'What to do next'
	python3 - "$PROJECT/scripts" <<-'END'
		import sys
		sys.dont_write_bytecode = True
		sys.path.insert(0, sys.argv[1])
		from report import schema, words
		assert set(words.REMEDIES) == set(words.SENTENCES) - {'none'} == set(schema.FAULTS) - {'none'}
	END
	"$REPORT" --json "$SAMPLES/sample.json" >"$LOG" || true
	"$REPORT" --html "$BATS_TEST_TMPDIR/page.html" "$SAMPLES/sample.json" || true
	assert_equal "$(jq -c '[.next[].what] | sort' "$LOG")" "$(jq -c '[.faults | keys[], "truncated_by_peer"] | sort' "$LOG")"
	assert [ "$(jq '.next | length' "$LOG")" -ge 6 ]
	assert_equal "$(grep -c '^<li>.*Until then:' "$BATS_TEST_TMPDIR/page.html")" "$(jq '.next | length' "$LOG")"
	truncated=$(jq -r '.verdicts.truncated_by_us / .connections * 1000 | round / 10 | tostring | if test("[.]") then . else . + ".0" end' "$LOG")
	assert_line --regexp "^  truncated by us +[0-9]+ +$truncated %"
	assert_line --regexp '^  held elsewhere +[0-9]+  *not the end'
	# the notes are below what is found
	awk '/id="next"/ { seen = 1 } /id="notes"/ { exit !seen }' "$BATS_TEST_TMPDIR/page.html"
}

@test "OpenTelemetry: every key has its name, as the manual page says, address and port apart" {
	"$REPORT" --otel "$SAMPLES/sample.json" >"$LOG" || [ $? -eq 1 ]
	assert_equal "$(wc -l <"$LOG")" "$(grep -c '"event":"end"' "$SAMPLES/sample.json")"
	jq -r '.resourceLogs[] | (.resource.attributes, .scopeLogs[].logRecords[].attributes)[].key' "$LOG" | sort -u >"$BATS_TEST_TMPDIR/names"
	while read -r name; do
		grep -qE -- "(Li|,|Cm) .*$name( |\$)" "$PROJECT/scripts/closenotify-report.1" || fail "$name is not in the manual page"
	done < <(grep -v '^closenotify\.' "$BATS_TEST_TMPDIR/names")
	assert_equal "$(head -n 1 "$LOG" | jq -c '[.resourceLogs[0].scopeLogs[0].logRecords[0].attributes[]
		| select(.key == "client.port" or .key == "server.port").value.intValue | tonumber] | sort')" \
		"$(head -n 1 "$SAMPLES/sample.json" | jq -c '[.local, .peer | split(":")[-1] | tonumber] | sort')"
	run grep -c '\[::1\]' "$LOG"
	assert_output 0
	grep -q '"stringValue":"::1"' "$LOG"
}

# A log that has it everywhere.
hostile() {
	"$GENERATE" lanes closes_without_a_word >"$LOG"
	"$GENERATE" sample 300 | grep -e lost -e warning >>"$LOG"
	# shellcheck disable=SC2016 # for jq
	jq -c --arg evil "$1" 'with_entries(
		if .key | IN("program", "host", "sni", "caller", "message", "call", "error", "errno", "tls") then .value = .key + $evil else . end) | if .call then .call |= sub("^call"; "close") else . end
		| if .local then (if .role == "client" then .peer += $evil else .local += $evil end) else . end' "$LOG" >"$LOG.new"
	mv "$LOG.new" "$LOG"
}

@test "no value can write escapes to the terminal, whatever is printed" {
	local args
	hostile $'\e[2J\e]0;x\a\x7f\r\nx\u009b31m\u202e\u2028"\\'
	printf '{"v":1,"event":"\e[2J","a":1}\n{"v":1,"event":"\\u001b[2J"}\n' >>"$LOG"
	for args in '' --csv --json --prometheus '--prometheus --peers' '--html -' '--connection 4242-1f'; do
		# shellcheck disable=SC2086
		run "$REPORT" $args "$LOG"
		[ "$status" -le 1 ] || fail "$args: $output"
		assert_output --partial "\\x1b[2J"
		assert_equal "$args: $(printf '%s' "$output" | tr -d '\n\r' |
			LC_ALL=C.UTF-8 grep -cP '[\x00-\x1f\x7f]|\x{9b}|\x{202e}|\x{2028}')" "$args: 0"
	done
	refused 'no such connection' --connection $'\e[2J' "$LOG"
	refute_regex "$stderr" $'\e'
	refused 'No such file' $'/none\e[2J'
	refute_regex "$stderr" $'\e'
}

# --- the page ---

@test "the page: sorted by click and key, filtered, lanes opened, no complaint, nothing asked of the network" {
	local page=$BATS_TEST_TMPDIR/page.html
	{
		"$GENERATE" lanes closes_without_a_word
		cat "$SAMPLES/sample.json"
	} >"$LOG"
	run "$REPORT" --html "$page" "$LOG"
	assert_output ''
	report 1 --json "$LOG"
	figures=$output
	run --separate-stderr "$PROJECT/tests/report/browse" "$page" ${CN_PICTURES:+"$CN_PICTURES"}
	assert_success
	echo "$output"
	seen() { jq -c "$1" <<<"$output"; }
	wanted() { jq -c "$1" <<<"$figures"; }
	assert_equal "$(seen .programs)" "$(wanted '[.programs.rows[].program]')"
	assert_equal "$(seen .clicked)" "$(wanted '[[.programs.rows | sort_by(-.connections)[].program],
		["Connections descending"], "Programs: sorted by Connections, descending"]')"
	assert_equal "$(seen .clicked_again)" "$(wanted '[[.programs.rows | sort_by(.connections)[].program],
		["Connections ascending"]]')"
	assert_equal "$(seen .by_enter)" "$(wanted '[[.programs.rows[].program] | sort, ["Program ascending"]]')"
	assert_equal "$(seen .by_space)" "$(wanted '[[.programs.rows[].program] | sort | reverse, ["Program descending"]]')"
	assert_equal "$(seen .focus_is_seen)" '"solid"'
	assert_equal "$(seen '.verdict[0]')" '"truncated_by_both"'
	assert_equal "$(seen '.verdict[2:5]')" "$(wanted '[.programs, .call_sites, .peers
		| [.rows[] | select(.verdicts.truncated_by_both)] | length]')"
	assert_equal "$(seen '.all[:3]')" "$(wanted '[.programs, .call_sites, .peers | .rows | length]')"
	assert_equal "$(seen '.peer[2]')" 1
	assert_equal "$(seen '.text[:2]')" "$(wanted '[.programs, .call_sites | [.rows[] | select(.program == "nginx")] | length]')"
	assert_equal "$(seen '.program[:3]')" "$(wanted '[
		([.programs, .call_sites | [.rows[] | select(.program == "curl")] | length]), ([.peers.rows[] | select(.programs | index("curl"))] | length)] | flatten')"
	assert_equal "$(seen .count)" "\"1 of $(wanted '.programs.rows | length') fit the filter\""
	assert_regex "$(seen .lanes)" 'closenotify would: close_notify and FIN.*SSL_ERROR_SSL'
	assert_equal "$(seen '[.unlabelled, .wider_than_the_screen, .complaints, .requested]')" '[0,false,[],[]]'
	assert_equal "$(seen .without_scripts)" "[$(wanted '.programs.rows | length'),0,0]" # the tables, no dead buttons, no form
}

@test "the page: no value becomes markup or script" {
	hostile $'</script><img src=x onerror=pwned=1><!--\u2028\'"&amp;'
	{
		cat "$LOG"
		cat "$SAMPLES/sample.json"
	} >"$LOG.2"
	run "$REPORT" --html "$BATS_TEST_TMPDIR/page.html" "$LOG.2"
	assert_output ''
	run --separate-stderr "$PROJECT/tests/report/browse" "$BATS_TEST_TMPDIR/page.html"
	assert_success
	assert_equal "$(jq -c '[.injected, .complaints, .requested]' <<<"$output")" '[["undefined",1],[],[]]'
	assert_regex "$(jq -r .lanes <<<"$output")" '<img src=x onerror=pwned=1>'
	assert_equal "$(LC_ALL=C grep -cP '[^\x00-\x7f]' "$BATS_TEST_TMPDIR/page.html")" 0
}

# --- the command ---

@test "progress is shown on a terminal, and wiped away; nowhere else" {
	"$GENERATE" sample 3000 >"$LOG"
	run --separate-stderr script -qec "'$REPORT' --csv -o /dev/null '$LOG'" /dev/null
	assert_regex "$output" $'\rreading \\[#* *\\] +[0-9]+%'
	assert_regex "$output" $'\r\e\\[K$'
	run script -qec "cat '$LOG' | '$REPORT' --csv -o /dev/null -" /dev/null
	assert_regex "$output" $'\rreading: [0-9,]+ lines'
	report 1 --csv -o /dev/null "$LOG"
	assert_equal "$stderr$output" ''
}

@test "a FIFO is read as a stream; that nobody writes to it yet is said" {
	local fifo=$BATS_TEST_TMPDIR/fifo said
	"$GENERATE" sample 100 >"$LOG"
	mkfifo "$fifo" "$BATS_TEST_TMPDIR/said"
	timeout 60 "$REPORT" --json "$fifo" 2>"$BATS_TEST_TMPDIR/said" >"$BATS_TEST_TMPDIR/by_fifo" 3>&- &
	STARTED+=($!)
	read -r said <"$BATS_TEST_TMPDIR/said"
	assert_equal "$said" "closenotify-report: $fifo is a FIFO: waits until somebody writes to it"
	timeout 60 tee "$fifo" <"$LOG" >/dev/null # whose open() waits for a reader
	wait "$!" || [ $? -eq 1 ]
	report 1 --json "$LOG"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/by_fifo")" "$output"
	report 1 --json <(cat "$LOG")
	assert_equal "$stderr" ''
	report 0 --json <(:)
	assert_equal "$stderr" ''
}

@test "a terminal is read until Ctrl-D, which is said" {
	"$GENERATE" sample 1 >"$LOG"
	run timeout -k 10 60 python3 - "$REPORT" "$LOG" <<-'END'
		import os, pty, sys
		child, terminal = pty.fork()
		if not child:
		    os.execv(sys.argv[1], [sys.argv[1], '--json', '-'])
		heard = b''
		while b'\n' not in heard:
		    heard += os.read(terminal, 4096)
		print(heard.decode().splitlines()[0])
		with open(sys.argv[2], 'rb') as log:
		    os.write(terminal, log.readline() + b'\x04')
		heard = b''
		try:
		    while piece := os.read(terminal, 4096):
		        heard += piece
		except OSError:  # its other end is closed
		    pass
		print(b'"lines": 1,' in heard)
	END
	assert_output $'closenotify-report: - is a terminal: reads lines until Ctrl-D\nTrue'
}

@test "-o: the file changes as a whole, with the permissions of any new file; a device is written to" {
	umask 027
	echo old >"$BATS_TEST_TMPDIR/metrics.prom"
	ln -s metrics.prom "$BATS_TEST_TMPDIR/link"
	report 1 --prometheus -o "$BATS_TEST_TMPDIR/link" "$SAMPLES/sample.json"
	assert_equal "$output" ''
	assert [ -L "$BATS_TEST_TMPDIR/link" ]
	assert_equal "$(stat -c %a "$BATS_TEST_TMPDIR/metrics.prom")" 640
	grep -q '^# TYPE closenotify_connections_total counter$' "$BATS_TEST_TMPDIR/metrics.prom"
	echo old >"$BATS_TEST_TMPDIR/metrics.prom"
	refused 'No such file' --prometheus -o "$BATS_TEST_TMPDIR/metrics.prom" "$BATS_TEST_TMPDIR/none"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/metrics.prom")" old
	assert_equal "$(find "$BATS_TEST_TMPDIR" -name '.closenotify*')" ''
	refused '/none/x: No such file' -o /none/x "$SAMPLES/sample.json"
	refused 'No space left' -o /dev/full "$SAMPLES/sample.json"
	run bash -c '"$1" "$2" >/dev/full' - "$REPORT" "$SAMPLES/sample.json"
	assert_failure 2
	assert_output --partial 'No space left'
	assert_equal "${#lines[@]}" 1
}

@test "a reader that has seen enough ends it without a word" {
	run bash -c 'set -o pipefail; "$1" --csv "$2" 2>"$3" | head -n 1' - "$REPORT" "$SAMPLES/sample.json" "$BATS_TEST_TMPDIR/err"
	assert_output --partial time,host,pid
	assert_equal "$(cat "$BATS_TEST_TMPDIR/err")" ''
}

@test "bad input gets one line that names it and what is accepted" {
	local log=$SAMPLES/sample.json
	refused 'no FILE is given' --json
	refused '/none: No such file' /none "$log"
	refused ': Is a directory' "$BATS_TEST_TMPDIR"
	refused "'vanished' is not accepted; truncated, ended, repaired, .* are" --verdict vanished "$log"
	refused "'0' is not accepted; 1 to 10000 is" --top 0 "$log"
	refused "'ten' is not accepted" --top ten "$log"
	refused "'yesterday' is no time; 2026-11-21, .* are accepted" --since yesterday "$log"
	refused "'2026-02-30' is no time" --until 2026-02-30 "$log"
	refused 'not allowed with' --csv --json "$log"
	refused 'unrecognized arguments: --cvs' --cvs "$log"
	refused 'expected one argument' "$log" --html
	refused 'standard input' - -
	refused '--peers goes with --prometheus' --peers "$log"
	refused '--html and --output' --html a -o b "$log"
	if [ "$(id -u)" -eq 0 ]; then
		run setpriv --reuid 65534 --clear-groups "$REPORT" "$BATS_TEST_TMPDIR/secret" </dev/null
	fi
	printf '' >"$BATS_TEST_TMPDIR/secret"
	chmod 0 "$BATS_TEST_TMPDIR/secret"
	run setpriv --bounding-set -dac_override,-dac_read_search --inh-caps=-all "$REPORT" "$BATS_TEST_TMPDIR/secret"
	assert_failure 2
	assert_output --partial 'secret: Permission denied'
}

@test "--help names every option, and so does the manual page; --version tells the version" {
	local option
	report 0 --help
	grep -o "add_argument('[^)]*" "$PROJECT/scripts/report/command.py" | grep -o -- '--[a-z]*' >"$BATS_TEST_TMPDIR/options"
	assert [ "$(wc -l <"$BATS_TEST_TMPDIR/options")" -eq 15 ]
	while read -r option; do
		assert_output --partial -- "$option"
		grep -qF -- "Fl ${option#-}" "$PROJECT/scripts/closenotify-report.1"
	done <"$BATS_TEST_TMPDIR/options"
	report 0 --version
	assert_output "closenotify-report $(sed -n 's/^VERSION := //p' "$PROJECT/Makefile")"
	make -s -C "$PROJECT" install BUILD="$BUILD" DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr >/dev/null
	run "$BATS_TEST_TMPDIR/root/usr/bin/closenotify-report" --version
	assert_output "closenotify-report $(sed -n 's/^VERSION := //p' "$PROJECT/Makefile")"
	assert [ -e "$BATS_TEST_TMPDIR/root/usr/share/man/man1/closenotify-report.1" ]
	run diff <("$BATS_TEST_TMPDIR/root/usr/bin/closenotify-report" --html - "$SAMPLES/sample.json") \
		<("$REPORT" --html - "$SAMPLES/sample.json")
	assert_output '' # the same, with its parts from below share
	make -s -C "$PROJECT" uninstall BUILD="$BUILD" DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/usr >/dev/null
	assert_equal "$(find "$BATS_TEST_TMPDIR/root" ! -type d)" ''
}

@test "it is written in the Python of 3.9, with the standard library alone" {
	python3 - "$REPORT" "$PROJECT"/scripts/report/*.py <<-'END'
		import ast, importlib.util, sys, sysconfig
		def standard(name):
		    where = importlib.util.find_spec(name).origin
		    return where in ('built-in', 'frozen') or where.startswith(sysconfig.get_path('stdlib')) and '-packages' not in where
		assert len(sys.argv) > 5
		for name in sys.argv[1:]:
		    nodes = list(ast.walk(ast.parse(open(name).read(), feature_version=(3, 9))))
		    used = {name.name.split('.')[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
		    used |= {node.module.split('.')[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
		    assert all(map(standard, used - {'report'})), used
	END
}
