/* SPDX-License-Identifier: MIT
 * The program's epoll sets. Invariant: every open set that was noted is in the list. A number in the list that is no set any
 * more does no harm, and is removed when it is met. */
#include "watch.h"
#include "kernel.h"
#include "copies.h"
#include "libc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define MOST  1024U
#define AGAIN (UINT64_C(1) << 32) /* above the number, a count of notes: so no thread removes a newer one */

static CN_APART _Atomic uint64_t pollers[MOST]; /* number + 1; 0: free */
static _Atomic uint32_t top;

static int number(uint64_t poller)
{
	return (int)(uint32_t)poller - 1;
}

static bool note(int poller)
{
	uint32_t used = atomic_load(&top);

	for (uint32_t i = 0; i < used; i++) {
		uint64_t known = atomic_load(&pollers[i]);

		while (number(known) == poller) {
			if (atomic_compare_exchange_weak(&pollers[i], &known, known + AGAIN))
				return true;
		}
	}
	for (uint32_t i = 0; i < MOST; i++) {
		uint64_t free = 0;

		if (!atomic_compare_exchange_strong(&pollers[i], &free, (uint64_t)poller + 1))
			continue;
		while (used <= i && !atomic_compare_exchange_weak(&top, &used, i + 1))
			;
		return true;
	}
	return false;
}

/* Removes fd from every set, and from the list each number that is no set any more. */
static void leave_all(int fd)
{
	uint32_t used = atomic_load(&top);

	for (uint32_t i = 0; i < used; i++) {
		uint64_t known = atomic_load(&pollers[i]);

		if (known && epoll_ctl(number(known), EPOLL_CTL_DEL, fd, NULL) &&
		    (errno == EBADF || errno == EINVAL))
			atomic_compare_exchange_strong(&pollers[i], &known, 0);
	}
}

void cn_watch_noted(int poller)
{
	if (!note(poller)) {
		leave_all(poller); /* a new set is in no other, so this only makes room */
		note(poller);
	}
}

void cn_watch_copied(int fd, int copy)
{
	uint32_t used = atomic_load(&top);

	for (uint32_t i = 0; i < used; i++) {
		if (number(atomic_load(&pollers[i])) == fd) {
			cn_watch_noted(copy);
			return;
		}
	}
}

/* A set knows a socket by the number by which it was added. Only that number removes it, and only if it is free by now. */
void cn_watch_ends_as(int fd, int number)
{
	int again = number >= 0 && number != fd && atomic_load(&top) ? cn_copy_for_now(fd, number) : -1;

	if (again == number)
		leave_all(again);
	if (again >= 0)
		cn_copy_over(again);
}

void cn_watch_ends(int fd)
{
	cn_libc()->fcntl(fd, F_SETOWN,
			 0); /* without an owner neither SIGIO nor SIGURG comes, O_ASYNC or not */
	leave_all(fd);
}
