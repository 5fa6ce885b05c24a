/* SPDX-License-Identifier: MIT
 * What glibc before 2.34 lacks (Debian 11 has 2.31), as programs help themselves there: by number. */
#ifndef OLD_LIBC_H
#define OLD_LIBC_H

#include <features.h>

#if !__GLIBC_PREREQ(2, 34)
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* Names of their own: where the library is preloaded it has those of glibc. */
#define close_range old_close_range
#define closefrom   old_closefrom
#define _Fork       old_Fork

static inline int old_close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

static inline void old_closefrom(int first)
{
	old_close_range((unsigned int)first, UINT_MAX, 0);
}

static inline pid_t old_Fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
#endif

#endif
