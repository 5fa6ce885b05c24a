/* SPDX-License-Identifier: MIT
 * Text without malloc or stdio, so that it works in a signal handler and in a fork child. Invariant: a full
 * buffer cuts the text, it never overruns. */
#ifndef CN_FORMAT_H
#define CN_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cn_text {
	size_t length;
	char bytes[4096];
};

/* Any thread, signal handlers and fork children included. */
void cn_put(struct cn_text *text, const char *string);
void cn_put_number(struct cn_text *text, uint64_t number);
void cn_put_hex(struct cn_text *text, uint64_t number);
/* Puts the digits before `end` and returns where they begin: at most 20, bases up to 16. For where 4 KB of stack are too much. */
char *cn_digits_before(char *end, uint64_t number, unsigned int base);
/* As much of string as fits into `most` bytes, and none beyond string[most - 1] is read; whatever is not printable ASCII, a
 * quote or a backslash becomes \u00XX, which is valid inside a JSON string and harmless to a terminal. */
void cn_put_escaped(struct cn_text *text, const char *string, size_t most);
/* UTC as RFC 3339 with microseconds. */
void cn_put_time(struct cn_text *text, int64_t seconds, long microseconds);
/* One write(2) that neither blocks nor raises a signal, never repeated: how many bytes went out, or -1. */
long cn_text_write(const struct cn_text *text, int fd);

#endif
