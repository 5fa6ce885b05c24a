/* SPDX-License-Identifier: MIT
 * shim/config.c with the environment and stderr in the hands of the target, and what its flags accept. */
#ifndef FUZZ_CONFIG_H
#define FUZZ_CONFIG_H

#include "fuzz.h"

static char *given(const char *name);
#define getenv        given
#define cn_text_write heard /* what is said on stderr */
#include "../../shim/config.c"
#undef cn_text_write
#undef getenv
#include "../../shim/format.c"

/* Back to the start, as of a new process. */
static inline void forget_config(void)
{
	cn_config = (struct cn_config){.mode = CN_MODE_OFF};
	only_matches = true;
	memset(filed, 0, sizeof(filed));
	complaints_of_file = 0;
}

/* 1: acceptable; 0: not; -1: for others to say. By what the help says, where that is a list of words or a number. */
static inline int acceptable(const struct option *option, const char *value)
{
	char *list, *rest, *word;
	int found = 0;

	if (option->parse == parse_ms) {
		size_t digits = strspn(value, "0123456789");

		return !value[digits] && strtoull(value, NULL, 10) <= 3600000;
	}
	if (option->parse == parse_conf || strpbrk(option->accepted, ":%") ||
	    strstr(option->accepted, "globs") || strstr(option->accepted, "after") ||
	    strstr(option->accepted, "seconds"))
		return -1;
	list = rest = strdup(option->accepted);
	while ((word = strsep(&rest, ", ()")))
		found |= *word && strcmp(word, "or") != 0 && !strcmp(word, value);
	free(list);
	return found;
}

#endif
