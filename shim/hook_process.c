/* SPDX-License-Identifier: MIT
 * The process itself: its start and its ends. Invariant: an exit without connections costs nothing. */
#include "config.h"
#include "ending.h"
#include "hook.h"
#include "linger.h"
#include "sink.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Before the constructors of everything that is not preloaded. */
__attribute__((constructor(101))) static void start(void)
{
	cn_libc_find();
	cn_processes_start();
	cn_config_read();
	if (cn_config.mode != CN_MODE_OFF)
		cn_sink_open();
}

static void leaving(int status)
{
	struct cn_guard guard;

	if (cn_inside || cn_confined || cn_config.mode == CN_MODE_OFF)
		return;
	guard = cn_guard_enter();
	cn_end_process(status);
	cn_guard_leave(guard);
}

static void at_exit(int status, void *unused)
{
	(void)unused;
	leaving(status);
}

void cn_at_exit_once(void)
{
	static _Atomic int registered;

	if (cn_config.mode != CN_MODE_OFF && !atomic_load(&registered) && !atomic_exchange(&registered, 1))
		on_exit(at_exit, NULL);
}

/* A program that locks itself in lists the system calls that it needs itself; one of ours may kill it, as vsftpd's filter
 * does. A filter that was there before, as in any container, knows of no program and is no reason. */
EXPORT int prctl(int option, ...)
{
	unsigned long arguments[4];
	va_list list;
	int ret;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	ret = cn_libc()->prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
	if (option == PR_SET_SECCOMP && ret == 0)
		cn_confined = true;
	return ret;
}

EXPORT pid_t _Fork(void)
{
	pid_t (*real)(void) = cn_libc()->_Fork;

	if (!real) {
		errno = ENOSYS;
		return -1;
	}
	cn_raw_fork_coming();
	return real();
}

EXPORT void pthread_exit(void *value)
{
	if (!cn_inside && gettid() == getpid()) {
		struct cn_guard guard = cn_guard_enter();

		cn_linger_end_for_good();
		cn_guard_leave(guard);
	}
	cn_libc()->pthread_exit(value);
	__builtin_unreachable();
}

EXPORT void _exit(int status)
{
	if (!cn_confined && !cn_in_handler()) /* _exit is what a handler may call */
		leaving(status);
	cn_libc()->_exit(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	if (!cn_confined && !cn_in_handler()) /* _exit is what a handler may call */
		leaving(status);
	cn_libc()->_Exit(status);
	__builtin_unreachable();
}

EXPORT void quick_exit(int status)
{
	if (!cn_confined && !cn_in_handler()) /* _exit is what a handler may call */
		leaving(status);
	cn_libc()->quick_exit(status);
	__builtin_unreachable();
}
