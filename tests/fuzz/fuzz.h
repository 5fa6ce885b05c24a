/* SPDX-License-Identifier: MIT
 * What the fuzz targets share. Each includes the file of shim/ that it is about, so that it reaches what is static there.
 * HOLD is what must be true whatever the input is; libFuzzer keeps the input of which it is not. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLD(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);       \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* The input, eaten from the front; zeros when it is used up. */
struct input {
	const uint8_t *bytes;
	size_t left;
};

static inline uint8_t take_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->bytes++;
}

static inline size_t take_bytes(struct input *in, void *into, size_t most)
{
	size_t length = most < in->left ? most : in->left;

	if (length)
		memcpy(into, in->bytes, length);
	in->bytes += length;
	in->left -= length;
	return length;
}

/* Every byte is one that a terminal shows. */
static inline bool is_printable(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] < 0x20 || bytes[i] > 0x7e)
			return false;
	return true;
}

#endif
