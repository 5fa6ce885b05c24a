/* SPDX-License-Identifier: MIT
 * Environment and configuration file to one immutable struct. One table holds the flags: it parses both, words the complaint about a bad
 * value, and prints the help. */
#include "config.h"
#include "format.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MS_MAX 3600000U /* an hour */
#define DAY    86400U
#define FD_MAX (1 << 20)

#define CONF            "/etc/closenotify.conf"
#define CONF_MOST       16384
#define COMPLAINTS_MOST 8

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

	if (!parse_ms(value, &config->timeout_ms))
		return false;
	config->timeout_set = true;
	return true;
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
	struct cn_config *config = into, parsed = {.log = CN_LOG_NONE};
	const char *colon = strchr(value, ':');
	size_t word = colon ? (size_t)(colon - value) : strlen(value);
	bool text = word == 4 && memcmp(value, "text", 4) == 0;

	if (strcmp(value, "off") != 0) {
		if (!text && !(word == 4 && memcmp(value, "json", 4) == 0))
			return false;
		if (colon && !parse_destination(colon + 1, &parsed))
			return false;
		parsed.log = text ? CN_LOG_TEXT : CN_LOG_JSON;
	}
	config->log = parsed.log;
	config->log_to = parsed.log_to;
	config->log_file = parsed.log_file;
	config->log_fd = parsed.log_fd;
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

	if (strcmp(value, "off") == 0) {
		config->summary = false;
		config->summary_s = 0;
		return true;
	}
	if (strcmp(value, "exit") != 0 && (!parse_ms(value, &seconds) || !seconds || seconds > DAY))
		return false;
	config->summary = true;
	config->summary_s = seconds;
	return true;
}

/* A comma-separated list of globs against the program's base name. */
static bool parse_only(const char *value, void *into)
{
	bool matches = false;
	char glob[128];

	while (*value) {
		size_t length = strcspn(value, ",");

		if (length == 0 || length >= sizeof(glob))
			return false;
		memcpy(glob, value, length);
		glob[length] = '\0';
		if (fnmatch(glob, cn_config.program, 0) == 0)
			matches = true;
		value += length;
		value += *value == ',';
	}
	*(bool *)into = matches;
	return true;
}

/* Read before all others. */
static bool parse_conf(const char *value, void *into)
{
	(void)value;
	(void)into;
	return true;
}

static const struct option options[] = {
	{"CLOSENOTIFY_CONF", parse_conf, NULL, "a file", CONF,
	 "flags for all programs, or some by name: see libclosenotify(7)"},
	{"CLOSENOTIFY_MODE", parse_mode, &cn_config.mode, "fix, observe, off", "fix",
	 "fix: repair; observe: change nothing, log what would be done; off: do nothing"},
	{"CLOSENOTIFY_LOG", parse_log, &cn_config,
	 "off, text or json, and after a colon FILE, fd:N, syslog or journal", "no log",
	 "one record per connection end, to stderr or as said (in FILE, %p: pid, %n: program)"},
	{"CLOSENOTIFY_LEVEL", parse_level, &cn_config.level, "ends, calls", "ends",
	 "calls: log each of the program's calls that has to do with an end as well"},
	{"CLOSENOTIFY_BACKTRACE", parse_backtrace, &cn_config.backtrace, "off, on", "off",
	 "on: the record of an end says by which calls the program came there"},
	{"CLOSENOTIFY_SUMMARY", parse_summary, &cn_config, "off, exit, seconds from 1 to 86400", "off",
	 "log how many connections ended how: at exit, or every so many seconds as well"},
	{"CLOSENOTIFY_WAIT_MS", parse_ms, &cn_config.wait_ms, "milliseconds, 0 to 3600000", "0",
	 "how long the program's own goodbye may wait for the peer's close_notify"},
	{"CLOSENOTIFY_LINGER_MS", parse_ms, &cn_config.linger_ms, "milliseconds, 0 to 3600000", "5000",
	 "a server ends while its client may still be sending: read until nothing has come for so long"},
	{"CLOSENOTIFY_TIMEOUT_MS", parse_timeout, &cn_config, "milliseconds, 0 to 3600000", "30000",
	 "how long to read from it in all; if set, a bound on what the kernel delivers as well"},
	{"CLOSENOTIFY_QUIET", parse_quiet, &cn_config.quiet_override, "honour, override", "honour",
	 "override: say goodbye although the program asked for a quiet shutdown"},
	{"CLOSENOTIFY_EXIT", parse_exit, &cn_config.exit_always, "clean, always", "clean",
	 "always: say goodbye at exit with a status other than 0 as well"},
	{"CLOSENOTIFY_ONLY", parse_only, &only_matches, "globs of program names, separated by commas",
	 "every program", "leave all other programs alone"},
};

