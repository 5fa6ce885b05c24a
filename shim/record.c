/* SPDX-License-Identifier: MIT
 * A record of the log, as text, JSON, a syslog line or journald's fields. Invariant: valid, and less than PIPE_BUF bytes:
 * what could be long is cut, and what does not fit into the rest of the line is left out. */
#include "record.h"
#include "config.h"
#include "object.h"

#include <string.h>
#include <unistd.h>

#define WORD_MOST 256 /* bytes of a value, escaped */
#define TAIL_ROOM (WORD_MOST + 64)
#define FACILITY  8 /* user */

#ifndef CN_VERSION /* the Makefile has it */
#define CN_VERSION "unknown"
#endif

#define INFO    6
#define WARNING 4

void cn_record_add(struct cn_record *record, struct cn_field field)
{
	if (record->count < record->most)
		record->fields[record->count++] = field;
}

static bool is_unknown(const struct cn_field *f)
{
	switch (f->kind) {
	case CN_FIELD_COUNT:
	case CN_FIELD_FLAG:
		return f->count < 0;
	case CN_FIELD_NUMBER:
		return f->count == CN_NO_NUMBER;
	case CN_FIELD_CODE:
		return !f->code;
	case CN_FIELD_WORD:
	case CN_FIELD_OUTSIDE:
		return !f->word;
	default:
		return false;
	}
}

/* MODULE(SYMBOL+0xOFFSET), as backtrace_symbols(3) writes it. A return address: the call is before it. */
static void put_code(struct cn_text *text, const void *code)
{
	const char *before = (const char *)code - 1, *base, *name;
	struct cn_object object;
	uintptr_t start;

	if (!cn_object_at(before, &object)) {
		cn_put(text, "0x");
		cn_put_hex(text, (uintptr_t)code);
		return;
	}
	name = cn_object_function(&object, before, &start);
	base = strrchr(object.name, '/');
	cn_put_escaped(text,
		       base             ? base + 1
		       : object.name[0] ? object.name
					: cn_config.program,
		       WORD_MOST / 4);
	cn_put(text, "(");
	if (name)
		cn_put_escaped(text, name, WORD_MOST / 2);
	cn_put(text, "+0x");
	cn_put_hex(text, (uintptr_t)code - (name ? start : object.start));
	cn_put(text, ")");
}

static void put_value(struct cn_text *text, const struct cn_field *f)
{
	switch (f->kind) {
	case CN_FIELD_NUMBER:
		cn_put(text, f->count < 0 ? "-" : "");
		cn_put_number(text, (uint64_t)(f->count < 0 ? -f->count : f->count));
		break;
	case CN_FIELD_COUNT:
		cn_put_number(text, (uint64_t)f->count);
		break;
	case CN_FIELD_FLAG:
		cn_put(text, f->count ? "true" : "false");
		break;
	case CN_FIELD_CODE:
		put_code(text, f->code);
		break;
	default:
		cn_put_escaped(text, f->word, WORD_MOST);
	}
}

static bool is_string(const struct cn_field *f)
{
	return f->kind == CN_FIELD_WORD || f->kind == CN_FIELD_OUTSIDE || f->kind == CN_FIELD_CODE;
}

static bool has_room(const struct cn_text *text)
{
	return text->length + TAIL_ROOM < sizeof(text->bytes);
}

/* --- text --- */

static void put_message(struct cn_text *text, const struct cn_record *r)
{
	for (size_t i = 0; i < sizeof(r->phrases) / sizeof(*r->phrases) && r->phrases[i]; i++)
		cn_put(text, r->phrases[i]);
	for (int i = 0; i < r->count && has_room(text); i++) {
		const struct cn_field *f = &r->fields[i];
		bool quoted = f->kind == CN_FIELD_OUTSIDE || f->kind == CN_FIELD_CODE;

		if (f->kind >= CN_FIELD_LIST)
			continue;
		cn_put(text, " ");
		cn_put(text, f->key ? f->key : "from");
		cn_put(text, "=");
		if (is_unknown(f)) {
			cn_put(text, "-");
			continue;
		}
		cn_put(text, quoted ? "\"" : "");
		put_value(text, f);
		cn_put(text, quoted ? "\"" : "");
	}
}

static void put_program(struct cn_text *text)
{
	cn_put_escaped(text, cn_config.program, WORD_MOST);
	cn_put(text, "[");
	cn_put_number(text, (uint64_t)getpid());
	cn_put(text, "] ");
}

void cn_record_as_text(const struct cn_record *r, struct cn_text *text)
{
	cn_put_time(text, r->time.tv_sec, r->time.tv_nsec / 1000);
	cn_put(text, " closenotify: ");
	put_program(text);
	put_message(text, r);
	cn_put(text, "\n");
}

