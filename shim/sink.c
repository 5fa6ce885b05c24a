/* SPDX-License-Identifier: MIT
 * Owns the log's descriptor. Invariants: it never stands on a number that the program uses, nothing is
 * written to a descriptor that is not the log any more, and the program never waits for the log. */
#include "sink.h"
#include "config.h"
#include "conn.h"
#include "kernel.h"
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Where the log is, and what the descriptor was when we opened it. */
struct place {
	_Atomic int fd;
	dev_t device;
	uint64_t inode;
};

static struct place common = {.fd = -1};

/* Of a thread with a descriptor table of its own. */
static __thread struct place own __attribute__((tls_model("initial-exec")));
static __thread struct place *here __attribute__((tls_model("initial-exec")));

static const char *const daemons[] = {
	[CN_TO_SYSLOG] = "/dev/log",
	[CN_TO_JOURNAL] = "/run/systemd/journal/socket",
};

static bool is_daemon(void)
{
	return cn_config.log_to == CN_TO_SYSLOG || cn_config.log_to == CN_TO_JOURNAL;
}

static void settle(int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return;
	common.device = status.st_dev;
	common.inode = status.st_ino;
	cn_reserve_fd(fd);
	atomic_store(&common.fd, fd);
}

static int copy_to(int fd, int from)
{
	return cn_libc()->fcntl(fd, F_DUPFD_CLOEXEC, from);
}

/* Out of the program's way. Takes `low`. */
static int lift(int low)
{
	int high = low >= 0 ? copy_to(low, cn_high_fd()) : -1;

	if (high >= 0)
		cn_libc()->close(low);
	return high >= 0 ? high : low;
}

/* --- opening --- */

static int open_number(int fd)
{
	int flags = cn_libc()->fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? copy_to(fd, cn_high_fd()) : -1;
}

