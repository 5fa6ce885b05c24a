/* SPDX-License-Identifier: MIT
 * Which process is this, and who else holds a connection. Invariant: when in doubt, somebody does.
 *
 * The family is this process, its descendants and its ancestors by fork, in a list that they share. A child that dies or execs
 * does not take itself off the list. So a share names the processes that may have the socket, and at the end of a connection
 * /proc tells which of them still have it. */
#include "process.h"
#include "format.h"
#include "kernel.h"
#include "libc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARES      (((size_t)1 << 20) / sizeof(struct cn_share))
#define PATIENCE    1000 /* then it gives up: the waiter itself may keep the other from running */
#define ASKED       32   /* members that are asked whether they live when the list is full */
#define FILTERS     16
#define FILTER_BITS (1 << 16)
#define LINK_MOST   40 /* "socket:[INODE]" */
#define TURNED      4  /* shares that are looked at whether they can be used again */

/* --- this process --- */

/* Until there is a connection, and where no page is to be had. The kernel does not empty it. */
static struct cn_process_page no_page = {.name = 1};

struct cn_process_page *_Atomic cn_process_page = &no_page;
static uint32_t process_name = 1;

_Atomic bool cn_confined;

enum { UNBORN = 0, GONE = -1 }; /* instead of a pid: not known yet; all its threads are dead */

struct member {
	_Atomic uint64_t who; /* its name << 32 | its pid; 0: the place is free */
	int error;            /* errno before its birth */
};

static struct family {
	_Atomic uint32_t raw_forks;
	_Atomic uint32_t names; /* each given once */
	_Atomic uint32_t turn;  /* whose place is looked at next when one is wanted */
	struct member members[CN_FAMILY];
} * _Atomic family;

static _Atomic uint64_t self; /* this process's name << 32 | its place + 1; 0: it has none yet */

static void *map_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void name_process(void)
{
	struct cn_process_page *page = atomic_load(&cn_process_page);

	page->pid = cn_confined ? 0 : getpid();
	atomic_store(&self, 0);
	atomic_store(&page->name, ++process_name);
}

static pid_t own_pid(void)
{
	return atomic_load_explicit(&cn_process_page, memory_order_acquire)->pid;
}

static _Atomic uint32_t raw_forks_here; /* by a call that a hook saw */
static _Atomic bool raw_fork_under_way; /* so the child, which inherits this, need not tell */

uint32_t cn_process_born(void)
{
	if (!atomic_exchange(&raw_fork_under_way, false) && family) /* let the others know */
		atomic_fetch_add(&family->raw_forks, 1);
	name_process();
	return atomic_load_explicit(&atomic_load(&cn_process_page)->name, memory_order_relaxed);
}

#ifdef __x86_64__
_Atomic bool cn_memory_lent;
#else
_Atomic bool cn_memory_lent = true; /* vfork has no hook there */
#endif

bool cn_process_is_real(void)
{
	return cn_process() &&
	       (!atomic_load_explicit(&cn_memory_lent, memory_order_relaxed) || getpid() == own_pid());
}

void cn_memory_is_lent(void)
{
	int error = errno;

	if (!own_pid() && !cn_confined)
		atomic_load(&cn_process_page)->pid = getpid();
	atomic_store(&cn_memory_lent, true);
	errno = error;
}

uint32_t cn_raw_forks(void)
{
	return atomic_load_explicit(&raw_forks_here, memory_order_relaxed) +
	       (family ? atomic_load_explicit(&family->raw_forks, memory_order_relaxed) : 0);
}

void cn_raw_fork_begins(void)
{
	cn_process();
	atomic_fetch_add(&raw_forks_here, 1);
	atomic_store(&raw_fork_under_way, true);
}

void cn_raw_fork_over(bool failed)
{
	cn_process();
	atomic_store(&raw_fork_under_way, false);
	if (failed)
		atomic_fetch_sub(&raw_forks_here, 1);
}

/* --- other processes --- */

/* "/proc/PID/WHAT" without stdio. */
static void proc_path(pid_t pid, const char *what, char *path)
{
	char digits[12], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	path = stpcpy(stpcpy(path, "/proc/"), cn_digits_before(end, (uint64_t)pid, 10));
	strcpy(stpcpy(path, "/"), what);
}

/* /proc shows the descriptors of the first thread. In a process with one thread, none shown means none there: it is about to
 * die. With more threads the first may have ended before the others. */
static bool is_alone(pid_t pid)
{
	struct stat status;
	char path[32];

	proc_path(pid, "task", path);
	return stat(path, &status) == 0 && status.st_nlink <= 3; /* itself, its parent, a thread */
}

