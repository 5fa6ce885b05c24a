# SPDX-License-Identifier: MIT
"""The page: complete in itself, its tables whole without JavaScript."""
import base64
import hashlib
import html
import json
import os

from .figures import ALIKE, peer_of
from .schema import FAULTS, TRUNCATED, VERDICTS
from .text import bucket_time, notes, share, span
from .words import amount, clean, count_of, duration, end_of_peer, percent, plain


def beside(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding='utf-8') as file:
        return file.read()


STYLE, SCRIPT = beside('page.css'), beside('page.js')


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def embedded(value):
    """JSON that nothing in it can end, inside a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(',', ':'))
    return text.replace('&', '\\u0026').replace('<', '\\u003c').replace('>', '\\u003e').replace('\x7f', '\\u007f')


def tables_of(f):
    """The tables of the page: columns, and rows of cells with what the filters ask for."""
    def row(cells, entry, programs=(), peer=''):
        return {'cells': cells, 'programs': programs, 'peer': peer, 'verdicts': list(entry['verdicts'])}

    numbers = ('connections', 'truncated_by_us', 'truncated_by_peer', 'repaired', 'failed')
    return {
        'programs': {
            'title': 'Programs',
            'what': 'Cut by it: the program ended without close_notify. Cut by peer: the other side did.',
            'columns': ['Program', 'Role', 'Connections', 'Cut by it', 'Cut by peer', 'Repaired', 'Failed'],
            'rows': [row([p['program'], p['role'], *(p[key] for key in numbers)], p, [p['program']])
                     for p in f['programs']['rows']],
            'left_out': f['programs']['left_out']},
        'sites': {
            'title': 'Call sites', 'what': 'Where programs leave out or spoil the end of a connection, repaired or not.',
            'columns': ['What happens', 'Caller', 'Connections', 'Cut by it', 'Repaired'],
            'rows': [row([s['text'], s['caller'] or 'not known', s['connections'], s['truncated_by_us'], s['repaired']],
                         s, [s['program']], s['peer']) for s in f['call_sites']['rows']],
            'left_out': f['call_sites']['left_out']},
        'peers': {
            'title': 'Peers', 'what': 'Servers by address and port, clients by address.',
            'columns': ['Peer', 'Name', 'Role', 'Connections', 'Cut by it', 'How', 'Cut by us'],
            'rows': [row([p['peer'], p['sni'], p['role'], p['connections'], p['truncated_by_peer'],
                          ', '.join(f'{end_of_peer(end)} {number:,}' for end, number in sorted(
                              p['peer_ends'].items(), key=lambda item: -item[1])), p['truncated_by_us']],
                         p, p['programs'], p['peer']) for p in f['peers']['rows']],
            'left_out': f['peers']['left_out']},
    }


def page(f, drawn, left, out):
    """The page; drawn is a list of (end record, Lanes)."""
    def say(text):
        out.write(text.encode('ascii', 'xmlcharrefreplace').decode())

    esc = html.escape
    tables = tables_of(f)
    tables['lanes'] = {'rows': [{
        'cells': [clean(end['program']), clean(end['peer'] or ''), plain(end['verdict']), clean(end['caller'] or ''),
                  lanes.name],
        'programs': [clean(end['program'])], 'peer': clean(peer_of(end)), 'verdicts': [end['verdict']],
    } for end, lanes in drawn]}

    csp = ("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
           f'style-src {digest(STYLE)}; script-src {digest(SCRIPT)}')
    say(f'''<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>closenotify: {amount(f["truncated"])} of {count_of(f["connections"], "connection")} truncated</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#programs">Skip to the tables</a>
<header>
<h1>How TLS connections ended</h1>
<p class="soft">{esc(span(f) or "no records")}{", " + count_of(f["hosts"], "host") if f["hosts"] else ""}</p>
</header>
<main>
''')
    repaired, failed = f['verdicts'].get('repaired', 0), f['verdicts'].get('failed', 0)
    say('<dl class="numbers">\n')
    for name, number, kind in (('Connections', f['connections'], ''), ('Truncated', f['truncated'], 'bad'),
                               ('Repaired', repaired, 'mended'), ('Failed', failed, ''),
                               ('Records lost', f['lost'], 'bad')):
        part = percent(number, f['connections']) if name in ('Truncated', 'Repaired', 'Failed') and number else ''
        say(f'<div><dt>{name}</dt><dd{f" class={kind}" if kind and number else ""}>{amount(number)}'
            f'{f" <small>{part}</small>" if part else ""}</dd></div>\n')
    say('</dl>\n')
    remarks = notes(f)
    if remarks:
        say(f'<p class="soft"><a href="#notes">{count_of(len(remarks), "note")} on this log</a> at the foot of the page.</p>\n')
    if f['next']:
        say('<h2 id="next">What to do next</h2>\n<ul class="notes">\n' +
            ''.join(f'<li>{esc(step["text"])}</li>\n' for step in f['next']) + '</ul>\n')
    figure(f['timeline'], say)
    for name, title, head, words, known in (
            ('how', 'How they ended', 'Verdict', f['verdicts'], VERDICTS),
            ('faults', 'What the programs did wrong, repaired or not', 'Fault', f['faults'], FAULTS)):
        if words:
            say(f'<h2 id="{name}">{title}</h2>\n<div class="wide" tabindex="0" role="region" aria-labelledby="{name}">'
                f'<table class="words">\n<caption class="hidden">{title}</caption>\n<thead><tr><th scope="col">{head}</th>'
                '<th scope="col" class="number">Number</th><th scope="col" class="number">Of connections</th>'
                '<th scope="col">Meaning</th></tr></thead>\n<tbody>\n')
        for word, number in words.items():
            bad = ' class="bad"' if word in TRUNCATED else ' class="mended"' if word == 'repaired' else ''
            say(f'<tr><th scope="row"{bad}>{plain(word)}</th><td class="number">{amount(number)}</td><td class="number">'
                f'{share(f, word) if known is VERDICTS else percent(number, f["connections"])}</td><td class="text">{esc(known[word] or plain(word))}</td></tr>\n')
        if words:
            say('</tbody></table></div>\n')
    say('<form id="filters" role="search" aria-label="Filter the tables" hidden>\n'
        '<div><label for="verdict">Verdict</label><select id="verdict" name="verdict"><option value="">all</option>')
    say(''.join(f'<option value="{word}">{plain(word)}</option>' for word in f['verdicts']))
    say('</select></div>\n<div><label for="program">Program</label><select id="program" name="program">'
        '<option value="">all</option>')
    say(''.join(f'<option>{esc(name)}</option>' for name in sorted({p['program'] for p in f['programs']['rows']})))
    say('</select></div>\n<div><label for="peer">Peer contains</label>'
        '<input id="peer" name="peer" autocomplete="off"></div>\n'
        '<div><label for="text">Any text</label><input id="text" name="text" type="search" autocomplete="off"></div>\n'
        '<div><button type="button">Show all</button></div>\n</form>\n'
        '<noscript><p class="soft">Sorting and filtering need JavaScript; the tables are whole without it.</p></noscript>\n'
        '<p id="said" class="hidden" role="status"></p>\n')
    for name in ('programs', 'sites', 'peers'):
        html_table(name, tables[name], say)

    say('<h2 id="lanes">Connections</h2>\n')
    say(f'<p class="soft">{count_of(len(drawn), "truncated connection")} drawn, at most {ALIKE} of one kind'
        f'{f"; {amount(left)} left out" if left > 0 else ""}. '
        '<code class="whole">closenotify-report --connection ID</code> draws any.</p>\n'
        '<p class="count" id="lanes-count"></p>\n<div data-table="lanes">\n')
    for number, (end, lanes) in enumerate(drawn):
        say(f'<details data-row="{number}"><summary>{esc(clean(end["program"]))} '
            f'<span class="bad">{plain(end["verdict"])}</span> {esc(clean(end["peer"] or ""))} '
            f'<code class="soft">{esc(lanes.name)}</code></summary>\n<div>\n<ul>')
        say(''.join(f'<li>{esc(note)}</li>' for note in lanes.notes))
        say(f'</ul>\n<div class="wide" tabindex="0" role="region" aria-label="Lanes of {esc(lanes.name)}">'
            f'<table class="lanes">\n<thead><tr><th scope="col" class="when">time</th>'
            f'<th scope="col">{esc(lanes.titles[0])}</th>'
            f'<th scope="col" class="wire"><span class="hidden">on the wire</span></th>'
            f'<th scope="col">{esc(lanes.titles[1])}</th></tr></thead>\n<tbody>\n')
        for when, here, wire, rightwards, there, cut in lanes.rows:
            arrow = ''
            if wire:
                arrow = f'<b class="{"right" if rightwards else "left"}{" bad" if cut else ""}">{wire}</b>'
            say(f'<tr><td class="when">{esc(when)}</td><td>{spans(here)}</td><td class="wire">{arrow}</td>'
                f'<td>{spans(there)}</td></tr>\n')
        say('</tbody></table></div>\n</div></details>\n')
    say('</div>\n')
    if remarks:
        say('<h2 id="notes">To note</h2>\n<ul class="notes">\n' +
            ''.join(f'<li>{esc(line.strip())}</li>\n' for line in remarks) + '</ul>\n')
    say('</main>\n<footer>Made by closenotify-report. This page asks nothing of any network.</footer>\n')
    say(f'<script type="application/json" id="data">{embedded({"report": f, "tables": tables})}</script>\n'
        f'<script>{SCRIPT}</script>\n</body>\n</html>\n')


def spans(texts):
    return ''.join(f'<span>{html.escape(text)}</span>' for text in texts)


def html_table(name, table, say):
    esc, columns_of = html.escape, table['columns']
    numeric = [bool(table['rows']) and type(table['rows'][0]['cells'][i]) is int for i in range(len(columns_of))]
    say(f'<h2 id="{name}">{table["title"]}</h2>\n<p class="soft">{esc(table["what"])}</p>\n')
    if not table['rows']:
        say('<p>None.</p>\n')
        return
    say(f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}"><table data-table="{name}">\n'
        f'<caption class="hidden">{table["title"]}</caption>\n<thead><tr>')
    for i, head in enumerate(columns_of):
        say(f'<th scope="col"{" class=number" if numeric[i] else ""}>{head}</th>')
    say('</tr></thead>\n<tbody>\n')
    for number, row in enumerate(table['rows']):
        say(f'<tr data-row="{number}">')
        for i, cell in enumerate(row['cells']):
            if numeric[i]:
                kind = ' none' if not cell else ' bad' if columns_of[i].startswith('Cut by') else \
                    ' mended' if columns_of[i] == 'Repaired' else ''
                say(f'<td class="number{kind}">{amount(cell)}</td>')
            elif i == 0:
                say(f'<th scope="row">{esc(cell)}</th>')
            else:
                say(f'<td{" class=whole" if columns_of[i] == "Role" else ""}>{esc(cell)}</td>')
        say('</tr>\n')
    say(f'</tbody></table></div>\n<p class="count" id="{name}-count"></p>\n')
    if table['left_out']:
        say(f'<p class="count">{amount(table["left_out"])} more left out; --top shows more.</p>\n')


def round_up(number):
    """To 1, 2 or 5 and zeros: the top of a scale."""
    step = 1
    while True:
        for top in (step, 2 * step, 5 * step):
            if number <= top:
                return top
        step *= 10


def figure(timeline, say):
    """The timeline as bars, truncated ones at the foot, and as a table for those who don't see bars."""
    buckets, width = timeline['buckets'], timeline['bucket_us']
    if not buckets:
        return
    top = round_up(max(bucket['connections'] for bucket in buckets))
    scale = [top, top // 2, 0] if top > 1 else [top, 0]
    if top == 5:
        scale = [5, 0]
    say('<h2 id="when">When</h2>\n<figure>\n<p class="legend"><span class="key all"></span>connections, '
        f'<span class="key cut"></span>of them truncated; a bar is {duration(width)}</p>\n<div class="chart">\n'
        '<div class="scale" aria-hidden="true">' + ''.join(f'<span>{amount(mark)}</span>' for mark in scale) + '</div>\n'
        f'<svg viewBox="0 0 {len(buckets) * 10} 100" preserveAspectRatio="none" role="img" '
        'aria-label="Connections over time, truncated ones at the foot; as a table below">\n')
    for mark in scale[:-1]:
        y = 100 - 100 * mark / top
        say(f'<line x1="0" x2="{len(buckets) * 10}" y1="{y:.1f}" y2="{y:.1f}"/>\n')
    for i, bucket in enumerate(buckets):
        if not bucket['connections']:
            continue
        tall = max(100 * bucket['connections'] / top, 1)
        bad = max(100 * bucket['truncated'] / top, 1) if bucket['truncated'] else 0
        title = (f'{bucket_time(bucket, width)}: {bucket["truncated"]:,} of '
                 f'{count_of(bucket["connections"], "connection")} truncated')
        say(f'<g><title>{title}</title>'
            f'<rect class="all" x="{i * 10 + 1}" y="{100 - tall:.1f}" width="8" height="{tall:.1f}"/>')
        if bad:
            say(f'<rect class="cut" x="{i * 10 + 1}" y="{100 - bad:.1f}" width="8" height="{bad:.1f}"/>')
        say('</g>\n')
    times = [bucket_time(bucket, width) for bucket in (buckets[0], buckets[len(buckets) // 2], buckets[-1])]
    say('</svg>\n</div>\n<figcaption>' + ''.join(
        f'<span>{text}</span>' for text in (times if len(buckets) > 2 else sorted(set(times)))) + '</figcaption>\n</figure>\n'
        '<details><summary>As a table (UTC)</summary><div><table>\n<thead><tr><th scope="col">From</th>'
        '<th scope="col" class="number">Connections</th><th scope="col" class="number">Truncated</th>'
        '</tr></thead>\n<tbody>\n')
    for bucket in buckets:
        if bucket['connections']:
            say(f'<tr><th scope="row">{bucket_time(bucket, width)}</th>'
                f'<td class="number">{amount(bucket["connections"])}</td>'
                f'<td class="number">{amount(bucket["truncated"])}</td></tr>\n')
    say('</tbody></table></div></details>\n')
