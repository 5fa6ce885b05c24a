/* SPDX-License-Identifier: MIT
 * Which processes have a socket open, by what /proc shows. Invariant: when in doubt, a process has it. */
#include "holders.h"
#include "copies.h"
#include "format.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILTERS     16
#define FILTER_BITS (1 << 16)

/* "/proc/PID/WHAT" without stdio. */
void cn_proc_path(pid_t pid, const char *what, char *path)
{
	char digits[12], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	path = stpcpy(stpcpy(path, "/proc/"), cn_digits_before(end, (uint64_t)pid, 10));
	strcpy(stpcpy(path, "/"), what);
}

/* In a new PID namespace /proc may still be the outer one's (unshare --pid without --mount-proc): its numbers are other processes'. */
static bool shows_ours(void)
{
	static _Atomic pid_t known; /* the process that has looked */
	char link[12], digits[12], *end = digits + sizeof(digits) - 1;
	pid_t self = getpid();
	ssize_t length;

	if (atomic_load_explicit(&known, memory_order_relaxed) == self)
		return true;
	*end = '\0';
	length = readlink("/proc/self", link, sizeof(link) - 1);
	link[length > 0 ? length : 0] = '\0';
	if (strcmp(link, cn_digits_before(end, (uint64_t)self, 10)) != 0)
		return false;
	atomic_store_explicit(&known, self, memory_order_relaxed);
	return true;
}

/* /proc shows the descriptors of the first thread. In a process with one thread, none shown means none there: it is about to
 * die. With more threads the first may have ended before the others. */
static bool is_alone(pid_t pid)
{
	struct stat status;
	char path[32];

	cn_proc_path(pid, "task", path);
	return stat(path, &status) == 0 && status.st_nlink <= 3; /* itself, its parent, a thread */
}

/* All its threads are dead, whether it has been waited for or not. Uses no descriptor: a fork in another thread would inherit
 * that. */
bool cn_pid_gone(pid_t pid)
{
	siginfo_t end = {0};
	char path[32], any;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	/* A child of ours. By number, for waitid() lets a thread be cancelled. */
	if (syscall(SYS_waitid, P_PID, pid, &end, WEXITED | WNOHANG | WNOWAIT, NULL) == 0)
		return end.si_pid == pid;
	cn_proc_path(pid, "exe", path);
	return shows_ours() && readlink(path, &any, 1) < 0 && errno == ENOENT &&
	       is_alone(pid); /* it has no memory any more */
}

/* What the link of a descriptor of it says. */
bool cn_name_socket(int fd, char *name)
{
	struct stat status;
	char digits[24], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	if (fstat(fd, &status))
		return false;
	strcpy(stpcpy(stpcpy(name, "socket:["), cn_digits_before(end, status.st_ino, 10)), "]");
	return true;
}

/* 1: it is that socket; 0: it is not; -1: unknown. `found` gets what the link says, or "". */
static int links_to(int directory, const char *path, const char *socket, char *found)
{
	ssize_t length = readlinkat(directory, path, found, CN_LINK_MOST - 1);

	found[length > 0 ? length : 0] = '\0';
	return length < 0 && errno != ENOENT ? -1 : strcmp(found, socket) == 0;
}

bool cn_pid_has_at(pid_t pid, int number, const char *socket)
{
	char path[48], found[CN_LINK_MOST], digits[12], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	cn_proc_path(pid, "fd/", path);
	strcat(path, cn_digits_before(end, (uint64_t)number, 10));
	return number >= 0 && links_to(AT_FDCWD, path, socket, found) == 1;
}

/* The sockets of a member whose descriptors were read, as a Bloom filter. A process that was born with a connection and has it
 * no longer will not get it again, except by SCM_RIGHTS, and then it is CN_HANDED_OVER. */
struct filter {
	atomic_flag busy;
	_Atomic uint32_t name; /* whose; 0: nobody's */
};
static struct filter filters[FILTERS]; /* by place */
static CN_APART _Atomic uint64_t filter_bits[FILTERS][FILTER_BITS / 64];

