/* SPDX-License-Identifier: MIT
 * The log's file, by its name. Whoever may write in its directory could put a link there that leads root to any file
 * (CVE-2016-1247: nginx, at logrotate's signal), so no link is followed to the file, and nothing but a regular file with one
 * name and a known owner is taken. */
#include "logfile.h"
#include "config.h"
#include "format.h"
#include "kernel.h"
#include "libc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MOST 40 /* as the kernel has it */
#define TRIES      8  /* other processes may make and remove it at the same time */
#define TO_APPEND  (O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW)

/* The same name three times: whole, what is before the last slash, what is after it. Empty: no file. */
static CN_APART char path[PATH_MAX], directory[PATH_MAX];
static const char *name;

static struct stat home; /* the directory, as it was at the start */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* --- the name --- */

static bool put_template(struct cn_text *text)
{
	for (const char *at = cn_config.log_file; *at; at++) {
		if (text->length + sizeof(cn_config.program) >= sizeof(path)) {
			errno = ENAMETOOLONG;
			return false;
		}
		if (at[0] == '%' && at[1] == 'p')
			cn_put_number(text, (uint64_t)getpid()), at++;
		else if (at[0] == '%' && at[1] == 'n')
			cn_put(text, cn_config.program), at++;
		else
			text->bytes[text->length++] = *at;
	}
	return true;
}

/* Absolute, for the program may go to another directory before the file is to be opened anew. */
static bool fill_path(void)
{
	struct cn_text text = {.length = 0};

	if (cn_config.log_file[0] != '/') {
		if (!getcwd(path, sizeof(path) - 1))
			return false;
		cn_put(&text, path);
		cn_put(&text, "/");
		path[0] = '\0';
	}
	if (!put_template(&text))
		return false;
	memcpy(path, text.bytes, text.length);
	name = strrchr(path, '/') + 1;
	memcpy(directory, path, (size_t)(name - path)); /* with its slash, so that "/" works too */
	return true;
}

/* --- the directory --- */

static int swap(int descriptor, int with)
{
	if (descriptor >= 0)
		cn_libc()->close(descriptor);
	return with;
}

/* Opens the directory; -1 if it can't. A link on the way must be root's or ours, or lead to a directory of the link's own owner.
 * Else the owner of the link would decide where root writes. Each step begins at the descriptor of the one before, so
 * nothing behind it can be changed. */
static int walk(const char **why)
{
	static CN_APART char rest[2 * PATH_MAX], target[PATH_MAX],
		component[NAME_MAX + 1]; /* at the start there is one thread */
	int at = open("/", O_PATH | O_CLOEXEC), links = 0;
	uid_t leader = 0;
	struct stat status = {.st_uid = 0};

	strcpy(rest, directory);
	while (at >= 0) {
		const char *from = rest + strspn(rest, "/");
		size_t length = strcspn(from, "/"), left = strlen(from + length);
		ssize_t led = 0;
		int next;

		if (!length)
			break;
		if (length > NAME_MAX)
			return swap(at, -1);
		memcpy(component, from, length);
		component[length] = '\0';
		next = openat(at, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 || fstat(next, &status))
			return swap(next, swap(at, -1));
		if (!S_ISLNK(status.st_mode)) {
			at = swap(at, next);
		} else {
			led = readlinkat(next, "", target, sizeof(target));
			cn_libc()->close(next);
			if (led <= 0 || (size_t)led + left >= sizeof(rest) || ++links > LINKS_MOST)
				return swap(at, -1);
			if (status.st_uid && leader && leader != status.st_uid)
				break;
			leader = status.st_uid ? status.st_uid : leader;
			if (target[0] == '/')
				at = swap(at, open("/", O_PATH | O_CLOEXEC));
		}
		memmove(rest + led, from + length, left + 1);
		memcpy(rest, target, (size_t)led);
	}
	if (at >= 0 && leader && leader != status.st_uid) {
		*why = "in the way is a link of another user";
		return swap(at, -1);
	}
	return at;
}

bool cn_logfile_start(const char **why)
{
	int at;
	bool there;

	if (!fill_path())
		return false;
	at = geteuid() == 0 ? walk(why) : open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	there = at >= 0 && !fstat(at, &home) && S_ISDIR(home.st_mode);
	swap(at, -1);
	return there;
}

/* --- the file --- */

/* Owned by us, by root or by the owner of the directory, as with the kernel's fs.protected_regular. It must have no second name:
 * somebody else may have made the one we know, to lead us to that file. */
static const char *fault_of(const struct stat *file)
{
	if (S_ISLNK(file->st_mode))
		return "it is a link";
	if (!S_ISREG(file->st_mode))
		return "it is no regular file (fd:N takes any that is open: fd:2 is standard error)";
	if (file->st_uid && file->st_uid != geteuid() && file->st_uid != home.st_uid)
		return "it is another user's";
	return file->st_nlink > 1 ? "it has another name as well" : NULL;
}

/* Checked before and after the open: opening a device may have an effect by itself. */
static int open_there(int at, const char **why)
{
	struct stat file;
	int fd;

	if (fstatat(at, name, &file, AT_SYMLINK_NOFOLLOW))
		return errno != ENOENT ? -1 : openat(at, name, TO_APPEND | O_CREAT | O_EXCL, 0644);
	*why = fault_of(&file);
	fd = *why ? -1 : openat(at, name, TO_APPEND);
	if (fd >= 0)
		*why = fstat(fd, &file) ? "it can't be looked at" : fault_of(&file);
	return *why ? swap(fd, -1) : fd;
}

int cn_logfile_open(const char **why)
{
	int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat found;

	*why = NULL;
	if (at >= 0 && !fstat(at, &found) && is_same(&found, &home)) {
		for (int tries = 0; fd < 0 && !*why && tries < TRIES; tries++) {
			fd = open_there(at, why);
			if (fd < 0 && errno != ENOENT && errno != EEXIST)
				break;
		}
	}
	swap(at, -1);
	return fd;
}

bool cn_logfile_moved(const struct stat *log)
{
	struct stat found;

	return path[0] && (lstat(path, &found) || !is_same(&found, log)) && !stat(directory, &found) &&
	       is_same(&found, &home);
}
