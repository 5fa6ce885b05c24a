/* SPDX-License-Identifier: MIT
 * Which process is this, and who else holds a connection. Invariant: when in doubt, somebody does.
 *
 * Children that die or exec do not sign off; so the shared page lists pids, and at the end of a connection /proc says
 * which of them still have the socket. */
#include "process.h"
#include "conn.h"
#include "format.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHARES       (4096 / sizeof(struct cn_share))
#define RETIRED_KEPT 64
#define PATIENCE     1000 /* and no more: a thread of higher priority may be the one that waits, or a handler */

/* --- this process --- */

struct cn_process_page *cn_process_page;
static uint32_t process_name;

/* One page that the whole family shares. */
static struct {
	_Atomic uint32_t raw_forks;
	_Atomic pid_t marks;
} * family;

static void *map_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void name_process(void)
{
	cn_process_page->pid = getpid();
	atomic_store(&cn_process_page->name, ++process_name);
}

static _Atomic uint32_t raw_forks_here; /* by a call that a hook saw */
static _Atomic bool raw_fork_under_way; /* so the child, which inherits this, need not tell */

uint32_t cn_process_born(void)
{
	if (!atomic_exchange(&raw_fork_under_way, false) && family) /* let the others know */
		atomic_fetch_add(&family->raw_forks, 1);
	name_process();
	return atomic_load_explicit(&cn_process_page->name, memory_order_relaxed);
}

bool cn_process_is_real(void)
{
	return cn_process() && getpid() == cn_process_page->pid;
}

uint32_t cn_raw_forks(void)
{
	return atomic_load_explicit(&raw_forks_here, memory_order_relaxed) +
	       (family ? atomic_load_explicit(&family->raw_forks, memory_order_relaxed) : 0);
}

void cn_raw_fork_begins(void)
{
	if (!cn_process_page) /* another library's constructor, earlier than ours: there is nothing to copy yet */
		return;
	cn_process();
	atomic_fetch_add(&raw_forks_here, 1);
	atomic_store(&raw_fork_under_way, true);
}

void cn_raw_fork_over(bool failed)
{
	if (!cn_process_page)
		return;
	cn_process();
	atomic_store(&raw_fork_under_way, false);
	if (failed)
		atomic_fetch_sub(&raw_forks_here, 1);
}

/* --- the shares --- */

/* Those of connections that ended here; free again when their other holders are dead. */
static struct cn_share *retired[RETIRED_KEPT];
static unsigned int retired_count;
static struct cn_share *fresh;
static size_t fresh_left;
static atomic_flag shares_busy =
	ATOMIC_FLAG_INIT; /* held for a few system calls; a fork child finds it free */

/* False if a signal handler that forks has interrupted the holder. */
static bool lock_shares(void)
{
	int patience = PATIENCE;

	while (atomic_flag_test_and_set(&shares_busy)) {
		if (!patience--)
			return false;
		sched_yield();
	}
	return true;
}

