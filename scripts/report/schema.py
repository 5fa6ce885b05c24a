# SPDX-License-Identifier: MIT
"""What a record must be, and what its words mean. Both come from closenotify-record.schema.json and are written nowhere
else: a key or a word that is added there is checked, counted and explained."""
import json
import os
import re
from datetime import datetime, timedelta, timezone

SCHEMA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'closenotify-record.schema.json')
ANNOTATIONS = {'$schema', '$id', '$defs', 'title', 'description', '$ref'}
TYPES = {'string': 'str', 'integer': 'int', 'boolean': 'bool', 'array': 'list', 'object': 'dict'}


class Broken(Exception):
    """The line is no record."""


class Strange(Exception):
    """The line may be a record, of a kind or version that is not known here."""


# --- from the schema to checks ---

with open(SCHEMA, encoding='utf-8') as file:
    ROOT = json.load(file)


def resolved(schema):
    """The schema with its references filled in; what stands beside a reference wins."""
    while '$ref' in schema:
        target = ROOT['$defs'][schema['$ref'].rpartition('/')[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != '$ref'}}
    return schema


def words_of(schema):
    """The words that a value may be, with what each means: {word: text}. Empty if it may be more than some words."""
    schema = resolved(schema)
    choices = schema.get('oneOf', [{'const': word} for word in schema.get('enum', ())])
    return {choice['const']: choice.get('description', '') for choice in choices}


class Compiler:
    """Makes a Python expression of a schema, for a million records want a fast check. Only numbers and names of its own
    making stand in the expression; whatever else the schema has is looked up by such a name."""

    def __init__(self):
        self.names = {}

    def named(self, value):
        name = f'n{len(self.names)}'
        self.names[name] = value
        return name

    def function(self, expression):
        return eval(f'lambda v: {expression}', self.names)

    def expression(self, schema):
        """Tells of the value v whether it is right."""
        schema = resolved(schema)
        if 'oneOf' in schema or 'enum' in schema:
            return f'v in {self.named(frozenset(words_of(schema)))}'
        if 'const' in schema:
            return f'v == {self.named(schema["const"])}'
        # A check that is not known here must not pass unnoticed.
        unknown = set(schema) - ANNOTATIONS - {
            'type', 'pattern', 'maxLength', 'format', 'minimum', 'maximum', 'items', 'maxItems', 'propertyNames',
            'additionalProperties'}
        if unknown:
            raise ValueError(f'{SCHEMA}: {unknown} is not known to closenotify-report')
        kinds = schema['type'] if isinstance(schema['type'], list) else [schema['type']]
        return '(' + ' or '.join(self.of_type(kind, schema) for kind in kinds) + ')'

    def of_type(self, kind, schema):
        if kind == 'null':
            return 'v is None'
        right = [f'type(v) is {TYPES[kind]}']  # not isinstance: True is no number
        if kind == 'string' and 'maxLength' in schema:
            right.append(f'len(v) <= {schema["maxLength"]:d}')
        if kind == 'string' and 'pattern' in schema:
            right.append(f'{self.named(re.compile(schema["pattern"][1:-1]).fullmatch)}(v) is not None')
        if kind == 'integer':
            right.append(f'{schema["minimum"]:d} <= v <= {schema["maximum"]:d}')
        if kind == 'array':
            item = self.named(self.function(self.expression(schema['items'])))
            right.append(f'len(v) <= {schema["maxItems"]:d} and all(map({item}, v))')
        if kind == 'object':
            key, value = (self.named(self.function(self.expression(schema[part])))
                          for part in ('propertyNames', 'additionalProperties'))
            right.append(f'all(map({key}, v)) and all(map({value}, v.values()))')
        return '(' + ' and '.join(right) + ')'


