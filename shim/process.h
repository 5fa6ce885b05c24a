/* SPDX-License-Identifier: MIT
 * Which process is this, and who else holds a connection. Invariant: when in doubt, somebody does. */
#ifndef CN_PROCESS_H
#define CN_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

#ifndef SYS_close_range /* glibc before 2.34 has no name for it */
#define SYS_close_range 436
#endif

#define CN_FAMILY 1024 /* processes that may hold connections of one another, at a time */

/* What the processes that hold one connection tell each other, in memory that fork shares. */
struct cn_share {
	_Atomic uint32_t
		speaker; /* the name of the process that has used the session since the last fork; 0: none */
	_Atomic bool mixed;    /* more than one has: no process has the current keys */
	_Atomic bool said;     /* a close_notify was delivered, by whichever process */
	_Atomic bool many;     /* more holders than there is room for */
	uint32_t home;         /* the name of the process that made it: only that process may reuse it */
	struct cn_share *next; /* home's list of the shares that it no longer needs */
	_Atomic uint64_t
		holders[CN_FAMILY / 64]; /* by place in the family's list, which may be another's by now */
};

/* Called by the constructor. `before` is called before each fork, `child` in the child, with the name of the process that has
 * forked. */
void cn_processes_start(void (*before)(void), void (*child)(uint32_t parent));

/* A name for this process that changes with every fork, raw clone included; vfork children share their parent's. */
static inline uint32_t cn_process(void);

/* False in a vfork child, which runs in its parent's memory. Any thread, signal handlers too. One system call, and only where there has been such a
 * child. */
bool cn_process_is_real(void);

/* A child runs in this memory, or may have (vfork; clone with CLONE_VM and without CLONE_THREAD). Never false again: nobody can tell when the
 * last such child is gone. */
extern _Atomic bool cn_memory_lent;

/* The program has put itself under a seccomp filter: the shim makes no system call of its own any more. */
extern _Atomic bool cn_confined;

/* Called by the parent before it makes such a child. Any thread, signal handlers too; errno is kept. */
void cn_memory_is_lent(void);

/* Called before there is a connection: from here on a fork without atfork handlers is noticed, and processes share what they know. Any thread, signal
 * handlers too. */
void cn_process_prepare(void);

/* Changes when a fork without atfork handlers may have copied this process's connections. A hooked call counts at once (the
 * hook calls begins before it, and over after it in parent and child), any other when the child first reaches a hook. */
uint32_t cn_raw_forks(void);
void cn_raw_fork_begins(void);
void cn_raw_fork_over(bool failed);

/* The child that this thread is about to fork, or was about to when a signal came. */
struct cn_birth {
	int16_t place; /* its place in the family's list + 1; 0: none yet, -1: there is no room */
	bool hooked;   /* cn_fork_over will tell */
};

/* Called after fork(), with its result. The atfork handlers learn neither that it failed nor the child's pid, and a child that
 * is killed at once can't tell them. */
struct cn_birth cn_fork_begins(void);
void cn_fork_over(struct cn_birth outer, pid_t child);

/* Before a fork: the child will have what the share at `place` stands for, and there is one from now on if there was none. False
 * without memory: then nobody can know who has it. */
bool cn_share_with_child(struct cn_share *_Atomic *place);

/* In the child: false if it stays the parent's. */
bool cn_share_inherited(struct cn_share *share);

/* This process uses the session. */
void cn_share_speak(struct cn_share *share);

/* True if this process may say goodbye: it has gone on using the session, or no process has and it had it first. */
bool cn_share_may_end(const struct cn_share *share, bool inherited);

/* True if another living process has the socket `fd` open, which it inherited at `number`. Asks /proc, and follows no link
 * there, because the file system behind a link may not answer. What can't be read counts as held. Costs some three system calls
 * for each living holder, or one for each of its descriptors if the socket is no longer at `number`. */
bool cn_share_held_elsewhere(const struct cn_share *share, int fd, int number);

/* This process has closed its last descriptor of the connection, and is no holder any more. */
void cn_share_leave(struct cn_share *share);

/* One page that the kernel empties in every fork child, atfork handlers or not (MADV_WIPEONFORK, Linux 4.14). */
struct cn_process_page {
	_Atomic uint32_t name;
	pid_t pid;
};
extern struct cn_process_page *_Atomic cn_process_page;

/* The first call in a process that was forked without atfork handlers. */
uint32_t cn_process_born(void);

static inline uint32_t cn_process(void)
{
	struct cn_process_page *page = atomic_load_explicit(&cn_process_page, memory_order_acquire);
	uint32_t name = atomic_load_explicit(&page->name, memory_order_relaxed);

	return __builtin_expect(name != 0, 1) ? name : cn_process_born();
}

/* A thread has a descriptor table of its own (unshare): what it closes may still be open in others under the same number. */
extern _Atomic bool cn_tables_differ;

#endif
