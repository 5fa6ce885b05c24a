/* SPDX-License-Identifier: MIT
 * The flags: an input is lines NAME=VALUE, without CLOSENOTIFY_. Whatever they say, a value is taken if it is one of those
 * that the help names, and else complained of in one line and its flag left at the default. */
#include "config.h"

static unsigned int complaints;
static bool complained[OPTIONS], helped;

long heard(const struct cn_text *line, int fd)
{
	static const char start[] = "closenotify: ";

	HOLD(fd == STDERR_FILENO && line->length > 0 && line->length < sizeof(line->bytes));
	HOLD(line->bytes[line->length - 1] == '\n');
	if (helped)
		return (long)line->length;
	HOLD(is_printable(line->bytes, line->length - 1));
	HOLD(line->length > sizeof(start) && memcmp(line->bytes, start, sizeof(start) - 1) == 0);
	complaints++;
	for (size_t i = 0; i < OPTIONS; i++) {
		size_t length = strlen(options[i].name);
		const char *name = line->bytes + sizeof(start) - 1;

		if (strncmp(name, options[i].name, length) == 0 && name[length] == '=')
			complained[i] = true;
	}
	return (long)line->length;
}

static char *values[OPTIONS]; /* the environment; setenv() would never give memory back */

static char *given(const char *name)
{
	for (size_t i = 1; i < OPTIONS; i++) /* no file */
		if (!strcmp(name, options[i].name))
			return values[i];
	return NULL;
}

/* Takes the lines apart; of two with one name the last counts. */
static void set_environment(char *text)
{
	char *line, *value, name[64];

	memset(values, 0, sizeof(values));
	while ((line = strsep(&text, "\n"))) {
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		snprintf(name, sizeof(name), "CLOSENOTIFY_%s", line);
		for (size_t i = 0; i < OPTIONS; i++)
			if (!strcmp(name, options[i].name))
				values[i] = value;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *mode;

	if (size)
		memcpy(text, data, size);
	set_environment(text);
	forget_config();
	complaints = 0;
	memset(complained, 0, sizeof(complained));
	mode = given("CLOSENOTIFY_MODE");
	helped = mode && !strcmp(mode, "help");
	cn_config_read(NULL);
	if (helped) {
		HOLD(cn_config.mode == CN_MODE_OFF);
		free(text);
		return 0;
	}
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *value = values[i];
		int wanted = value && *value ? acceptable(&options[i], value) : 1;

		HOLD(wanted < 0 || complained[i] == !wanted);
		complaints -= complained[i];
		if (options[i].parse == parse_ms) {
			unsigned int taken = *(unsigned int *)options[i].into;

			HOLD(taken == (value && *value && wanted ? strtoul(value, NULL, 10)
								 : strtoul(options[i].fallback, NULL, 10)));
		}
	}
	HOLD(complaints == 0); /* one each */
	HOLD(cn_config.mode == CN_MODE_FIX || cn_config.mode == CN_MODE_OBSERVE ||
	     cn_config.mode == CN_MODE_OFF);
	HOLD(cn_config.log == CN_LOG_NONE || cn_config.log == CN_LOG_TEXT || cn_config.log == CN_LOG_JSON);
	if (cn_config.log != CN_LOG_NONE) {
		HOLD(cn_config.log_to <= CN_TO_JOURNAL && cn_config.log_fd >= 0);
		HOLD(cn_config.log_to == CN_TO_STDERR || (cn_config.log_file && *cn_config.log_file));
	}
	HOLD(cn_config.summary_s <= 86400 && (cn_config.summary || !cn_config.summary_s));
	HOLD(memchr(cn_config.program, 0, sizeof(cn_config.program)) &&
	     memchr(cn_config.host, 0, sizeof(cn_config.host)));
	free(text);
	return 0;
}
