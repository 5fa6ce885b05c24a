/* SPDX-License-Identifier: MIT
 * Which process is this, and who else holds a connection. Invariant: when in doubt, somebody does.
 *
 * The family is this process, its descendants and its ancestors by fork, in a list that they share. A child that dies or execs
 * does not take itself off the list. So a share names the processes that may have the socket, and at the end of a connection
 * /proc tells which of them still have it. */
#include "process.h"
#include "copies.h"
#include "holders.h"
#include "kernel.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHARES   (((size_t)1 << 20) / sizeof(struct cn_share))
#define PATIENCE 1000 /* then it gives up: the waiter itself may keep the other from running */
#define ASKED    32   /* members that are asked whether they live when the list is full */
#define TURNED   4    /* shares that are looked at whether they can be used again */

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

	if (pid_of(seen) > 0 && cn_pid_gone(pid_of(seen)))
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

static bool holds(int at, int number, const char *socket)
{
	_Atomic uint64_t *member = &family->members[at].who;
	uint64_t who = atomic_load(member);

	if (pid_of(who) == GONE)
		return false;
	if (pid_of(who) == UNBORN || cn_pid_has_at(pid_of(who), number, socket))
		return true;
	/* Asked twice: what /proc shows of a process that dies meanwhile is not certain. */
	return !has_gone(member) && cn_pid_has(pid_of(who), name_of(who), at, socket) && !has_gone(member);
}

bool cn_share_held_elsewhere(const struct cn_share *share, int fd, int number)
{
	char socket[CN_LINK_MOST] = "";

	if (atomic_load(&share->many))
		return true;
	for (int at = next_holder(share, 0); at < CN_FAMILY; at = next_holder(share, at + 1)) {
		if (at == own_place())
			continue;
		if (!*socket && !cn_name_socket(fd, socket))
			return true;
		if (holds(at, number, socket))
			return true;
	}
	return false;
}

_Atomic bool cn_tables_differ;

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
	cn_copies_pause(!cn_confined);
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
	cn_copies_resume();
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
	cn_copies_forked();
	atomic_flag_clear(&shares_busy);
	cn_holders_forked();
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
