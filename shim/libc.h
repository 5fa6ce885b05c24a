/* SPDX-License-Identifier: MIT
 * The real functions of libc behind the hooks. Invariant: knows no TLS. */
#ifndef CN_LIBC_H
#define CN_LIBC_H

#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct cn_libc {
#define HOOKS_OF                               HOME_LIBC
#define HOOK(ret, name, params, home, purpose) ret(*name) params;
#include "hooks.def"
#undef HOOK
	/* What is not hooked, but every process asks for at its start. */
	const char *(*gnu_get_libc_version)(void);
	int (*__register_atfork)(void (*before)(void), void (*parent)(void), void (*child)(void),
				 void *object);
	int (*__cxa_at_quick_exit)(void (*run)(void), void *object);
	void (*pthread_testcancel)(void);
};

extern struct cn_libc cn_libc_table;

/* Fills the table. The constructor calls it; a hook that comes earlier (another library's constructor) calls
 * it itself. Repeating it is harmless. */
void cn_libc_find(void);

/* The real libc functions; any thread, signal handlers included once the constructor has run. A member is
 * NULL where this libc lacks the function. */
static inline const struct cn_libc *cn_libc(void)
{
	if (__builtin_expect(!cn_libc_table.close, 0))
		cn_libc_find();
	return &cn_libc_table;
}

#endif