/* --- JSON --- */

static void put_key(struct cn_text *text, const char *key)
{
	cn_put(text, "\"");
	cn_put(text, key);
	cn_put(text, "\":");
}

static void put_pair(struct cn_text *text, const char *key, const char *value)
{
	cn_put(text, ",");
	put_key(text, key);
	cn_put(text, "\"");
	cn_put_escaped(text, value, WORD_MOST);
	cn_put(text, "\"");
}

static void put_json_field(struct cn_text *text, const struct cn_field *f, bool first)
{
	cn_put(text, first ? "" : ",");
	if (f->key)
		put_key(text, f->key);
	if (is_unknown(f)) {
		cn_put(text, "null");
		return;
	}
	cn_put(text, is_string(f) ? "\"" : "");
	put_value(text, f);
	cn_put(text, is_string(f) ? "\"" : "");
}

static void put_json_fields(struct cn_text *text, const struct cn_record *r)
{
	const char *bracket = NULL;
	bool first = false;

	for (int i = 0; i < r->count; i++) {
		const struct cn_field *f = &r->fields[i];

		switch (f->kind) {
		case CN_FIELD_LIST:
		case CN_FIELD_OBJECT:
			cn_put(text, ",");
			put_key(text, f->key);
			cn_put(text, f->kind == CN_FIELD_LIST ? "[" : "{");
			bracket = f->kind == CN_FIELD_LIST ? "]" : "}";
			first = true;
			break;
		case CN_FIELD_END:
			cn_put(text, bracket);
			first = false;
			break;
		default:
			if (f->key || has_room(text)) { /* a list is cut, never a record */
				put_json_field(text, f, first);
				first = false;
			}
		}
	}
}

void cn_record_as_json(const struct cn_record *r, struct cn_text *text)
{
	cn_put(text, "{\"v\":1");
	put_pair(text, "event", r->event);
	cn_put(text, ",\"time\":\"");
	cn_put_time(text, r->time.tv_sec, r->time.tv_nsec / 1000);
	cn_put(text, "\"");
	put_pair(text, "host", cn_config.host);
	cn_put(text, ",\"pid\":");
	cn_put_number(text, (uint64_t)getpid());
	put_pair(text, "program", cn_config.program);
	put_pair(text, "version", CN_VERSION);
	put_json_fields(text, r);
	cn_put(text, "}\n");
}

/* --- the daemons --- */

/* RFC 3164 without its time, which every daemon sets itself: localtime() is for no signal handler. */
void cn_record_as_syslog(const struct cn_record *r, struct cn_text *text, bool json)
{
	cn_put(text, "<");
	cn_put_number(text, FACILITY | (r->bad ? WARNING : INFO));
	cn_put(text, ">closenotify[");
	cn_put_number(text, (uint64_t)getpid());
	cn_put(text, "]: ");
	if (json) {
		cn_record_as_json(r, text);
		return;
	}
	put_program(text);
	put_message(text, r);
}

static void put_upper(struct cn_text *text, const char *key)
{
	char upper[32];
	size_t length = 0;

	for (; *key && length + 1 < sizeof(upper); key++)
		upper[length++] = (char)(*key >= 'a' && *key <= 'z' ? *key & ~0x20 : *key);
	upper[length] = '\0';
	cn_put(text, "CLOSENOTIFY_");
	cn_put(text, upper);
}

static void put_journal_pair(struct cn_text *text, const char *key, const char *value)
{
	cn_put(text, key);
	cn_put(text, "=");
	cn_put_escaped(text, value, WORD_MOST);
	cn_put(text, "\n");
}

void cn_record_as_journal(const struct cn_record *r, struct cn_text *text)
{
	cn_put(text, "MESSAGE=");
	put_program(text);
	for (size_t i = 0; i < sizeof(r->phrases) / sizeof(*r->phrases) && r->phrases[i]; i++)
		cn_put(text, r->phrases[i]);
	cn_put(text, "\nSYSLOG_IDENTIFIER=closenotify\nPRIORITY=");
	cn_put_number(text, r->bad ? WARNING : INFO);
	cn_put(text, "\n");
	put_journal_pair(text, "CLOSENOTIFY_EVENT", r->event);
	put_journal_pair(text, "CLOSENOTIFY_PROGRAM", cn_config.program);
	put_journal_pair(text, "CLOSENOTIFY_VERSION", CN_VERSION);
	for (int i = 0; i < r->count && has_room(text); i++) {
		const struct cn_field *f = &r->fields[i];

		if (f->kind >= CN_FIELD_LIST || is_unknown(f))
			continue;
		put_upper(text, f->key ? f->key : "from");
		cn_put(text, "=");
		put_value(text, f);
		cn_put(text, "\n");
	}
}
