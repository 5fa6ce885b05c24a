/* SPDX-License-Identifier: MIT
 * What every hook shares: the export mark and the guard. Invariant: a hook leaves errno as the real call left
 * it, and calls that the shim makes itself go straight through. */
#ifndef CN_HOOK_H
#define CN_HOOK_H

#include "conn.h"

#include <errno.h>
#include <pthread.h>

#define EXPORT __attribute__((visibility("default")))

/* Where the program called the exported function in which this stands. */
#define CALLER __builtin_return_address(0)

/* Marks this thread as inside the shim. The caller has checked cn_inside. */
struct cn_guard {
	int error;
	int cancel; /* a thread cancelled in the middle of a farewell would never release its claim */
};

static inline struct cn_guard cn_guard_enter(void)
{
	struct cn_guard guard = {.error = errno};

	cn_inside = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard.cancel);
	return guard;
}

static inline void cn_guard_leave(struct cn_guard guard)
{
	pthread_setcancelstate(guard.cancel, NULL);
	cn_inside = 0;
	errno = guard.error;
}

/* Registers the exit handler as soon as a TLS library has registered its own clean-up: handlers run in reverse order, so ours
 * runs while the library still works and after all that the program registered later. Once for each kind of library, which
 * `registered` stands for: with two, it runs before the clean-up of either. */
void cn_at_exit_once(_Atomic int *registered);

/* The message has gone out: sockets that went with it have another holder now. Any thread, signal handlers too. */
struct msghdr;
void cn_message_sent(const struct msghdr *message);

#endif
