/* SPDX-License-Identifier: MIT
 * The configuration file: an input is its text. Whatever it holds, each wrong line costs one printable line that names the file, the
 * number and what is accepted, in the order of the file; and each flag has the value of its last right line for this program. What is
 * right is worked out here a second time, line by line on copies. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

int open_file(const char *path, int flags);
int stat_file(int fd, struct stat *status);
ssize_t read_input(int fd, void *into, size_t size);
int close_file(int fd);

#define open  open_file
#define fstat stat_file
#define read  read_input
#define close close_file
#include "config.h"

static const uint8_t *file; /* the input; read in one piece, as a file is */
static size_t file_size;

static char *given(const char *name)
{
	(void)name;
	return NULL;
}

int open_file(const char *path, int flags)
{
	HOLD(strcmp(path, CONF) == 0 && (flags & O_ACCMODE) == O_RDONLY && flags & O_CLOEXEC);
	return 9;
}

int stat_file(int fd, struct stat *status)
{
	HOLD(fd == 9);
	status->st_mode = S_IFREG;
	return 0;
}

ssize_t read_input(int fd, void *into, size_t size)
{
	size_t length = size < file_size ? size : file_size;

	HOLD(fd == 9);
	if (length)
		memcpy(into, file, length);
	return (ssize_t)length;
}

int close_file(int fd)
{
	HOLD(fd == 9);
	return 0;
}

/* --- what is said --- */

static unsigned int said;
static bool more_said;
static unsigned int lines_said[COMPLAINTS_MOST];

long heard(const struct cn_text *line, int fd)
{
	static const char start[] = "closenotify: " CONF ":";
	char text[sizeof(line->bytes) + 1], *end;
	unsigned long number;

	HOLD(fd == STDERR_FILENO && line->length > sizeof(start) && line->length < sizeof(line->bytes));
	HOLD(line->bytes[line->length - 1] == '\n' && is_printable(line->bytes, line->length - 1));
	memcpy(text, line->bytes, line->length);
	text[line->length] = '\0';
	HOLD(strncmp(text, start, sizeof(start) - 1) == 0 && !more_said);
	more_said = said == COMPLAINTS_MOST;
	if (more_said) {
		HOLD(!strcmp(text + sizeof(start) - 1, " more lines are wrong, and left out\n"));
		return (long)line->length;
	}
	number = strtoul(text + sizeof(start) - 1, &end, 10);
	lines_said[said++] = (unsigned int)number;
	if (!number) {
		HOLD(strstr(text, "; taking the defaults\n"));
		return (long)line->length;
	}
	HOLD(*end == ':' && strstr(text, " (") && strstr(text, "); the line"));
	return (long)line->length;
}

/* --- what should be said, and hold --- */

static unsigned int wrong, wrong_lines[COMPLAINTS_MOST];
static char right[OPTIONS][CONF_MOST + 1];

static void is_wrong(unsigned int number)
{
	if (wrong < COMPLAINTS_MOST)
		wrong_lines[wrong] = number;
	wrong++;
}

/* Globs, separated by commas, one after the last at most: 1: one is this program's; 0: none; -1: not right. */
static int names_program(char *list)
{
	int found = 0;

	while (*list) {
		char *comma = strchrnul(list, ',');
		bool last = !*comma;

		*comma = '\0';
		if (!*list || strlen(list) > 127)
			return -1;
		found |= fnmatch(list, cn_config.program, 0) == 0;
		list = last ? comma : comma + 1;
	}
	return found;
}

/* Trimmed: NAME [VALUE] */
static void expect_flag(char *text, unsigned int number)
{
	size_t name = 0, i;
	int good;

	while (text[name] && text[name] != ' ' && text[name] != '\t')
		name++;
	for (i = 1; i < OPTIONS; i++) {
		const char *flag = options[i].name + strlen("CLOSENOTIFY_");

		if (strlen(flag) == name && strncasecmp(flag, text, name) == 0)
			break;
	}
	if (i == OPTIONS) {
		is_wrong(number);
		return;
	}
	text += name;
	while (*text == ' ' || *text == '\t')
		text++;
	good = acceptable(&options[i], text);
	if (options[i].parse == parse_only) {
		char copy[CONF_MOST + 1];

		strcpy(copy, text);
		good = names_program(copy) >= 0;
	}
	if (good < 0) { /* the flags' own target looks into these */
		struct cn_config saved = cn_config;

		good = options[i].parse(text, options[i].into);
		cn_config = saved;
	}
	if (!*text || !good)
		is_wrong(number);
	else
		strcpy(right[i], text);
}

static void expect_file(void)
{
	char text[CONF_MOST + 1];
	unsigned int number = 0;
	bool meant = true;

	wrong = 0;
	memset(right, 0, sizeof(right));
	if (file_size > CONF_MOST || memchr(file, 0, file_size)) {
		is_wrong(0);
		return;
	}
	for (size_t at = 0; at <= file_size;) {
		size_t end = at, last;

		while (end < file_size && file[end] != '\n')
			end++;
		last = end;
		number++;
		while (at < last && strchr(" \t\r", file[at]))
			at++;
		while (last > at && strchr(" \t\r", file[last - 1]))
			last--;
		memcpy(text, file + at, last - at);
		text[last - at] = '\0';
		if (*text == '[') {
			int found = -1;

			if (last - at > 2 && text[last - at - 1] == ']') {
				text[last - at - 1] = '\0';
				found = names_program(text + 1);
			}
			meant = found > 0;
			if (found < 0)
				is_wrong(number);
		} else if (*text && *text != '#' && meant) {
			expect_flag(text, number);
		}
		at = end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	file = size ? data : (const uint8_t *)"";
	file_size = size;
	forget_config();
	strncpy(cn_config.program, program_invocation_short_name, sizeof(cn_config.program) - 1);
	expect_file();
	forget_config();
	said = 0;
	more_said = false;
	cn_config_read((char *[]){"conf", NULL});
	HOLD(said == (wrong < COMPLAINTS_MOST ? wrong : COMPLAINTS_MOST) &&
	     more_said == (wrong > COMPLAINTS_MOST));
	for (unsigned int i = 0; i < said; i++)
		HOLD(lines_said[i] == wrong_lines[i]);
	for (size_t i = 1; i < OPTIONS; i++) {
		HOLD(strcasestr(names, options[i].name + strlen("CLOSENOTIFY_")));
		HOLD(filed[i] ? strcmp(filed[i], right[i]) == 0 : !*right[i]);
		if (options[i].parse == parse_ms)
			HOLD(*(unsigned int *)options[i].into ==
			     strtoul(*right[i] ? right[i] : options[i].fallback, NULL, 10));
	}
	if (*right[1] && only_matches)
		HOLD(cn_config.mode == (!strcmp(right[1], "fix")       ? CN_MODE_FIX
					: !strcmp(right[1], "observe") ? CN_MODE_OBSERVE
								       : CN_MODE_OFF));
	return 0;
}