class Kind:
    """Records of one event."""

    def __init__(self, event):
        own = ROOT['$defs'][event]
        self.properties = {**ROOT['properties'], **own['properties']}
        del self.properties['v'], self.properties['event']  # looked at before
        required = set(ROOT['required'] + own['required'])
        self.required = [key for key in self.properties if key in required]
        self.optional = [key for key in self.properties if key not in required]
        compiler = Compiler()
        compiled = {key: compiler.expression(schema) for key, schema in self.properties.items()}
        self.tests = {key: compiler.function(expression) for key, expression in compiled.items()}
        every = [f'((v := r[{key!r}]), {compiled[key]})[1]' for key in self.required]
        every += [f'({key!r} not in r or ((v := r[{key!r}]), {compiled[key]})[1])' for key in self.optional]
        self.right = eval('lambda r: ' + ' and '.join(every), compiler.names)

    def complain(self, record):
        """Raises what is wrong with a record that is not right."""
        for key in self.required:
            if key not in record:
                raise Broken(f'{key} is missing')
        for key, test in self.tests.items():
            if key not in record:
                continue
            value, words = record[key], words_of(self.properties[key])
            if type(value) is dict and all(type(number) is int for number in value.values()):
                names = words_of(resolved(self.properties[key]).get('propertyNames', {}))
                for word in value:
                    if names and word not in names:
                        raise Strange(f'{key}: {word[:40]}')
            try:
                if test(value):
                    continue
            except TypeError:  # a list or an object where a word is looked up
                pass
            if words and type(value) is str:
                raise Strange(f'{key} {value[:40]}')
            raise Broken(f'{key} is not what it may be')
        raise AssertionError('a record that is right')


EVENTS = {event: Kind(event) for event in ROOT['properties']['event']['enum']}
END = EVENTS['end'].properties
VERDICTS, FAULTS, CAUSES, PEER_ENDS, ACTIONS = (
    words_of(END[key]) for key in ('verdict', 'fault', 'cause', 'peer_end', 'action'))
AFTERS = words_of(EVENTS['after'].properties['ended_by'])
TRUNCATED = tuple(word for word in VERDICTS if word.startswith('truncated'))
COLUMNS = EVENTS['end'].required + EVENTS['end'].optional  # of the CSV: a key that is added comes last


# --- time ---

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
minutes = {}  # seconds since 1970 by the first 16 characters of a time: almost all lines share them with the one before


def since_1970(text):
    """Microseconds since 1970 of a time of the log."""
    seconds = minutes.get(text[:16])
    if seconds is None:
        if len(minutes) > 1000:
            minutes.clear()
        try:
            moment = datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]),
                              tzinfo=timezone.utc)
        except ValueError:
            raise Broken('time is not what it may be') from None
        seconds = minutes[text[:16]] = (moment - EPOCH) // timedelta(seconds=1)
    if text[17:19] > '60':
        raise Broken('time is not what it may be')
    return (seconds + int(text[17:19])) * 1000000 + int(text[20:26])


def time_text(microseconds):
    """As in the log."""
    try:
        moment = EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:  # a leap second at the end of the year 9999, or a bucket that begins before the year 1
        return '9999-12-31T23:59:59.999999Z' if microseconds > 0 else '0001-01-01T00:00:00.000000Z'
    return moment.isoformat(timespec='microseconds')[:26] + 'Z'


# --- a line ---

def no_duplicates(pairs):
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Broken('a key that is there twice')
    return record


def no_constant(word):
    raise Broken(f'{word} is no number')


DECODE = json.JSONDecoder(object_pairs_hook=no_duplicates, parse_constant=no_constant).decode


TEXT_FORMAT = 'the text format, not JSON'
TEXT_LINE = re.compile(rb'\bclosenotify(?:\[[0-9]+\])?: .*?\[[0-9]+\] ').search


def decoded(line):
    try:
        return DECODE(line.decode())
    except UnicodeDecodeError:
        raise Broken('not UTF-8') from None
    except RecursionError:
        raise Broken('nested too deep') from None
    except json.JSONDecodeError as error:
        if not line.strip():
            raise Broken('an empty line') from None
        if TEXT_LINE(line):
            raise Broken(TEXT_FORMAT) from None
        raise Broken(f'no JSON: {error.msg} at column {error.colno}') from None
    except ValueError:
        raise Broken('a number with too many digits') from None


def bare(record):
    """What of a record may be kept: of bounded size, unlike keys that the schema does not have."""
    return {key: record[key] for key in ('event', *EVENTS[record['event']].properties) if key in record}


def understood(line):
    """The record of a line of bytes, checked against the schema, and its time in microseconds since 1970. It may have
    more keys. Raises Broken or Strange."""
    record = decoded(line)
    if type(record) is not dict:
        raise Broken('not an object')
    version, event = record.get('v'), record.get('event')
    if type(version) is not int:
        raise Broken('v is missing or no whole number')
    if version != 1:
        raise Strange(f'version {version}' if abs(version) < 1000000 else 'version of many digits')
    if type(event) is not str:
        raise Broken('event is missing or no text')
    kind = EVENTS.get(event)
    if kind is None:
        raise Strange(f'event {event[:40]}')
    try:
        right = kind.right(record)
    except (KeyError, TypeError):
        right = False
    if not right:
        kind.complain(record)
    return record, since_1970(record['time'])