/* All its threads are dead, whether it has been waited for or not. Uses no descriptor: a fork in another thread would inherit
 * that. */
static bool gone(pid_t pid)
{
	siginfo_t end = {0};
	char path[32], any;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	/* A child of ours. By number, for waitid() lets a thread be cancelled. */
	if (syscall(SYS_waitid, P_PID, pid, &end, WEXITED | WNOHANG | WNOWAIT, NULL) == 0)
		return end.si_pid == pid;
	proc_path(pid, "exe", path);
	return readlink(path, &any, 1) < 0 && errno == ENOENT &&
	       is_alone(pid); /* it has no memory any more */
}

/* --- the family --- */

static uint64_t member(uint32_t name, pid_t pid)
{
	return (uint64_t)name << 32 | (uint32_t)pid;
}

static uint32_t name_of(uint64_t who)
{
	return (uint32_t)(who >> 32);
}

static pid_t pid_of(uint64_t who)
{
	return (pid_t)(uint32_t)who;
}

static bool has_gone(_Atomic uint64_t *who)
{
	uint64_t seen = atomic_load(who);

	if (pid_of(seen) > 0 && gone(pid_of(seen)))
		atomic_compare_exchange_strong(who, &seen, member(name_of(seen), GONE));
	return pid_of(atomic_load(who)) == GONE;
}

/* Only if no living process has it. */
static bool take_place(_Atomic uint64_t *who, pid_t pid)
{
	uint64_t seen = atomic_load(who);

	if (seen && pid_of(seen) != GONE)
		return false;
	return atomic_compare_exchange_strong(who, &seen,
					      member(atomic_fetch_add(&family->names, 1) + 1, pid));
}

/* A place in the list + 1; -1: there is no room. System calls only when the list is full, and then not many. */
static int16_t join(pid_t pid)
{
	uint32_t turn;

	if (!family)
		return -1;
	turn = atomic_load(&family->turn);
	for (uint32_t i = 0; i < CN_FAMILY + ASKED; i++) {
		uint32_t at = (turn + i) % CN_FAMILY;
		_Atomic uint64_t *who = &family->members[at].who;

		if (i >= CN_FAMILY && !has_gone(who))
			continue;
		if (take_place(who, pid)) {
			atomic_store(&family->turn, at + 1);
			return (int16_t)(at + 1);
		}
	}
	atomic_store(&family->turn, turn + ASKED); /* the next asks others */
	return -1;
}

static int own_place(void)
{
	return (int)(uint32_t)atomic_load(&self) - 1;
}

static bool join_oneself(void)
{
	uint64_t none = 0;
	_Atomic uint64_t *who;
	int16_t place;

	if (atomic_load(&self))
		return true;
	place = join(own_pid());
	if (place < 0)
		return false;
	who = &family->members[place - 1].who;
	if (!atomic_compare_exchange_strong(&self, &none, member(name_of(atomic_load(who)), place)))
		atomic_store(who, 0); /* another thread was quicker */
	return true;
}

/* --- the shares --- */

/* Those of connections that ended here, first in, first out; used again when their other holders are dead. */
static struct cn_share *first_retired, *last_retired;
static struct cn_share *fresh;
static size_t fresh_left;
static atomic_flag shares_busy =
	ATOMIC_FLAG_INIT; /* held for a system call at most; a fork child finds it free */

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

static void put_back(struct cn_share *share)
{
	share->next = NULL;
	if (first_retired)
		last_retired->next = share;
	else
		first_retired = share;
	last_retired = share;
}

static void retire(struct cn_share *share)
{
	if (share->home != name_of(atomic_load(&self)) || !lock_shares())
		return;
	put_back(share);
	atomic_flag_clear(&shares_busy);
}

/* The first place from `at` on whose member may have it; CN_FAMILY: none. */
static int next_holder(const struct cn_share *share, int at)
{
	for (; at < CN_FAMILY; at = (at | 63) + 1) {
		uint64_t left = atomic_load(&share->holders[at / 64]) >> at % 64;

		if (left)
			return at + __builtin_ctzll(left);
	}
	return CN_FAMILY;
}

static bool is_abandoned(const struct cn_share *share)
{
	for (int at = next_holder(share, 0); at < CN_FAMILY; at = next_holder(share, at + 1)) {
		if (pid_of(atomic_load(&family->members[at].who)) != GONE)
			return false;
	}
	return !atomic_load(&share->many);
}

