/* SPDX-License-Identifier: MIT
 * Owns the log's descriptor. Invariants: it never stands on a number that the program uses, nothing is
 * written to a descriptor that is not the log any more, and the program never waits for the log. */
#include "sink.h"
#include "config.h"
#include "conn.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic int sink = -1;
static dev_t sink_device; /* what the descriptor was when we opened it */
static ino_t sink_inode;

static void settle(int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return;
	sink_device = status.st_dev;
	sink_inode = status.st_ino;
	cn_reserve_fd(fd);
	atomic_store(&sink, fd);
}

static int lift(int fd, int from)
{
	return cn_libc()->fcntl(fd, F_DUPFD_CLOEXEC, from);
}

static int open_file(void)
{
	struct cn_text path = {.length = 0};
	const char *at = cn_config.log_file;
	int low, high;

	for (; *at; at++) {
		if (path.length > PATH_MAX - sizeof(cn_config.program)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (at[0] == '%' && at[1] == 'p')
			cn_put_number(&path, (uint64_t)getpid()), at++;
		else if (at[0] == '%' && at[1] == 'n')
			cn_put(&path, cn_config.program), at++;
		else
			path.bytes[path.length++] = *at;
	}
	path.bytes[path.length] = '\0';
	low = open(path.bytes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (low < 0)
		return -1;
	high = lift(low, cn_high_fd());
	if (high >= 0)
		cn_libc()->close(low);
	return high >= 0 ? high : low;
}

void cn_sink_open(void)
{
	int fd;

	if (cn_config.log == CN_LOG_NONE)
		return;
	fd = cn_config.log_file ? open_file() : lift(STDERR_FILENO, cn_high_fd());
	if (fd < 0 && cn_config.log_file) {
		struct cn_text text = {.length = 0};

		cn_put(&text, "closenotify: CLOSENOTIFY_LOG: cannot open ");
		cn_put_escaped(&text, cn_config.log_file, 256);
		cn_put(&text, " for appending; taking the default: no log\n");
		cn_text_write(&text, STDERR_FILENO);
	}
	settle(fd);
}

void cn_sink_write(const struct cn_text *text)
{
	int fd = atomic_load(&sink);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) || status.st_dev != sink_device || status.st_ino != sink_inode)
		return;
	cn_text_write(text, fd);
}

void cn_sink_yield(int fd)
{
	int moved;

	if (fd < 0 || fd != atomic_load(&sink) ||
	    !cn_process_is_real()) /* a vfork child: the parent's stays */
		return;
	moved = lift(fd, fd + 1);
	if (moved < 0)
		moved = lift(fd, cn_high_fd());
	if (moved < 0)
		moved = lift(fd, 3);
	atomic_store(&sink, -1);
	cn_unreserve_fd(fd);
	settle(moved);
}

int cn_sink_fd(void)
{
	return atomic_load(&sink);
}
