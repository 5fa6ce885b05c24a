-- SPDX-License-Identifier: MIT
-- The totals of closenotify-report, by DuckDB, for logs of many gigabytes. Set the files first:
--   SET VARIABLE logs = '/var/log/closenotify/*.json*';
-- A line that is no JSON object is left out and counted. Unlike the report it does not hold the others against the schema:
-- run the report on a part of the log to learn whether there are broken lines.
CREATE OR REPLACE TEMP VIEW lines AS
SELECT * FROM read_json(getvariable('logs'), format = 'newline_delimited', ignore_errors = true, columns = {
  v: 'INTEGER', event: 'VARCHAR', time: 'VARCHAR', host: 'VARCHAR', pid: 'BIGINT', program: 'VARCHAR', role: 'VARCHAR',
  peer: 'VARCHAR', verdict: 'VARCHAR', fault: 'VARCHAR', peer_end: 'VARCHAR', cause: 'VARCHAR', caller: 'VARCHAR',
  lost: 'BIGINT', message: 'VARCHAR'});

-- What is held elsewhere has not ended and is no connection.
CREATE OR REPLACE TEMP VIEW connections AS
SELECT *, verdict IN ('truncated_by_us', 'truncated_by_both') AS by_us,
  verdict IN ('truncated_by_peer', 'truncated_by_both') AS by_peer,
  CASE WHEN peer IS NULL THEN 'unknown' WHEN role = 'client' THEN peer
    ELSE coalesce(nullif(regexp_replace(peer, ':[^:]*$', ''), ''), peer) END AS counted_peer
FROM lines WHERE v = 1 AND event = 'end' AND verdict <> 'held_elsewhere';

CREATE OR REPLACE TEMP TABLE totals AS
WITH by_program AS (
  SELECT program, role, count(*) AS connections, count(*) FILTER (by_us) AS truncated_by_us,
    count(*) FILTER (by_peer) AS truncated_by_peer, count(*) FILTER (verdict = 'repaired') AS repaired,
    count(*) FILTER (verdict = 'failed') AS failed
  FROM connections GROUP BY ALL),
by_peer AS (
  SELECT counted_peer AS peer, role, count(*) AS connections, count(*) FILTER (by_peer) AS truncated_by_peer
  FROM connections GROUP BY ALL),
by_site AS (
  SELECT program, role, caller, cause, fault, count(*) AS connections, count(*) FILTER (by_us) AS truncated_by_us,
    count(*) FILTER (verdict = 'repaired') AS repaired
  FROM connections WHERE fault <> 'none' OR by_us GROUP BY ALL),
all_lines AS (
  SELECT count(*) AS lines, count(DISTINCT host) FILTER (v = 1) AS hosts, min(time) FILTER (v = 1) AS "from",
    max(time) FILTER (v = 1) AS "to", coalesce(sum(lost) FILTER (v = 1 AND event = 'lost'), 0)::BIGINT AS lost,
    count(*) FILTER (v = 1 AND event = 'end' AND verdict = 'held_elsewhere') AS held
  FROM lines)
SELECT 'all' AS kind, to_json({lines: lines, hosts: hosts, "from": "from", "to": "to", lost: lost,
  connections: (SELECT count(*) FROM connections), held_elsewhere: held,
  truncated: (SELECT count(*) FROM connections WHERE by_us OR by_peer)}) AS figures FROM all_lines
UNION ALL SELECT 'verdict', to_json({word: verdict, number: count(*)}) FROM connections GROUP BY verdict
UNION ALL SELECT 'fault', to_json({word: fault, number: count(*)}) FROM connections WHERE fault <> 'none' GROUP BY fault
UNION ALL SELECT 'program', to_json(by_program) FROM by_program
UNION ALL SELECT 'peer', to_json(by_peer) FROM by_peer
UNION ALL SELECT 'site', to_json(by_site) FROM by_site;

SELECT kind, figures FROM totals ORDER BY kind, CAST(figures->>'connections' AS BIGINT) DESC NULLS LAST, figures;
