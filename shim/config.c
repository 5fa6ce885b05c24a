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
#include <sys/utsname.h>
#include <unistd.h>

#define MS_MAX 3600000U /* an hour */
#define DAY    86400U
#define FD_MAX (1 << 20)

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

static bool parse_timeout(const char *value, void *into)
{
	struct cn_config *config = into;

	return config->timeout_set = parse_ms(value, &config->timeout_ms);
}

/* fd:N */
static bool parse_descriptor(const char *value, int *into)
{
	int fd = 0;

	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9' || fd > FD_MAX / 10)
			return false;
		fd = fd * 10 + (*value - '0');
	}
	*into = fd;
	return true;
}

static bool parse_destination(const char *value, struct cn_config *config)
{
	if (!*value)
		return false;
	config->log_file = value;
	if (strcmp(value, "syslog") == 0)
		config->log_to = CN_TO_SYSLOG;
	else if (strcmp(value, "journal") == 0)
		config->log_to = CN_TO_JOURNAL;
	else if (strncmp(value, "fd:", 3) == 0)
		config->log_to = CN_TO_DESCRIPTOR;
	else
		config->log_to = CN_TO_FILE;
	return config->log_to != CN_TO_DESCRIPTOR || parse_descriptor(value + 3, &config->log_fd);
}

static bool parse_log(const char *value, void *into)
{
	struct cn_config *config = into;
	const char *colon = strchr(value, ':');
	size_t word = colon ? (size_t)(colon - value) : strlen(value);
	bool text = word == 4 && memcmp(value, "text", 4) == 0;

	if (!text && !(word == 4 && memcmp(value, "json", 4) == 0))
		return false;
	if (colon && !parse_destination(colon + 1, config))
		return false;
	config->log = text ? CN_LOG_TEXT : CN_LOG_JSON;
	return true;
}

static bool parse_level(const char *value, void *into)
{
	static const char *const words[] = {"ends", "calls", NULL};
	unsigned int choice;

	if (!parse_choice(value, words, &choice))
		return false;
	*(enum cn_level *)into = (enum cn_level)choice;
	return true;
}

static bool parse_backtrace(const char *value, void *into)
{
	return parse_flag(value, "off", "on", into);
}

static bool parse_summary(const char *value, void *into)
{
	struct cn_config *config = into;
	unsigned int seconds = 0;

	if (strcmp(value, "off") == 0)
		return true;
	if (strcmp(value, "exit") != 0 && (!parse_ms(value, &seconds) || !seconds || seconds > DAY))
		return false;
	config->summary = true;
	config->summary_s = seconds;
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
	{"CLOSENOTIFY_LOG", parse_log, &cn_config,
	 "text or json, and after a colon FILE, fd:N, syslog or journal", "no log",
	 "one record per connection end, to stderr or as said (in FILE, %p: pid, %n: program)"},
	{"CLOSENOTIFY_LEVEL", parse_level, &cn_config.level, "ends, calls", "ends",
	 "calls: log each of the program's calls that has to do with an end as well"},
	{"CLOSENOTIFY_BACKTRACE", parse_backtrace, &cn_config.backtrace, "off, on", "off",
	 "on: the record of an end says by which calls the program came there"},
	{"CLOSENOTIFY_SUMMARY", parse_summary, &cn_config, "off, exit, seconds from 1 to 86400", "off",
	 "log how many connections ended how: at exit, or every so many seconds as well"},
	{"CLOSENOTIFY_WAIT_MS", parse_ms, &cn_config.wait_ms, "milliseconds, 0 to 3600000", "0",
	 "how long the program's SSL_shutdown may wait for the peer's close_notify"},
	{"CLOSENOTIFY_TIMEOUT_MS", parse_timeout, &cn_config, "milliseconds, 0 to 3600000", "30000",
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
	struct utsname machine;
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
	if (cn_config.log != CN_LOG_NONE && uname(&machine) == 0)
		memccpy(cn_config.host, machine.nodename, 0, sizeof(cn_config.host) - 1);
}