static struct cn_share *take_share(void)
{
	for (int turned = 0; first_retired && turned < TURNED; turned++) {
		struct cn_share *share = first_retired;

		first_retired = share->next;
		if (is_abandoned(share)) {
			memset(share, 0, sizeof(*share));
			return share;
		}
		put_back(share);
	}
	if (!fresh_left) {
		fresh = map_shared(SHARES * sizeof(*fresh));
		fresh_left = fresh ? SHARES : 0;
	}
	return fresh_left ? &fresh[--fresh_left] : NULL;
}

static void enlist(struct cn_share *share, int place)
{
	atomic_fetch_or(&share->holders[place / 64], UINT64_C(1) << place % 64);
}

static struct cn_share *new_share(void)
{
	struct cn_share *share;

	if (!lock_shares())
		return NULL;
	share = take_share();
	atomic_flag_clear(&shares_busy);
	if (share) {
		share->home = name_of(atomic_load(&self));
		enlist(share, own_place());
	}
	return share;
}

void cn_share_leave(struct cn_share *share)
{
	int place = own_place();

	if (place < 0)
		return;
	atomic_fetch_and(&share->holders[place / 64], ~(UINT64_C(1) << place % 64));
	retire(share);
}

/* Threads that fork at the same instant find the same one. */
static struct cn_share *share_of(struct cn_share *_Atomic *place)
{
	struct cn_share *share = atomic_load(place), *new;

	if (share || !join_oneself())
		return share;
	new = new_share();
	if (!new || atomic_compare_exchange_strong(place, &share, new))
		return new;
	cn_share_leave(new);
	return share;
}

void cn_share_speak(struct cn_share *share)
{
	uint32_t nobody = 0, name = name_of(atomic_load_explicit(&self, memory_order_relaxed));

	if (atomic_load_explicit(&share->speaker, memory_order_relaxed) == name)
		return;
	if (!atomic_compare_exchange_strong(&share->speaker, &nobody, name) && nobody != name)
		atomic_store(&share->mixed, true);
}

bool cn_share_may_end(const struct cn_share *share, bool inherited)
{
	uint32_t speaker = atomic_load(&share->speaker);

	if (atomic_load(&share->mixed))
		return false;
	/* A child that never spoke on it can't know whether the parent had sent everything: it may have crashed. */
	return speaker == name_of(atomic_load(&self)) || (speaker == 0 && !inherited);
}

/* --- who has the socket --- */

/* What the link of a descriptor of it says. */
static bool name_socket(int fd, char *name)
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
	ssize_t length = readlinkat(directory, path, found, LINK_MOST - 1);

	found[length > 0 ? length : 0] = '\0';
	return length < 0 && errno != ENOENT ? -1 : strcmp(found, socket) == 0;
}