static int open_log(const char **why)
{
	switch (cn_config.log_to) {
	case CN_TO_FILE:
		return cn_logfile_start(why) ? lift(cn_logfile_open(why)) : -1;
	case CN_TO_DESCRIPTOR:
		return open_number(cn_config.log_fd);
	case CN_TO_SYSLOG:
	case CN_TO_JOURNAL: /* each record shows whether there is a listener */
		return lift(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	default:
		return copy_to(STDERR_FILENO, cn_high_fd());
	}
}

void cn_sink_open(void)
{
	const char *why = NULL;
	int fd;

	if (cn_config.log == CN_LOG_NONE)
		return;
	fd = open_log(&why);
	if (fd < 0 && cn_config.log_file) {
		struct cn_text text = {.length = 0};

		cn_put(&text, "closenotify: CLOSENOTIFY_LOG: cannot open ");
		cn_put_escaped(&text, cn_config.log_file, 256);
		cn_put(&text, cn_config.log_to == CN_TO_FILE ? " for appending" : " for writing");
		cn_put(&text, why ? ": " : "");
		cn_put(&text, why ? why : "");
		cn_put(&text, "; taking the default: no log\n");
		cn_text_write(&text, STDERR_FILENO);
	}
	settle(fd);
}

/* --- writing --- */

static bool is_ours(const struct place *place, int fd, struct stat *status)
{
	return !fstat(fd, status) && status->st_dev == place->device && status->st_ino == place->inode;
}

/* What few records need: not in the frame under every record's text, as stacks are small. */
#define APART __attribute__((noinline))

/* logrotate has moved it away. The number stays the same, so nobody else needs to know. What is wrong with the new one, or
 * NULL. */
static APART const char *open_anew(struct place *place, int fd, const struct stat *log)
{
	static _Atomic bool busy;
	const char *why = NULL;
	struct stat status;
	int low;

	if (!cn_logfile_moved(log) || !cn_process_is_real() || atomic_exchange(&busy, true))
		return NULL;
	low = cn_logfile_open(&why); /* in vain after setuid(): then the old one stays */
	if (low >= 0 && !fstat(low, &status) && cn_libc()->dup3(low, fd, O_CLOEXEC) == fd) {
		place->device = status.st_dev;
		place->inode = status.st_ino;
	}
	if (low >= 0)
		cn_libc()->close(low);
	atomic_store(&busy, false);
	return why;
}

static bool send_to_daemon(const struct cn_text *text, int fd)
{
	const char *name = daemons[cn_config.log_to];
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	memcpy(to.sun_path, name, strlen(name));
	return syscall(SYS_sendto, fd, text->bytes, text->length, MSG_DONTWAIT | MSG_NOSIGNAL, &to,
		       sizeof(to)) == (long)text->length;
}

static bool put_text(const struct cn_record *record, int fd, struct cn_text *text)
{
	static _Atomic bool cut; /* the last line has no end: the disk was full */
	bool was_cut = atomic_exchange(&cut, false);
	long put;

	text->length = 0;
	if (was_cut)
		cn_put(text, "\n");
	if (cn_config.log_to == CN_TO_JOURNAL)
		cn_record_as_journal(record, text);
	else if (cn_config.log_to == CN_TO_SYSLOG)
		cn_record_as_syslog(record, text, cn_config.log == CN_LOG_JSON);
	else if (cn_config.log == CN_LOG_JSON)
		cn_record_as_json(record, text);
	else
		cn_record_as_text(record, text);
	if (is_daemon())
		return send_to_daemon(text, fd);
	put = cn_text_write(text, fd);
	if (put <= 0 ? was_cut : put < (long)text->length)
		atomic_store(&cut, true);
	return put == (long)text->length;
}

static __attribute__((noinline)) bool put_out_of_stack(const struct cn_record *record, int fd)
{
	struct cn_text text;

	return put_text(record, fd, &text);
}

/* 4 KB are half of what many signal handlers and coroutines have for a stack. */
static bool put_out(const struct cn_record *record, int fd)
{
	static CN_APART struct cn_text text;
	static _Atomic uint32_t
		writer; /* cn_process() of the one that has it; what a fork child finds is free */
	uint32_t self = cn_process(), other = atomic_load(&writer);
	bool out;

	if (other == self || !atomic_compare_exchange_strong(&writer, &other, self))
		return put_out_of_stack(record, fd);
	out = put_text(record, fd, &text);
	atomic_store(&writer, 0);
	return out;
}

static struct {
	_Atomic uint32_t process; /* cn_process() that lost them */
	_Atomic uint64_t all, untold;
} lost;

static void lose(uint64_t records)
{
	uint32_t process = cn_process();

	if (atomic_exchange(&lost.process, process) != process) {
		atomic_store(&lost.all, 0);
		atomic_store(&lost.untold, 0);
	}
	atomic_fetch_add(&lost.all, records);
	atomic_fetch_add(&lost.untold, records);
}

uint64_t cn_sink_lost(void)
{
	return atomic_load(&lost.process) == cn_process() ? atomic_load(&lost.all) : 0;
}

/* False if the log still takes nothing. */
static APART bool tell_lost(const struct timespec *time, int fd)
{
	struct cn_field field;
	struct cn_record record = {.event = "lost",
				   .phrases = {"records lost:"},
				   .bad = true,
				   .time = *time,
				   .fields = &field,
				   .most = 1};
	uint64_t untold = cn_sink_lost() ? atomic_exchange(&lost.untold, 0) : 0;

	if (!untold)
		return true;
	cn_record_add(&record, (struct cn_field){CN_FIELD_COUNT, "lost", {.count = (int64_t)untold}});
	if (put_out(&record, fd))
		return true;
	atomic_fetch_add(&lost.untold, untold);
	return false;
}

/* Into the old file, which goes on. */
static APART void tell_refused(const struct timespec *time, int fd, const char *why)
{
	static _Atomic bool told;
	struct cn_field field;
	struct cn_record record = {.event = "warning",
				   .phrases = {"warning:"},
				   .bad = true,
				   .time = *time,
				   .fields = &field,
				   .most = 1};
	char message[192];

	if (!why || atomic_exchange(&told, true))
		return;
	stpcpy(stpcpy(message, "the log's file was moved away, and what has its name now is not opened: "),
	       why);
	cn_record_add(&record, (struct cn_field){CN_FIELD_OUTSIDE, "message", {.word = message}});
	put_out(&record, fd);
}

void cn_sink_write(const struct cn_record *record)
{
	struct place *place = here ? here : &common;
	int fd = atomic_load(&place->fd);
	struct stat status;
	bool ours;

	if (fd < 0)
		return;
	ours = is_ours(place, fd, &status);
	if (ours)
		tell_refused(&record->time, fd, open_anew(place, fd, &status));
	if (!ours || !tell_lost(&record->time, fd) || !put_out(record, fd))
		lose(1);
}

/* --- its place --- */

void cn_sink_yield(int fd)
{
	int moved = -1;

	if (fd < 0 || fd != atomic_load(&common.fd))
		return;
	if (!cn_confined) {
		if (!cn_process_is_real()) /* a vfork child: the parent's stays */
			return;
		moved = copy_to(fd, fd + 1);
		if (moved < 0)
			moved = copy_to(fd, cn_high_fd());
		if (moved < 0)
			moved = copy_to(fd, 3);
	}
	atomic_store(&common.fd, -1);
	cn_unreserve_fd(fd);
	settle(moved);
}

int cn_sink_fd(void)
{
	return atomic_load(&common.fd);
}

int cn_sink_keep(void)
{
	atomic_store(&own.fd, atomic_load(&common.fd));
	own.device = common.device;
	own.inode = common.inode;
	here = &own;
	return atomic_load(&own.fd);
}
