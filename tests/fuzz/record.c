/* SPDX-License-Identifier: MIT
 * The log's writers: whatever the names from outside are, each record is shorter than PIPE_BUF and valid in its form.
 *
 * An input is: FIELDS, that many times KIND and what it needs, then what the program, the host, functions and modules
 * are called. There are as many strings from outside as the greatest record has, and more numbers. */
#include "fuzz.h"

#include <limits.h>

#include "../../shim/record.c"
#include "../../shim/format.c"

#define OUTSIDE_MOST                                                                                         \
	6 /* keyed fields of up to WORD_MOST bytes: in an end there are the name and the caller */
#define COUNTS_MOST 22

struct cn_config cn_config;

static char module[600], function[600];

/* Symbols with names of the fuzzer's choice. */
bool cn_object_at(const void *address, struct cn_object *object)
{
	*object = (struct cn_object){.name = module, .start = 1};
	return ((uintptr_t)address + 1) % 5 != 0;
}

const char *cn_object_function(const struct cn_object *object, const void *address, uintptr_t *start)
{
	*start = 1;
	return object && ((uintptr_t)address + 1) % 3 == 0 ? function : NULL;
}

/* --- is it valid? RFC 8259, without escapes that we don't write --- */

struct json {
	const char *at, *end;
	int values;
};

static bool eat(struct json *json, char c)
{
	if (json->at == json->end || *json->at != c)
		return false;
	json->at++;
	return true;
}

static bool eat_string(struct json *json)
{
	if (!eat(json, '"'))
		return false;
	while (json->at < json->end && *json->at != '"') {
		if (*json->at < 0x20 || *json->at > 0x7e)
			return false;
		if (*json->at == '\\') {
			if (json->end - json->at < 6 || memcmp(json->at, "\\u00", 4) != 0 ||
			    !strchr("0123456789abcdef", json->at[4]) ||
			    !strchr("0123456789abcdef", json->at[5]))
				return false;
			json->at += 5;
		}
		json->at++;
	}
	return eat(json, '"');
}

static bool eat_word(struct json *json, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
		return false;
	json->at += length;
	return true;
}

static bool eat_number(struct json *json)
{
	const char *start;

	eat(json, '-');
	start = json->at;
	while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
		json->at++;
	return json->at > start && (*start != '0' || json->at == start + 1);
}

static bool eat_value(struct json *json);

static bool eat_all(struct json *json, char open, char close)
{
	if (!eat(json, open))
		return false;
	if (eat(json, close))
		return true;
	do {
		if (open == '{' && !(eat_string(json) && eat(json, ':')))
			return false;
		if (!eat_value(json))
			return false;
	} while (eat(json, ','));
	return eat(json, close);
}

static bool eat_value(struct json *json)
{
	json->values++;
	switch (json->at < json->end ? *json->at : 0) {
	case '{':
		return eat_all(json, '{', '}');
	case '[':
		return eat_all(json, '[', ']');
	case '"':
		return eat_string(json);
	default:
		return eat_word(json, "null") || eat_word(json, "true") || eat_word(json, "false") ||
		       eat_number(json);
	}
}

static void is_json(const char *bytes, size_t length, int values)
{
	struct json json = {bytes, bytes + length, 0};

	HOLD(eat_all(&json, '{', '}') && eat(&json, '\n') && json.at == json.end);
	HOLD(json.values >= values); /* a list may be cut, but nothing with a name */
}

/* --- the record --- */

static void take_string(struct input *in, char *into, size_t size)
{
	size_t length = take_byte(in) * 3U;

	length = take_bytes(in, into, length < size - 1 ? length : size - 1);
	into[length] = '\0';
}

static int64_t take_number(struct input *in)
{
	int64_t number = 0;

	take_bytes(in, &number, take_byte(in) % (sizeof(number) + 1));
	return number;
}