static bool has_at(pid_t pid, int number, const char *socket)
{
	char path[48], found[LINK_MOST], digits[12], *end = digits + sizeof(digits) - 1;

	*end = '\0';
	proc_path(pid, "fd/", path);
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

static void drop_filters(void)
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
	struct {
		ino64_t inode;
		off64_t next;
		unsigned short length;
		unsigned char type;
		char name[];
	} * entry;
	_Alignas(8) char bytes[2048];
	char found[LINK_MOST];
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

static int open_for_now(const char *path);

static bool has_somewhere(int at, uint64_t who, const char *socket)
{
	struct filter *filter = &filters[at % FILTERS];
	char path[32];
	int directory, has;

	if (lacks(filter, name_of(who), socket))
		return false;
	proc_path(pid_of(who), "fd", path);
	directory = open_for_now(path);
	if (directory < 0)
		return true; /* no /proc, or not for us */
	filter = begin_filter(filter);
	has = look_through(pid_of(who), directory, socket, filter);
	/* Twice: while the first look goes on, a descriptor may move from a number not yet read to one already read. */
	if (!has && lseek(directory, 0, SEEK_SET) == 0)
		has = look_through(pid_of(who), directory, socket, filter);
	cn_copy_over(directory);
	end_filter(filter, has ? 0 : name_of(who));
	return has;
}

static bool holds(int at, int number, const char *socket)
{
	_Atomic uint64_t *member = &family->members[at].who;
	uint64_t who = atomic_load(member);

	if (pid_of(who) == GONE)
		return false;
	if (pid_of(who) == UNBORN || has_at(pid_of(who), number, socket))
		return true;
	/* Asked twice: what /proc shows of a process that dies meanwhile is not certain. */
	return !has_gone(member) && has_somewhere(at, who, socket) && !has_gone(member);
}

bool cn_share_held_elsewhere(const struct cn_share *share, int fd, int number)
{
	char socket[40] = "";

	if (atomic_load(&share->many))
		return true;
	for (int at = next_holder(share, 0); at < CN_FAMILY; at = next_holder(share, at + 1)) {
		if (at == own_place())
			continue;
		if (!*socket && !name_socket(fd, socket))
			return true;
		if (holds(at, number, socket))
			return true;
	}
	return false;
}

/* --- Wine's server --- */

static bool is_server(pid_t pid)
{
	char path[32], program[256];
	ssize_t length;
	const char *name;

	proc_path(pid, "exe", path);
	length = readlink(path, program, sizeof(program) - 1);
	program[length > 0 ? length : 0] = '\0';
	name = strrchr(program, '/');
	return name && strncmp(name, "/wineserver", 11) == 0;
}

/* 1: it has the socket; 0: it has not; -1: unknown. */
static int asked(pid_t pid, const char *socket)
{
	char path[32];
	int directory, has;

	proc_path(pid, "fd", path);
	directory = open_for_now(path);
	if (directory < 0)
		return -1;
	has = look_through(pid, directory, socket, NULL);
	cn_copy_over(directory);
	return has;
}

/* The server that has the socket, or 0; there may be others, each for Windows programs of its own. */
static pid_t find_server(const char *socket)
{
	struct {
		ino64_t inode;
		off64_t next;
		unsigned short length;
		unsigned char type;
		char name[];
	} * entry;
	_Alignas(8) char bytes[4096];
	int directory = open_for_now("/proc");
	pid_t found = 0;
	long got;

	if (directory < 0)
		return 0;
	while (!found && (got = syscall(SYS_getdents64, directory, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < got && !found; at += entry->length) {
			pid_t pid = 0;

			entry = (void *)(bytes + at);
			/* Not strtol: with glibc 2.38 that is a younger function. */
			for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++)
				pid = pid * 10 + (*c - '0');
			if (pid > 0 && is_server(pid) && asked(pid, socket) == 1)
				found = pid;
		}
	}
	cn_copy_over(directory);
	return found;
}

bool cn_share_held_by_server(int fd)
{
	static _Atomic pid_t server; /* a process under Wine does not outlive it */
	char socket[40];
	pid_t pid = atomic_load(&server);

	if (!name_socket(fd, socket))
		return true;
	if (!pid) {
		pid = find_server(socket);
		atomic_store(&server, pid);
		return true;
	}
	return asked(pid, socket) != 0;
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

/* A fork takes its time. */
static bool wait_to_copy(void)
{
	for (int patience = PATIENCE; patience; patience--) {
		if (may_copy())
			return true;
		sched_yield();
	}
	return false;
}

static bool replace_note(int copy, int before, int after)
{
	for (int i = 0; i < COPIES; i++) {
		int seen = before;

		if (atomic_compare_exchange_strong(&copies[(copy + i) % COPIES], &seen, after))
			return true;
	}
	return false;
}

/* Between may_copy() and the end of it. */
static int noted(int copy)
{
	if (copy >= 0 && !replace_note(copy, 0, copy + 1)) {
		cn_libc()->close(copy);
		copy = -1;
	}
	atomic_fetch_sub(&copying, 1);
	return copy;
}

int cn_copy_for_now(int fd, int least)
{
	return may_copy() ? noted(cn_libc()->fcntl(fd, F_DUPFD_CLOEXEC, least)) : -1;
}

static int open_for_now(const char *path)
{
	return wait_to_copy() ? noted(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) : -1;
}

int cn_socket_for_now(int domain, int type)
{
	bool may = wait_to_copy(); /* a fork that takes longer has copied the descriptors by now */
	int made = socket(domain, type | SOCK_CLOEXEC, 0);

	return may ? noted(made) : made;
}

void cn_copy_over(int copy)
{
	bool may = wait_to_copy();

	replace_note(copy, copy + 1, 0); /* before the number can be another thread's */
	cn_libc()->close(copy);
	if (may)
		atomic_fetch_sub(&copying, 1);
}

/* A signal handler that forks may have interrupted one of these, so the wait has a bound. */
static void no_copies_now(void)
{
	atomic_fetch_add(&forking, 1);
	for (int patience = PATIENCE; atomic_load(&copying) && !cn_confined && patience; patience--)
		sched_yield();
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

/* Of this thread: another may fork at the same time. */
static __thread struct cn_birth birth __attribute__((tls_model("initial-exec")));

static struct member *newborn(void)
{
	return birth.place > 0 ? &family->members[birth.place - 1] : NULL;
}

/* Memory alone: there may be many. */
bool cn_share_with_child(struct cn_share *_Atomic *place)
{
	struct cn_share *share = share_of(place);
	uint32_t name;

	if (!share)
		return false;
	if (!birth.place)
		birth.place = join(UNBORN);
	if (birth.place > 0)
		enlist(share, birth.place - 1);
	else
		atomic_store(&share->many, true);
	name = name_of(atomic_load(&self));
	atomic_compare_exchange_strong(&share->speaker, &name, 0); /* what is inherited now is current */
	return true;
}

/* What cn_processes_start was given. */
static void (*before_each_fork)(void), (*in_each_child)(uint32_t parent);

static void before_fork(void)
{
	int error = errno;

	birth.place = 0;
	if (!cn_confined)
		before_each_fork();
	no_copies_now();
	errno = error;
	if (newborn()) {
		newborn()->error = error;
		errno = 0; /* only the system call can change it before the next handler runs */
	}
}

static void tell_family(pid_t pid)
{
	uint64_t seen = atomic_load(&newborn()->who);

	atomic_store(&newborn()->who, member(name_of(seen), pid));
}

/* libc's own forks (daemon) do not tell whether they failed. */
static void in_parent(void)
{
	atomic_fetch_sub(&forking, 1);
	if (!newborn())
		return;
	if (errno == 0)
		errno = newborn()->error;
	else if (!birth.hooked)
		tell_family(GONE);
}

struct cn_birth cn_fork_begins(void)
{
	struct cn_birth outer = birth;

	birth = (struct cn_birth){.hooked = true};
	return outer;
}

void cn_fork_over(struct cn_birth outer, pid_t child)
{
	if (child && newborn())
		tell_family(child < 0 ? GONE : child);
	birth = outer;
}

bool cn_share_inherited(struct cn_share *share)
{
	if (!share || birth.place <= 0)
		return false;
	if (getppid() == 0) /* a pid namespace of its own: the others can't look us up */
		atomic_store(&share->many, true);
	return true;
}

/* A process that leaves the pid namespace of the others starts a list of its own: pids differ there. */
static void found_family(void)
{
	struct family *old = family;

	family = map_shared(sizeof(*family));
	if (family) {
		atomic_store(&family->raw_forks, atomic_load(&old->raw_forks));
		atomic_store(&family->names, atomic_load(&old->names) + (UINT32_C(1) << 30));
	}
	atomic_store(&self, 0);
	join_oneself();
}

/* The parent may have told already. */
static void join_as_newborn(void)
{
	_Atomic uint64_t *who = &newborn()->who;
	uint64_t seen = atomic_load(who);

	if (pid_of(seen) == UNBORN || pid_of(seen) == GONE)
		atomic_compare_exchange_strong(who, &seen, member(name_of(seen), own_pid()));
	atomic_store(&self, member(name_of(seen), birth.place));
}

static void in_child(void)
{
	int error = newborn() ? newborn()->error : errno;
	uint32_t parent = process_name;

	name_process();
	close_copies();
	atomic_flag_clear(&shares_busy);
	drop_filters();
	first_retired = NULL;
	fresh_left = 0; /* the parent hands these out */
	if (newborn())
		join_as_newborn();
	in_each_child(parent);
	if (newborn() && getppid() == 0)
		found_family();
	birth = (struct cn_birth){0}; /* it is the parent's */
	errno = error;
}

/* Of its own name and pid: whoever reads the old one meanwhile reads the same. */
static void make_page(void)
{
	size_t size = (size_t)getauxval(AT_PAGESZ);
	struct cn_process_page *page = cn_map(size), *none = &no_page;

	if (page && madvise(page, size, MADV_WIPEONFORK) == 0) {
		page->pid = getpid();
		atomic_store(&page->name, cn_process());
		if (atomic_compare_exchange_strong(&cn_process_page, &none, page))
			return;
	} else { /* then a raw clone looks like its parent, and is to be told apart as a vfork child is */
		cn_memory_is_lent();
	}
	if (page)
		munmap(page, size);
}

static void make_family(void)
{
	struct family *fresh_one = map_shared(sizeof(*fresh_one)), *none = NULL;

	if (fresh_one && !atomic_compare_exchange_strong(&family, &none, fresh_one))
		munmap(fresh_one, sizeof(*fresh_one));
}

void cn_process_prepare(void)
{
	if (__builtin_expect(!atomic_load_explicit(&family, memory_order_acquire), 0)) {
		make_page();
		make_family();
	}
}

void cn_processes_start(void (*before)(void), void (*child)(uint32_t parent))
{
	before_each_fork = before;
	in_each_child = child;
	pthread_atfork(before_fork, in_parent, in_child);
}
