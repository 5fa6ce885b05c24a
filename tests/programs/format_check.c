/* SPDX-License-Identifier: MIT
 * cn_put_*: no overrun at any fill, escapes that are valid JSON and harmless to a terminal, and a clock that agrees
 * with gmtime_r. Prints a line per failure; exit status 1 if there was one. */
#include "format.c"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GUARD 64

static unsigned int failures;

static void expect(const char *title, const struct cn_text *text, const char *wanted)
{
	size_t length = strlen(wanted);

	if ((text->length != length || memcmp(text->bytes, wanted, length) != 0) && ++failures)
		printf("%s: expected %s, got %.*s\n", title, wanted, (int)text->length, text->bytes);
}

/* --- a full buffer cuts --- */

struct guarded {
	struct cn_text text;
	unsigned char after[GUARD];
};

static void put_plain(struct cn_text *text)
{
	cn_put(text, "0123456789");
}
static void put_number(struct cn_text *text)
{
	cn_put_number(text, UINT64_MAX);
}
static void put_hex(struct cn_text *text)
{
	cn_put_hex(text, UINT64_MAX);
}
static void put_hostile(struct cn_text *text)
{
	cn_put_escaped(text, "\n\x1b\xff", 18);
}
static void put_clock(struct cn_text *text)
{
	cn_put_time(text, 1700000000, 123456);
}

static const struct {
	const char *name;
	void (*put)(struct cn_text *text);
	const char *whole;
} puts_of_all_kinds[] = {
	{"cn_put", put_plain, "0123456789"},
	{"cn_put_number", put_number, "18446744073709551615"},
	{"cn_put_hex", put_hex, "ffffffffffffffff"},
	{"cn_put_escaped", put_hostile, "\\u000a\\u001b\\u00ff"},
	{"cn_put_time", put_clock, "2023-11-14T22:13:20.123456Z"},
};

static void check_cut(void)
{
	const size_t size = sizeof(((struct cn_text *)0)->bytes);

	for (size_t kind = 0; kind < sizeof(puts_of_all_kinds) / sizeof(*puts_of_all_kinds); kind++) {
		const char *whole = puts_of_all_kinds[kind].whole;

		for (size_t room = 0; room <= GUARD; room++) {
			struct guarded g;
			size_t fits = strlen(whole) < room ? strlen(whole) : room;

			memset(&g, '#', sizeof(g));
			g.text.length = size - room;
			puts_of_all_kinds[kind].put(&g.text);
			if (g.text.length != size - room + fits ||
			    memcmp(g.text.bytes + size - room, whole, fits) != 0) {
				failures++;
				printf("%s with room for %zu: not the first %zu bytes\n",
				       puts_of_all_kinds[kind].name, room, fits);
			}
			for (size_t i = 0; i < GUARD; i++) {
				if (g.after[i] != '#' && ++failures)
					printf("%s with room for %zu: overran by %zu\n",
					       puts_of_all_kinds[kind].name, room, i + 1);
			}
			if (room && g.text.bytes[size - room - 1] != '#' && ++failures)
				printf("%s with room for %zu: wrote before its place\n",
				       puts_of_all_kinds[kind].name, room);
		}
	}
}

/* --- numbers --- */

static void check_numbers(void)
{
	static const uint64_t edges[] = {0, 1, 9, 10, 99, 100, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		struct cn_text text = {.length = 0};
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "%" PRIu64, edges[i]);
		cn_put_number(&text, edges[i]);
		expect("number", &text, wanted);
	}
}

/* --- escapes --- */

static void check_escapes(void)
{
	static const struct {
		const char *title, *from, *to;
		size_t most;
	} cases[] = {
		{"plain", "www.example:443 ~!", "www.example:443 ~!", 100},
		{"empty", "", "", 100},
		{"newline, return, tab", "a\nb\r\t", "a\\u000ab\\u000d\\u0009", 100},
		{"ESC, as in a sequence that clears the screen", "\x1b[2J", "\\u001b[2J", 100},
		{"quote and backslash", "\"\\", "\\u0022\\u005c", 100},
		{"DEL", "\x7f", "\\u007f", 100},
		{"UTF-8, byte by byte", "\xc3\xbc", "\\u00c3\\u00bc", 100},
		{"C1 control of an 8 bit terminal", "\x9b", "\\u009b", 100},
		{"cut where no more fits", "abcd", "abc", 3},
		{"an escape is whole or not there", "ab\ncd", "ab", 7},
		{"nothing at all", "abc", "", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cn_text text = {.length = 0};

		cn_put_escaped(&text, cases[i].from, cases[i].most);
		expect(cases[i].title, &text, cases[i].to);
	}
	for (int c = 1; c < 256; c++) {
		struct cn_text text = {.length = 0};
		char string[2] = {(char)c, '\0'}, wanted[8];
		bool harmless = c >= ' ' && c <= '~' && c != '"' && c != '\\';

		snprintf(wanted, sizeof(wanted), harmless ? "%c" : "\\u%04x", c);
		cn_put_escaped(&text, string, 6);
		expect("each byte", &text, wanted);
	}
}

/* `most` is the room of an array that need not end in NUL. */
static void check_unterminated(void)
{
	struct cn_text text = {.length = 0};
	char *four = malloc(4); /* the end of it is what valgrind and ASan watch */

	if (!four)
		return;
	memset(four, 'x', 4);
	cn_put_escaped(&text, four, 4);
	expect("without NUL", &text, "xxxx");
	free(four);
}

/* --- time --- */

static void check_second(int64_t seconds, long microseconds)
{
	struct cn_text text = {.length = 0};
	time_t clock = (time_t)seconds;
	char day[64], wanted[80];
	struct tm parts;

	if (!gmtime_r(&clock, &parts))
		return;
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(wanted, sizeof(wanted), "%s.%06ldZ", day, microseconds);
	cn_put_time(&text, seconds, microseconds);
	expect("time", &text, wanted);
}

static void check_times(void)
{
	static const int64_t edges[] = {
		0,          59,         86399,      86400,      68169599,     68169600,
		951782399,  951782400,  951868799,  951868800,  1078012800,   1709164800,
		1709251199, 1709251200, 2147483647, 2147483648, 4107542399,   4107542400,
		4107628800, 4294967295, 4294967296, 7983014400, 253402300799,
	}; /* leap days of 1972, 2000, 2004, 2024; none in 2100; 2038; 2106; the last second of 9999 */
	const int64_t most = INT64_C(253402300799);

	srandom(20);
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++)
		check_second(edges[i], i % 2 ? 0 : 999999);
	for (int64_t day = 0; day < 366 * 200; day++) /* the first and the last second of each day to 2170 */
		check_second(day * 86400, 7), check_second(day * 86400 + 86399, 70);
	for (int i = 0; i < 100000; i++) {
		int64_t any = ((int64_t)random() << 31 | random()) % (i % 2 ? most : INT64_C(1) << 33);

		check_second(any, random() % 1000000);
	}
}

int main(void)
{
	check_cut();
	check_numbers();
	check_escapes();
	check_unterminated();
	check_times();
	if (failures)
		printf("%u failures\n", failures);
	else
		puts("text, escapes and time: all as they should be");
	return failures != 0;
}
