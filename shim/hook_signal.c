/* SPDX-License-Identifier: MIT
 * Shells around the calls that install signal handlers. Invariant: only notes that there is one. */
#include "hook.h"

#include <errno.h>
#include <signal.h>

static bool is_handler(sighandler_t handler)
{
	return handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR && handler != SIG_HOLD;
}

typedef sighandler_t signal_call(int number, sighandler_t handler);

/* Notes the handler before the real call, because the signal may come at once. */
static sighandler_t set(signal_call *real, int number, sighandler_t handler, int flags)
{
	if (is_handler(handler))
		cn_handler_noted(number, (unsigned long)flags);
	if (real)
		return real(number, handler);
	errno = ENOSYS;
	return SIG_ERR;
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	if (action && is_handler(action->sa_handler))
		cn_handler_noted(number, (unsigned long)action->sa_flags);
	return cn_libc()->sigaction(number, action, old);
}

#define SIGNAL(name, flags)                                                                                  \
	sighandler_t name(int number, sighandler_t handler);                                                 \
                                                                                                             \
	EXPORT sighandler_t name(int number, sighandler_t handler)                                           \
	{                                                                                                    \
		return set(cn_libc()->name, number, handler, flags);                                         \
	}

SIGNAL(signal, 0)
SIGNAL(bsd_signal, 0)
SIGNAL(ssignal, 0)
SIGNAL(sysv_signal, SA_NODEFER)
SIGNAL(__sysv_signal, SA_NODEFER)
SIGNAL(sigset, 0)