static bool dead(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static bool abandoned(struct cn_share *share)
{
	for (int i = 0; i < CN_HOLDERS; i++) {
		pid_t pid = atomic_load(&share->holders[i]);

		if (pid && pid != cn_process_page->pid && (pid < 0 || !dead(pid)))
			return false;
	}
	return !atomic_load(&share->many);
}

static struct cn_share *take_share(void)
{
	struct cn_share *share;

	if (retired_count && abandoned(retired[retired_count - 1])) {
		share = retired[--retired_count];
		memset(share, 0, sizeof(*share));
		return share;
	}
	if (!fresh_left) {
		fresh = map_shared(SHARES * sizeof(*fresh));
		fresh_left = fresh ? SHARES : 0;
	}
	return fresh_left ? &fresh[--fresh_left] : NULL;
}

static struct cn_share *new_share(void)
{
	struct cn_share *share;

	if (!lock_shares())
		return NULL;
	share = take_share();
	atomic_flag_clear(&shares_busy);
	return share;
}

static bool enlist(struct cn_share *share, pid_t pid, pid_t in_place_of)
{
	for (int i = 0; i < CN_HOLDERS; i++) {
		pid_t seen = in_place_of;

		if (atomic_compare_exchange_strong(&share->holders[i], &seen, pid))
			return true;
	}
	return false;
}

void cn_share_leave(struct cn_share *share)
{
	enlist(share, 0, cn_process_page->pid);
	if (!lock_shares())
		return;
	if (retired_count < RETIRED_KEPT)
		retired[retired_count++] = share;
	atomic_flag_clear(&shares_busy);
}

void cn_share_speak(struct cn_share *share)
{
	pid_t nobody = 0, self = cn_process_page->pid;

	if (atomic_load_explicit(&share->speaker, memory_order_relaxed) == self)
		return;
	if (!atomic_compare_exchange_strong(&share->speaker, &nobody, self) && nobody != self)
		atomic_store(&share->mixed, true);
}

bool cn_share_may_end(const struct cn_share *share, bool inherited)
{
	pid_t speaker = atomic_load(&share->speaker);

	if (atomic_load(&share->mixed))
		return false;
	/* A child that never spoke does not vouch for what a parent that may have crashed had still to send. */
	return speaker == cn_process_page->pid || (speaker == 0 && !inherited);
}

/* "/proc/PID/WHAT" without stdio. */
static void proc_path(pid_t pid, const char *what, char *path)
{
	char digits[12], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	path = stpcpy(stpcpy(path, "/proc/"), cn_digits_before(end, (uint64_t)pid, 10));
	strcpy(stpcpy(path, "/"), what);
}

/* Its descriptors are those of its last thread, so where it shows none it has none: it is about to die. With more threads
 * the first, which is the one that shows them, may have ended before the others. */
static bool is_alone(pid_t pid)
{
	struct stat status;
	char path[32];

	proc_path(pid, "task", path);
	return stat(path, &status) == 0 && status.st_nlink <= 3; /* itself, its parent, a thread */
}

/* Dead to the last thread, whether waited for or not. */
static bool gone(pid_t pid)
{
	int fd = (int)cn_libc()->syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	bool is = fd < 0 ? dead(pid)
			 : poll(&end, 1, 0) ==
				   1; /* without pidfds (before Linux 5.3) a zombie counts as alive */

	if (fd >= 0)
		cn_libc()->close(fd);
	return is;
}

/* Of a process that lives. */
static bool has_socket(pid_t pid, ino_t inode)
{
	bool any = false;
	struct {
		ino64_t inode;
		off64_t next;
		unsigned short length;
		unsigned char type;
		char name[];
	} * entry;
	_Alignas(8) char bytes[2048];
	char path[32];
	struct stat status;
	bool found = false;
	long got = -1;
	int directory;

	proc_path(pid, "fd", path);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return true; /* no /proc, or not for us */
	while (!found && (got = syscall(SYS_getdents64, directory, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < got && !found; at += entry->length) {
			entry = (void *)(bytes + at);
			any |= entry->name[0] != '.';
			found = entry->name[0] != '.' && fstatat(directory, entry->name, &status, 0) == 0 &&
				status.st_ino == inode && S_ISSOCK(status.st_mode);
		}
	}
	cn_libc()->close(directory);
	return found || got < 0 || (!any && !is_alone(pid));
}

bool cn_share_held_elsewhere(struct cn_share *share, int fd)
{
	struct stat status;

	if (atomic_load(&share->many) || fstat(fd, &status))
		return true;
	for (int i = 0; i < CN_HOLDERS; i++) {
		pid_t pid = atomic_load(&share->holders[i]);

		if (!pid || pid == cn_process_page->pid)
			continue;
		/* Asked twice: of one that dies in between /proc shows nothing that is certain. */
		if (pid < 0 || (!gone(pid) && has_socket(pid, status.st_ino) && !gone(pid)))
			return true;
	}
	return false;
}

_Atomic bool cn_tables_differ;

/* --- copies --- */

#define COPIES 64 /* by number: those of one instant lie side by side */

static _Atomic int copies[COPIES]; /* number + 1; 0: none */
static _Atomic uint32_t copying;   /* threads between a copy's making or closing and its note here */
static _Atomic uint32_t forking;

static bool may_copy(void)
{
	atomic_fetch_add(&copying, 1);
	if (!atomic_load(&forking))
		return true;
	atomic_fetch_sub(&copying, 1);
	return false;
}

int cn_copy_for_now(int fd, int least)
{
	int copy, none = 0;

	if (!may_copy())
		return -1;
	copy = cn_libc()->fcntl(fd, F_DUPFD_CLOEXEC, least);
	if (copy >= 0 && !atomic_compare_exchange_strong(&copies[copy % COPIES], &none, copy + 1)) {
		cn_libc()->close(copy);
		copy = -1;
	}
	atomic_fetch_sub(&copying, 1);
	return copy;
}

void cn_copy_over(int copy)
{
	bool may = may_copy();

	for (int patience = PATIENCE; !may && patience; patience--) {
		sched_yield(); /* a fork takes its time */
		may = may_copy();
	}
	cn_libc()->close(copy);
	atomic_store(&copies[copy % COPIES], 0);
	if (may)
		atomic_fetch_sub(&copying, 1);
}

/* A signal handler that forks may have interrupted one of these: then nobody is waited for any longer. */
static void no_copies_now(void)
{
	atomic_fetch_add(&forking, 1);
	for (int patience = PATIENCE; atomic_load(&copying) && patience; patience--)
		sched_yield();
}

static void copies_again(void)
{
	atomic_fetch_sub(&forking, 1);
}

/* The parent's threads that were to close them are not here. */
static void close_copies(void)
{
	for (int i = 0; i < COPIES; i++) {
		int copy = atomic_exchange(&copies[i], 0) - 1;

		if (copy >= 0)
			cn_libc()->close(copy);
	}
	atomic_store(&copying, 0);
	atomic_store(&forking, 0);
}

/* --- fork --- */

/* A program may call system() all day while it is connected. */
static void strike_the_dead(struct cn_share *share)
{
	for (int i = 0; i < CN_HOLDERS && !atomic_load(&share->many); i++) {
		pid_t pid = atomic_load(&share->holders[i]);

		if (pid > 0 && pid != cn_process_page->pid && gone(pid))
			atomic_compare_exchange_strong(&share->holders[i], &pid, 0);
	}
}

/* Stands among the holders for a child that is being born of this thread: another of the family may fork at the same time, and
 * may fail. */
static __thread pid_t mark __attribute__((tls_model("initial-exec")));

static void share_before_fork(struct cn_conn *conn)
{
	pid_t self = cn_process_page->pid;

	if (!conn->tls || conn->process != cn_process() || !atomic_load(&conn->descriptors))
		return;
	if (!conn->share) {
		conn->share = new_share();
		if (!conn->share) { /* with nothing to tell who holds it somebody always does */
			cn_conn_note(conn, CN_HANDED_OVER);
			return;
		}
		enlist(conn->share, self, 0);
	}
	if (!enlist(conn->share, mark, 0)) {
		strike_the_dead(conn->share);
		if (!enlist(conn->share, mark, 0))
			atomic_store(&conn->share->many, true);
	}
	atomic_compare_exchange_strong(&conn->share->speaker, &self,
				       0); /* what is inherited now is current */
}

static void before_fork(void)
{
	static _Atomic pid_t marks;
	int error = errno;

	if (!mark)
		mark = -(atomic_fetch_add(family ? &family->marks : &marks, 1) % INT_MAX) - 1;
	cn_conn_each(share_before_fork);
	no_copies_now();
	errno = error;
}

static void forget_child(struct cn_conn *conn)
{
	if (conn->share && mark && conn->process == cn_process())
		enlist(conn->share, 0, mark);
}

void cn_fork_failed(void)
{
	cn_conn_each(forget_child);
}

static uint32_t parent_name;

static void adopt_after_fork(struct cn_conn *conn)
{
	/* No share, or no place in it: the connection stays the parent's. */
	if (conn->process != parent_name || !conn->share || !enlist(conn->share, cn_process_page->pid, mark))
		return;
	if (getppid() == 0) /* a pid namespace of its own: the others can't look us up */
		atomic_store(&conn->share->many, true);
	atomic_store(&conn->gate, 0); /* the threads that were inside are in the parent */
	conn->process = cn_process();
	cn_conn_note(conn, CN_INHERITED);
}

static void in_child(void)
{
	int error = errno;

	parent_name = process_name;
	name_process();
	close_copies();
	atomic_flag_clear(&shares_busy);
	retired_count = 0;
	fresh_left = 0; /* the parent hands these out */
	cn_conn_each(adopt_after_fork);
	mark = 0; /* it is the parent's */
	errno = error;
}

void cn_processes_start(void)
{
	static struct cn_process_page fallback;
	void *page = cn_map((size_t)sysconf(_SC_PAGESIZE));

	if (page && madvise(page, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) == 0)
		cn_process_page = page;
	else
		cn_process_page =
			&fallback; /* then a raw clone looks like its parent, but cn_process_is_real() tells */
	family = map_shared(sizeof(*family));
	name_process();
	pthread_atfork(before_fork, copies_again, in_child);
}