#define OPTIONS (sizeof(options) / sizeof(*options))

/* What the file says for this program; NULL: nothing. */
static const char *filed[OPTIONS];

#define PREFIX "CLOSENOTIFY_"

static void complain(const struct option *option, const char *value)
{
	const char *instead = filed[option - options];

	struct cn_text line = {.length = 0};

	cn_put(&line, "closenotify: ");
	cn_put(&line, option->name);
	cn_put(&line, "=");
	cn_put_escaped(&line, value, 64);
	cn_put(&line, " is not accepted (");
	cn_put(&line, option->accepted);
	cn_put(&line, "); taking the default: ");
	cn_put_escaped(&line, instead ? instead : option->fallback, 64);
	cn_put(&line, "\n");
	cn_text_write(&line, STDERR_FILENO);
}

/* --- what is no flag --- */

/* NAME=VALUE: a flag, one of the commands' own, or what Kubernetes sets for a service of the name closenotify. */
static bool is_known(const char *variable)
{
	static const char *const others[] = {"LIBRARY=", "JOURNALCTL=", "BUILT=", "SERVICE_", "PORT"};

	for (size_t i = 0; i < OPTIONS; i++) {
		size_t length = strlen(options[i].name);

		if (strncmp(variable, options[i].name, length) == 0 && variable[length] == '=')
			return true;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (strncmp(variable + strlen(PREFIX), others[i], strlen(others[i])) == 0)
			return true;
	}
	return false;
}

static void complain_of_name(const char *variable, size_t length)
{
	struct cn_text line = {.length = 0};

	cn_put(&line, "closenotify: ");
	cn_put_escaped(&line, variable, length < 64 ? length : 64);
	cn_put(&line, " is no flag (" PREFIX);
	for (size_t i = 0; i < OPTIONS; i++) {
		cn_put(&line, i ? ", " : "");
		cn_put(&line, options[i].name + strlen(PREFIX));
	}
	cn_put(&line, "); it is left out\n");
	cn_text_write(&line, STDERR_FILENO);
}

static void look_for_others(void)
{
	for (char **at = environ; at && *at; at++) {
		size_t length;

		if (strncmp(*at, PREFIX, strlen(PREFIX)) != 0 || is_known(*at))
			continue;
		length = strcspn(*at, "=");
		if ((*at)[length] && (*at)[length + 1]) /* an empty one is an unset one */
			complain_of_name(*at, length);
	}
}

/* --- the file --- */

static const char *conf_path;
static CN_APART char conf[CONF_MOST + 1]; /* stays: values point into it */
static unsigned int complaints_of_file;

/* `number`: 0 for the file as a whole. A file may preload into many programs, so one of them tells no more than the first few. */
static void complain_of_file(unsigned int number, const char *word, const char *value, const char *why,
			     const char *accepted)
{
	struct cn_text line = {.length = 0};

	if (complaints_of_file++ > COMPLAINTS_MOST)
		return;
	cn_put(&line, "closenotify: ");
	cn_put_escaped(&line, conf_path, 256);
	cn_put(&line, ":");
	if (complaints_of_file > COMPLAINTS_MOST) {
		cn_put(&line, " more lines are wrong, and left out\n");
		cn_text_write(&line, STDERR_FILENO);
		return;
	}
	if (number) {
		cn_put_number(&line, number);
		cn_put(&line, ": ");
		cn_put_escaped(&line, word, 64);
	}
	cn_put(&line, " ");
	if (value) {
		cn_put_escaped(&line, value, 64);
		cn_put(&line, " ");
	}
	cn_put(&line, why);
	if (accepted) {
		cn_put(&line, " (");
		cn_put(&line, accepted);
		cn_put(&line, ")");
	}
	cn_put(&line, !number        ? "; taking the defaults\n"
		      : *word == '[' ? "; the lines below it are left out\n"
				     : "; the line is left out\n");
	cn_text_write(&line, STDERR_FILENO);
}

