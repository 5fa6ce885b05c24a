# SPDX-License-Identifier: MIT
"""For other programs: CSV, Prometheus, OpenTelemetry."""
import csv
import itertools
import json

from .schema import COLUMNS, TRUNCATED
from .words import clean, plain


def csv_cell(value):
    if value is None:
        return ''
    if type(value) is list:
        value = '; '.join(value)
    if type(value) is bool:
        return 'true' if value else 'false'
    if type(value) is not str:
        return value
    value = clean(value)
    # A spreadsheet takes what begins so for a formula, after blanks too.
    return "'" + value if value.lstrip()[:1] in ('=', '+', '-', '@', '\uff1d', '\uff0b', '\uff0d', '\uff20') else value


def csv_ends(reader, out):
    """Writes the end records; says whether a truncation is among them."""
    writer = csv.writer(out, lineterminator='\r\n')
    records = reader.records()
    first = next(records, None)  # fails before anything is written, if it does
    writer.writerow(COLUMNS)
    truncated = False
    for record, _ in itertools.chain([first] if first else [], records):
        if record['event'] == 'end':
            writer.writerow([csv_cell(record.get(column)) for column in COLUMNS])
            truncated = truncated or record['verdict'] in TRUNCATED
    return truncated


# Keys of a record that OpenTelemetry has a name for; the others get the prefix closenotify. in front of their own. What
# is local is the client's or the server's by role, and so is the peer.
OTEL_RESOURCE = {'host': 'host.name', 'pid': 'process.pid', 'program': 'process.executable.name'}
OTEL_NAMES = {'sni': 'tls.client.server_name'}
OTEL_PAIRS = {'client': ('client', 'server'), 'server': ('server', 'client'), 'unknown': ('network.local', 'network.peer')}


def address_and_port(text):
    """ADDRESS:PORT or [ADDRESS]:PORT apart; the port is None where there is none."""
    address, colon, port = text.rpartition(':')
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5:
        return text, None
    return address[1:-1] if address[:1] == '[' and address[-1:] == ']' else address, int(port)


def otel_value(value):
    """As OTLP writes it in JSON: a whole number is a text there."""
    if type(value) is bool:
        return {'boolValue': value}
    if type(value) is int:
        return {'intValue': str(value)}
    if type(value) is list:
        return {'arrayValue': {'values': [otel_value(one) for one in value]}}
    return {'stringValue': clean(value)}


def otel_attributes(pairs):
    return [{'key': key, 'value': otel_value(value)} for key, value in pairs if value is not None]


def otel_record(record, moment):
    mine, other = OTEL_PAIRS.get(record['role'], OTEL_PAIRS['unknown'])
    pairs = []
    for key in COLUMNS:
        value = record.get(key)
        if value is None or key in OTEL_RESOURCE or key == 'time':
            continue
        if key in ('local', 'peer'):
            side = mine if key == 'local' else other
            address, port = address_and_port(value)
            pairs += [(f'{side}.address', address), (f'{side}.port', port)]
        elif key == 'tls':
            name, _, number = value.partition('v')
            pairs += [('tls.protocol.name', name.lower()), ('tls.protocol.version', number or None)]
        else:
            pairs.append((OTEL_NAMES.get(key, f'closenotify.{key}'), value))
    severity = (13, 'WARN') if record['verdict'] in (*TRUNCATED, 'failed') else (9, 'INFO')
    return {'resourceLogs': [{
        'resource': {'attributes': otel_attributes((name, record[key]) for key, name in OTEL_RESOURCE.items())},
        'scopeLogs': [{'scope': {'name': 'closenotify'}, 'logRecords': [{
            'timeUnixNano': str(max(moment, 0) * 1000), 'severityNumber': severity[0], 'severityText': severity[1],
            'eventName': 'closenotify.end', 'body': {'stringValue': plain(record['verdict'])},
            'attributes': otel_attributes(pairs)}]}]}]}


def otel_ends(reader, out):
    """Writes the end records, an ExportLogsServiceRequest a line; says whether a truncation is among them."""
    truncated = False
    for record, moment in reader.records():
        if record['event'] == 'end':
            out.write(json.dumps(otel_record(record, moment), separators=(',', ':')).replace('\x7f', '\\u007f') + '\n')
            truncated = truncated or record['verdict'] in TRUNCATED
    return truncated


def label(value):
    return clean(value).replace('\\', '\\\\').replace('"', '\\"')


def prometheus(report, reader, out, top, peers):
    def metric(name, kind, text, samples):
        out.write(f'# HELP {name} {text}\n# TYPE {name} {kind}\n')
        for labels, value in samples:
            shown = ','.join(f'{key}="{label(word)}"' for key, word in labels.items())
            out.write(f'{name}{{{shown}}} {value}\n' if labels else f'{name} {value}\n')

    # A label value for each program, but not for each of a thousand.
    named = {key[0] for key, _ in report.programs.worst()[:200]}
    cells = {}
    for (program, role, verdict, fault), row in report.cells.rows.items():
        key = (program if program in named else 'other', role, verdict, fault)
        cells[key] = cells.get(key, 0) + row.ends()
    if report.cells.others.ends():
        for verdict, number in report.cells.others.verdicts.items():
            key = ('other', 'unknown', verdict, 'unknown')
            cells[key] = cells.get(key, 0) + number
    metric('closenotify_connections_total', 'counter', 'Ends of TLS connections in the log, by verdict and fault.',
           [(dict(zip(('program', 'role', 'verdict', 'fault'), key)), number) for key, number in sorted(cells.items())])
    if peers:
        metric('closenotify_peer_connections_total', 'counter',
               'Ends of TLS connections in the log, by peer, of the peers that truncate most.',
               [({'peer': peer, 'role': role, 'verdict': verdict}, number)
                for (peer, role), row in report.peers.worst()[:top] for verdict, number in sorted(row.verdicts.items())])
    metric('closenotify_lost_records_total', 'counter', 'Records that the log could not take.', [({}, report.lost)])
    metric('closenotify_broken_lines', 'gauge', 'Lines of the log that are no records.', [({}, reader.broken)])
    metric('closenotify_strange_lines', 'gauge', 'Lines of the log of a kind or version that is not known.',
           [({}, sum(reader.strange.values()))])
    if report.last is not None:
        metric('closenotify_last_record_timestamp_seconds', 'gauge', 'Time of the latest record.',
               [({}, f'{report.last / 1000000:.6f}')])