/* Returns how many values with a name it has. */
static int fill(struct cn_record *r, struct input *in, char strings[OUTSIDE_MOST][600])
{
	static const char *const words[] = {
		"open",           NULL,      "close_notify+half_close",
		"127.0.0.1:8443", "TLSv1.3", "[2001:db8::1234:5678:9abc:def0]:65535"};
	int outside = 0, counts = 0, names = 0, list = 0;

	for (int left = take_byte(in) % 40; left > 0; left--) {
		uint8_t kind = take_byte(in);
		struct cn_field field = {.key = "unacknowledged"};

		if (!(kind & 8) && (kind % 8 == 1 || kind % 8 == 4) && outside++ >= OUTSIDE_MOST)
			continue;
		if (kind % 8 != 1 && kind % 8 != 4 && counts++ >= COUNTS_MOST)
			continue;
		switch (kind % 8) {
		case 0:
			field.kind = CN_FIELD_WORD;
			field.word = words[kind / 8 % 6];
			break;
		case 1:
			field.kind = CN_FIELD_OUTSIDE;
			if (!(kind & 8)) {
				take_string(in, strings[outside - 1], sizeof(strings[0]));
				field.word = strings[outside - 1];
			}
			break;
		case 2:
			field.kind = CN_FIELD_COUNT;
			field.count = take_number(in);
			break;
		case 3:
			field.kind = CN_FIELD_NUMBER;
			field.count = kind & 8 ? CN_NO_NUMBER : take_number(in);
			break;
		case 4:
			field.kind = CN_FIELD_CODE;
			field.code = kind & 8 ? NULL : (const void *)(uintptr_t)(2 + kind);
			break;
		case 5:
			field.kind = CN_FIELD_FLAG;
			field.count = (int)(kind / 8 % 3) - 1;
			break;
		default:
			if (list++)
				continue;
			/* as how many ended how; or as the backtrace, after which nothing comes */
			left = kind & 1 ? left : 1;
			cn_record_add(r, (struct cn_field){
						 kind & 1 ? CN_FIELD_OBJECT : CN_FIELD_LIST, "list", {0}});
			for (int n = kind / 8; n > 0 && r->count < r->most - left - 1; n--) {
				if (kind & 1)
					cn_record_add(
						r, (struct cn_field){CN_FIELD_COUNT, "ended", {.count = n}});
				else
					cn_record_add(r,
						      (struct cn_field){
							      CN_FIELD_CODE,
							      NULL,
							      {.code = (const void *)(uintptr_t)(99 + n)}});
			}
			field = (struct cn_field){CN_FIELD_END, NULL, {0}};
		}
		names++;
		cn_record_add(r, field);
	}
	return names;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char strings[OUTSIDE_MOST][600];
	struct cn_text text;
	struct cn_field fields[48];
	struct cn_record r = {.event = "end",
			      .phrases = {"truncated by us", ": closed without a word"},
			      .fields = fields,
			      .most = sizeof(fields) / sizeof(*fields)};
	struct input in = {data, size};
	int names;

	r.time.tv_sec = take_number(&in) & 0x3fffffffff; /* a year of four digits or five */
	r.time.tv_nsec = (long)(take_number(&in) & 0x1fffffff);
	names = fill(&r, &in, strings);
	take_string(&in, cn_config.program, sizeof(cn_config.program));
	take_string(&in, cn_config.host, sizeof(cn_config.host));
	take_string(&in, module, sizeof(module));
	take_string(&in, function, sizeof(function));

	text.length = 0;
	cn_record_as_json(&r, &text);
	HOLD(text.length < PIPE_BUF);
	is_json(text.bytes, text.length, names);

	text.length = 0;
	cn_record_as_text(&r, &text);
	HOLD(text.length < PIPE_BUF && text.bytes[text.length - 1] == '\n');
	HOLD(is_printable(text.bytes, text.length - 1));

	text.length = 0;
	cn_record_as_syslog(&r, &text, false);
	HOLD(text.length < PIPE_BUF && is_printable(text.bytes, text.length));
	text.length = 0;
	cn_record_as_syslog(&r, &text, true);
	HOLD(text.length < PIPE_BUF);
	is_json(strchr(text.bytes, '{'), text.length - (size_t)(strchr(text.bytes, '{') - text.bytes), names);

	text.length = 0;
	cn_record_as_journal(&r, &text);
	HOLD(text.length < PIPE_BUF && text.bytes[text.length - 1] == '\n');
	for (char *line = text.bytes, *end = text.bytes + text.length; line < end;) {
		char *next = memchr(line, '\n', (size_t)(end - line));

		HOLD(is_printable(line, (size_t)(next - line)) && memchr(line, '=', (size_t)(next - line)));
		HOLD(*line >= 'A' && *line <= 'Z');
		line = next + 1;
	}
	return 0;
}