static const char names[] =
	"mode, log, level, backtrace, summary, wait_ms, linger_ms, timeout_ms, quiet, exit, only";

/* NAME VALUE */
static void take_line(char *at, unsigned int number)
{
	char *value = at + strcspn(at, " \t");

	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	for (size_t i = 1; i < OPTIONS; i++) { /* but CONF itself */
		if (strcasecmp(options[i].name + strlen("CLOSENOTIFY_"), at) != 0)
			continue;
		if (!*value)
			complain_of_file(number, at, NULL, "has no value", options[i].accepted);
		else if (!options[i].parse(value, options[i].into))
			complain_of_file(number, at, value, "is not accepted", options[i].accepted);
		else
			filed[i] = value;
		return;
	}
	complain_of_file(number, at, NULL, "is no flag", names);
}

static void take_lines(void)
{
	bool meant = true; /* [GLOBS] that match, or none yet */
	unsigned int number = 0;
	char *rest = conf, *at;

	while ((at = strsep(&rest, "\n"))) {
		char *end;

		number++;
		at += strspn(at, " \t\r");
		for (end = at + strlen(at); end > at && strchr(" \t\r", end[-1]); end--)
			end[-1] = '\0';
		if (*at == '[') {
			meant = end > at + 2 && end[-1] == ']';
			if (meant)
				end[-1] = '\0';
			if (!meant || !parse_only(at + 1, &meant)) {
				complain_of_file(number, at, NULL, "is not accepted", "[NAME,...]");
				meant = false;
			}
		} else if (*at && *at != '#' && meant) {
			take_line(at, number);
		}
	}
}

static void read_file(void)
{
	const char *named = getenv(options[0].name);
	struct stat status;
	ssize_t length;
	int fd;

	conf_path = named && *named ? named : CONF;
	fd = open(conf_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		if (named && *named)
			complain_of_file(0, NULL, NULL, "cannot be read", NULL);
		return;
	}
	length = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? read(fd, conf, sizeof(conf)) : -1;
	close(fd);
	if (length < 0 || length > CONF_MOST || memchr(conf, 0, (size_t)length)) {
		complain_of_file(0, NULL, NULL,
				 length < 0           ? "cannot be read"
				 : length > CONF_MOST ? "is longer than 16384 bytes"
						      : "is no text",
				 NULL);
		return;
	}
	conf[length] = '\0';
	take_lines();
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

/* Under Wine every process runs the same loader, with the Windows program as its first argument. */
static void read_program(char **argv)
{
	static const char *const loaders[] = {"wine", "wine64", "wine-preloader", "wine64-preloader"};
	const char *name = program_invocation_short_name, *end;

	for (size_t i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
		cn_config.wine |= argv && argv[0] && argv[1] && strcmp(name, loaders[i]) == 0;
	if (cn_config.wine) {
		for (name = end = argv[1]; *end; end++) {
			if (*end == '/' || *end == '\\')
				name = end + 1;
		}
	}
	strncpy(cn_config.program, name, sizeof(cn_config.program) - 1);
}

void cn_config_read(char **argv)
{
	struct utsname machine;
	const char *mode;

	/* Secure execution: the environment belongs to somebody with fewer rights than the program. */
	if (getauxval(AT_SECURE))
		return;
	read_program(argv);
	mode = getenv("CLOSENOTIFY_MODE");
	if (mode && strcmp(mode, "help") == 0) {
		print_help();
		return;
	}
	cn_config.mode = CN_MODE_FIX;
	cn_config.timeout_ms = 30000; /* nginx and httpd linger 30 s in all */
	cn_config.linger_ms = 5000;   /* nginx: 5 s idle; httpd: 2 s */
	read_file();
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *value = getenv(options[i].name);

		if (value && *value && !options[i].parse(value, options[i].into))
			complain(&options[i], value);
	}
	if (!only_matches)
		cn_config.mode = CN_MODE_OFF;
	if (cn_config.mode != CN_MODE_OFF)
		look_for_others();
	if (cn_config.log != CN_LOG_NONE && uname(&machine) == 0)
		memccpy(cn_config.host, machine.nodename, 0, sizeof(cn_config.host) - 1);
}
