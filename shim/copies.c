/* SPDX-License-Identifier: MIT
 * Descriptors that exist only while a call of ours takes. Invariant: no fork child goes on with one of them. */
#include "copies.h"
#include "libc.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 1000 /* then it gives up: the waiter itself may keep the other from running */
#define COPIES   64   /* by number: those of one instant lie side by side */

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

int cn_open_for_now(const char *path)
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
void cn_copies_pause(bool wait)
{
	atomic_fetch_add(&forking, 1);
	for (int patience = PATIENCE; atomic_load(&copying) && wait && patience; patience--)
		sched_yield();
}

void cn_copies_resume(void)
{
	atomic_fetch_sub(&forking, 1);
}

/* The parent's threads that were to close them are not here. */
void cn_copies_forked(void)
{
	for (int i = 0; i < COPIES; i++) {
		int copy = atomic_exchange(&copies[i], 0) - 1;

		if (copy >= 0)
			cn_libc()->close(copy);
	}
	atomic_store(&copying, 0);
	atomic_store(&forking, 0);
}
