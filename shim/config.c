/* SPDX-License-Identifier: MIT
 * Environment to one immutable struct. One table holds the flags: it parses, words the complaint about a bad
 * value, and prints the help. */
#include "config.h"
#include "format.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define MS_MAX 3600000U /* an hour */

struct cn_config cn_config = {.mode = CN_MODE_OFF};

struct option {
	const char *name;
	bool (*parse)(const char *value, void *into);
	void *into;
	const char *accepted;
	const char *fallback;
	const char *meaning;
};

static bool only_matches = true;

static bool parse_choice(const char *value, const char *const *words, unsigned int *into)
{
	for (unsigned int i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0) {
			*into = i;
			return true;
		}
	}
	return false;
}

static bool parse_mode(const char *value, void *into)
{
	static const char *const words[] = {"fix", "observe", "off", NULL};
	unsigned int choice;

	if (!parse_choice(value, words, &choice))
		return false;
	*(enum cn_mode *)into = (enum cn_mode)choice;
	return true;
}

static bool parse_flag(const char *value, const char *no, const char *yes, bool *into)
{
	const char *const words[] = {no, yes, NULL};
	unsigned int choice;

	if (!parse_choice(value, words, &choice))
		return false;
	*into = choice == 1;
	return true;
}

static bool parse_quiet(const char *value, void *into)
{
	return parse_flag(value, "honour", "override", into);
}

static bool parse_exit(const char *value, void *into)
{
	return parse_flag(value, "clean", "always", into);
}

static bool parse_ms(const char *value, void *into)
{
	unsigned int ms = 0;

	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return false;
		ms = ms * 10 + (unsigned int)(*value - '0');
		if (ms > MS_MAX)
			return false;
	}
	*(unsigned int *)into = ms;
	return true;
}

static bool parse_log(const char *value, void *into)
{
	struct cn_config *config = into;
	const char *colon = strchr(value, ':');
	size_t word = colon ? (size_t)(colon - value) : strlen(value);
	enum cn_log log;

	if (word == 4 && memcmp(value, "text", 4) == 0)
		log = CN_LOG_TEXT;
	else if (word == 4 && memcmp(value, "json", 4) == 0)
		log = CN_LOG_JSON;
	else
		return false;
	if (colon && !colon[1])
		return false;
	config->log = log;
	config->log_file = colon ? colon + 1 : NULL;
	return true;
}

/* A comma-separated list of globs against the program's base name. */
static bool parse_only(const char *value, void *into)
{
	bool *matches = into;
	char glob[128];

	*matches = false;
	while (*value) {
		size_t length = strcspn(value, ",");

		if (length == 0 || length >= sizeof(glob)) {
			*matches = true;
			return false;
		}
		memcpy(glob, value, length);
		glob[length] = '\0';
		if (fnmatch(glob, cn_config.program, 0) == 0)
			*matches = true;
		value += length;
		value += *value == ',';
	}
	return true;
}

static const struct option options[] = {
	{"CLOSENOTIFY_MODE", parse_mode, &cn_config.mode, "fix, observe, off (or help)", "fix",
	 "fix: repair; observe: change nothing, log what would be done; off: do nothing"},
	{"CLOSENOTIFY_LOG", parse_log, &cn_config, "text, json, text:FILE, json:FILE", "no log",
	 "one record per connection end, to stderr or FILE (%p: pid, %n: program)"},
	{"CLOSENOTIFY_WAIT_MS", parse_ms, &cn_config.wait_ms, "milliseconds, 0 to 3600000", "0",
	 "how long the program's SSL_shutdown may wait for the peer's close_notify"},
	{"CLOSENOTIFY_TIMEOUT_MS", parse_ms, &cn_config.timeout_ms, "milliseconds, 0 to 3600000", "30000",
	 "total bound on what is finished after the program's close"},
	{"CLOSENOTIFY_LINGER_MS", parse_ms, &cn_config.linger_ms, "milliseconds, 0 to 3600000", "5000",
	 "bound without any acknowledgement by the peer"},
	{"CLOSENOTIFY_QUIET", parse_quiet, &cn_config.quiet_override, "honour, override", "honour",
	 "override: say goodbye although the program asked OpenSSL for a quiet shutdown"},
	{"CLOSENOTIFY_EXIT", parse_exit, &cn_config.exit_always, "clean, always", "clean",
	 "always: say goodbye at exit with a status other than 0 as well"},
	{"CLOSENOTIFY_ONLY", parse_only, &only_matches, "globs of program names, separated by commas",
	 "every program", "leave all other programs alone"},
};

#define OPTIONS (sizeof(options) / sizeof(*options))

static void complain(const struct option *option, const char *value)
{
	struct cn_text line = {.length = 0};

	cn_put(&line, "closenotify: ");
	cn_put(&line, option->name);
	cn_put(&line, "=");
	cn_put_escaped(&line, value, 64);
	cn_put(&line, " is not accepted (");
	cn_put(&line, option->accepted);
	cn_put(&line, "); taking the default: ");
	cn_put(&line, option->fallback);
	cn_put(&line, "\n");
	cn_text_write(&line, STDERR_FILENO);
}

static void print_help(void)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		struct cn_text line = {.length = 0};

		cn_put(&line, options[i].name);
		cn_put(&line, "\n    ");
		cn_put(&line, options[i].meaning);
		cn_put(&line, "\n    accepted: ");
		cn_put(&line, options[i].accepted);
		cn_put(&line, "; default: ");
		cn_put(&line, options[i].fallback);
		cn_put(&line, "\n");
		cn_text_write(&line, STDERR_FILENO);
	}
}

void cn_config_read(void)
{
	const char *mode;

	/* Secure execution: the environment belongs to somebody with fewer rights than the program. */
	if (getauxval(AT_SECURE))
		return;
	strncpy(cn_config.program, program_invocation_short_name, sizeof(cn_config.program) - 1);
	mode = getenv("CLOSENOTIFY_MODE");
	if (mode && strcmp(mode, "help") == 0) {
		print_help();
		return;
	}
	cn_config.mode = CN_MODE_FIX;
	cn_config.timeout_ms = 30000; /* nginx and httpd linger 30 s in all */
	cn_config.linger_ms = 5000;   /* nginx: 5 s idle; httpd: 2 s */
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *value = getenv(options[i].name);

		if (value && *value && !options[i].parse(value, options[i].into))
			complain(&options[i], value);
	}
	if (!only_matches)
		cn_config.mode = CN_MODE_OFF;
}