/* One of its words and, in it, one of the two bits that a link has. */
static _Atomic uint64_t *bit_of(const struct filter *filter, const char *link, bool second, uint64_t *bit)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	uint32_t number;

	while (*link)
		h = (h ^ (unsigned char)*link++) * UINT64_C(0x100000001b3);
	number = (uint32_t)(second ? h >> 32 : h) % FILTER_BITS;
	*bit = UINT64_C(1) << number % 64;
	return &filter_bits[filter - filters][number / 64];
}

static void add(struct filter *filter, const char *link)
{
	_Atomic uint64_t *word;
	uint64_t bit;

	word = bit_of(filter, link, false, &bit); /* on its own: arguments have no order among them */
	atomic_fetch_or(word, bit);
	word = bit_of(filter, link, true, &bit);
	atomic_fetch_or(word, bit);
}

static bool lacks(const struct filter *filter, uint32_t name, const char *link)
{
	_Atomic uint64_t *word;
	uint64_t bit;
	bool both;

	if (atomic_load(&filter->name) != name)
		return false;
	word = bit_of(filter, link, false, &bit);
	both = atomic_load(word) & bit;
	word = bit_of(filter, link, true, &bit);
	both = both && atomic_load(word) & bit;
	return !both && atomic_load(&filter->name) == name;
}

/* NULL: another thread fills it. */
static struct filter *begin_filter(struct filter *filter)
{
	if (atomic_flag_test_and_set(&filter->busy))
		return NULL;
	atomic_store(&filter->name, 0);
	for (int i = 0; i < FILTER_BITS / 64; i++)
		atomic_store(&filter_bits[filter - filters][i], 0);
	return filter;
}

static void end_filter(struct filter *filter, uint32_t name)
{
	if (!filter)
		return;
	atomic_store(&filter->name, name);
	atomic_flag_clear(&filter->busy);
}

void cn_holders_forked(void)
{
	for (int i = 0; i < FILTERS; i++) {
		atomic_store(&filters[i].name, 0);
		atomic_flag_clear(&filters[i].busy);
	}
}

/* Whether a living process has it at any number: 1, 0 or -1 as above. Every socket seen goes into the filter, if there is
 * one. */
static int look_through(pid_t pid, int directory, const char *socket, struct filter *filter)
{
	struct cn_entry *entry;
	_Alignas(8) char bytes[2048];
	char found[CN_LINK_MOST];
	bool any = false;
	long got;
	int is;

	while ((got = syscall(SYS_getdents64, directory, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < got; at += entry->length) {
			entry = (void *)(bytes + at);
			if (entry->name[0] == '.')
				continue;
			any = true;
			is = links_to(directory, entry->name, socket, found);
			if (is)
				return is;
			if (filter && *found == 's')
				add(filter, found);
		}
	}
	return got < 0 || (!any && !is_alone(pid)) ? -1 : 0;
}

bool cn_pid_has(pid_t pid, uint32_t name, int at, const char *socket)
{
	struct filter *filter = &filters[at % FILTERS];
	char path[32];
	int directory, has;

	if (lacks(filter, name, socket))
		return false;
	cn_proc_path(pid, "fd", path);
	directory = shows_ours() ? cn_open_for_now(path) : -1;
	if (directory < 0)
		return true; /* no /proc, or not for us */
	filter = begin_filter(filter);
	has = look_through(pid, directory, socket, filter);
	/* Twice: while the first look goes on, a descriptor may move from a number not yet read to one already read. */
	if (!has && lseek(directory, 0, SEEK_SET) == 0)
		has = look_through(pid, directory, socket, filter);
	cn_copy_over(directory);
	end_filter(filter, has ? 0 : name);
	return has;
}

int cn_pid_asked(pid_t pid, const char *socket)
{
	char path[32];
	int directory, has;

	cn_proc_path(pid, "fd", path);
	directory = shows_ours() ? cn_open_for_now(path) : -1;
	if (directory < 0)
		return -1;
	has = look_through(pid, directory, socket, NULL);
	cn_copy_over(directory);
	return has;
}
