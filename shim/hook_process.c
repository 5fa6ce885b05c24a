/* SPDX-License-Identifier: MIT
 * The process itself: its start and its ends. Invariant: an exit without connections costs nothing. */
#include "background.h"
#include "config.h"
#include "ending.h"
#include "event.h"
#include "hook.h"
#include "sink.h"

#include <fcntl.h>
#include <pty.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("hidden"))) extern long (*cn_real_syscall)(long number, ...);

static void at_quick_end(void);

/* Before the constructors of everything that is not preloaded. */
__attribute__((constructor(101))) static void start(int argc, char **argv)
{
	(void)argc;
	cn_libc_find();
	cn_real_syscall = cn_libc()->syscall;
	cn_processes_start(cn_conns_before_fork, cn_conns_after_fork);
	cn_config_read(cn_libc_is_glibc() ? argv : NULL); /* which musl does not give */
	if (!cn_libc_is_glibc())
		cn_config.mode = CN_MODE_OFF;
	if (cn_config.mode == CN_MODE_OFF)
		return;
	cn_sink_open();
	cn_event_start();
	at_quick_exit(at_quick_end);
}

/* `flushes`: stdio's streams are written out after this. */
static void leaving(int status, bool flushes)
{
	struct cn_guard guard;

	if (cn_inside || cn_confined || cn_config.mode == CN_MODE_OFF)
		return;
	guard = cn_guard_enter();
	cn_end_process(status, flushes);
	cn_guard_leave(guard);
}

/* _exit and the like may be called in a signal handler; there nothing is done. */
static void leaving_at_once(int status)
{
	if (!cn_inside && !cn_confined && !cn_in_handler())
		leaving(status, false);
}

/* Registered first, so called last: functions that the program registers with at_quick_exit may still use TLS. */
static _Atomic int quick_status;

static void at_quick_end(void)
{
	leaving_at_once(atomic_load(&quick_status));
}

static void at_exit(int status, void *unused)
{
	static _Atomic int over;

	(void)unused;
	if (!atomic_exchange(&over, 1))
		leaving(status, true);
}

/* After all handlers, those too that the program registered before the library's. */
__attribute__((destructor)) static void at_last(void)
{
	struct cn_guard guard;

	if (cn_inside || cn_confined)
		return;
	guard = cn_guard_enter();
	cn_end_process_late();
	cn_guard_leave(guard);
}

void cn_at_exit_once(_Atomic int *registered)
{
	if (cn_config.mode != CN_MODE_OFF && !atomic_load(registered) && !atomic_exchange(registered, 1))
		on_exit(at_exit, NULL);
}

/* A program that installs a seccomp filter allows the system calls that it needs itself. One that the shim adds may kill it, as under
 * vsftpd's filter. A filter that was there before the program started, as in any container, is made for no single program and does not
 * count. */
static int any_prctl(int (*real)(int, ...), int option, va_list list)
{
	unsigned long arguments[4];
	int ret;

	for (int i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	ret = real(option, arguments[0], arguments[1], arguments[2], arguments[3]);
	if (option == PR_SET_SECCOMP && ret == 0)
		cn_confined = true;
	return ret;
}

EXPORT int prctl(int option, ...)
{
	va_list list;
	int ret;

	va_start(list, option);
	ret = any_prctl(cn_libc()->prctl, option, list);
	va_end(list);
	return ret;
}

#ifndef __LP64__
int __prctl_time64(int option, ...);

EXPORT int __prctl_time64(int option, ...)
{
	va_list list;
	int ret;

	va_start(list, option);
	ret = any_prctl(cn_libc()->__prctl_time64, option, list);
	va_end(list);
	return ret;
}
#endif

EXPORT pid_t fork(void)
{
	struct cn_birth outer = cn_fork_begins();
	pid_t child = cn_libc()->fork();

	cn_fork_over(outer, child);
	return child;
}

/* Of libutil before glibc 2.34, which may have come after us. */
EXPORT pid_t forkpty(int *terminal, char *name, const struct termios *settings, const struct winsize *size)
{
	struct cn_birth outer;
	pid_t child;

	if (!cn_libc()->forkpty)
		cn_libc_find();
	if (!cn_libc()->forkpty) {
		errno = ENOSYS;
		return -1;
	}
	outer = cn_fork_begins();
	child = cn_libc()->forkpty(terminal, name, settings, size);
	cn_fork_over(outer, child);
	return child;
}

EXPORT pid_t _Fork(void)
{
	pid_t (*real)(void) = cn_libc()->_Fork, child;

	if (!real) {
		errno = ENOSYS;
		return -1;
	}
	cn_raw_fork_begins();
	child = real();
	cn_raw_fork_over(child < 0);
	return child;
}

static bool copies_memory(unsigned long flags)
{
	return !(flags & CLONE_VM);
}

EXPORT int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	bool forks = copies_memory((unsigned long)flags);
	void *more[3];
	va_list list;
	int child;

	va_start(list, argument);
	for (int i = 0; i < 3; i++)
		more[i] = va_arg(list, void *);
	va_end(list);
	if (flags & CLONE_VM && !(flags & CLONE_THREAD))
		cn_memory_is_lent();
	if (forks)
		cn_raw_fork_begins();
	child = cn_libc()->clone(run, stack, flags, argument, more[0], more[1], more[2]);
	if (forks)
		cn_raw_fork_over(child < 0);
	return child;
}

/* A thread that takes a descriptor table of its own holds all open sockets once more. */
EXPORT int unshare(int flags)
{
	bool holds = flags & CLONE_FILES && !cn_single_threaded();

	if (!holds || cn_inside || cn_confined || !cn_process_is_real())
		return cn_libc()->unshare(flags);
	cn_raw_fork_begins();
	flags = cn_libc()->unshare(flags);
	cn_raw_fork_over(flags < 0);
	if (flags == 0)
		atomic_store(&cn_tables_differ, true);
	return flags;
}

EXPORT void pthread_exit(void *value)
{
	if (!cn_inside && !cn_confined && gettid() == getpid()) {
		struct cn_guard guard = cn_guard_enter();

		cn_background_stop();
		cn_guard_leave(guard);
	}
	cn_libc()->pthread_exit(value);
	__builtin_unreachable();
}

EXPORT void _exit(int status)
{
	leaving_at_once(status);
	cn_libc()->_exit(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	leaving_at_once(status);
	cn_libc()->_Exit(status);
	__builtin_unreachable();
}

EXPORT void quick_exit(int status)
{
	atomic_store(&quick_status, status);
	cn_libc()->quick_exit(status);
	__builtin_unreachable();
}

/* --- by number --- */

static bool forks(long number, long first, long second)
{
	switch (number) {
#ifdef SYS_fork
	case SYS_fork:
		return true;
#endif
	case SYS_clone:
		return copies_memory((unsigned long)first);
	case SYS_clone3: /* the flags are the first member of its argument */
		return first && (unsigned long)second >= CLONE_ARGS_SIZE_VER0 &&
		       copies_memory(*(const unsigned long *)first);
	default:
		return false;
	}
}

/* Before a filter for all threads: stops the background thread. Without a filter, the call only asks whether that would work. */
static bool make_way_for_filter(long operation, long flags, long filter)
{
	struct cn_guard guard;
	bool stopped;

	if (operation != SECCOMP_SET_MODE_FILTER || !((unsigned long)flags & SECCOMP_FILTER_FLAG_TSYNC) ||
	    !filter || cn_inside || !cn_process_is_real())
		return false;
	guard = cn_guard_enter();
	stopped = cn_background_stop();
	cn_guard_leave(guard);
	return stopped;
}

int close_range(unsigned int first, unsigned int last, int flags); /* not declared by glibc before 2.34 */

/* The numbers that syscall() passes to cn_by_number. */
#define NUMBERS 512
__attribute__((visibility("hidden"), used)) const unsigned char cn_numbers[NUMBERS] = {
	[SYS_close] = 1,         [SYS_close_range] = 1, [SYS_shutdown] = 1,     [SYS_exit_group] = 1,
	[SYS_seccomp] = 1,       [SYS_clone] = 1,       [SYS_rt_sigaction] = 1, [SYS_clone3] = 1,
	[SYS_epoll_create1] = 1, [SYS_unshare] = 1,     [SYS_dup] = 1,          [SYS_dup3] = 1,
	[SYS_fcntl] = 1,         [SYS_sendmsg] = 1,     [SYS_prctl] = 1,        [SYS_setsockopt] = 1,
	[SYS_sendmmsg] = 1,
#ifdef SYS_dup2
	[SYS_dup2] = 1,
#endif
#ifdef SYS_fork
	[SYS_fork] = 1,
#endif
#ifdef SYS_epoll_create
	[SYS_epoll_create] = 1,
#endif
};

__attribute__((visibility("hidden"), used)) long cn_by_number(long number, long a, long b, long c, long d,
							      long e, long f)
{
	bool is_fork = forks(number, a, b), stopped = false;
	long ret;

	switch (number) {
	case SYS_close:
		return close((int)a);
	case SYS_close_range:
		return close_range((unsigned int)a, (unsigned int)b, (int)c);
	case SYS_shutdown:
		return shutdown((int)a, (int)b);
	case SYS_dup:
		return dup((int)a);
#ifdef SYS_dup2
	case SYS_dup2:
		return dup2((int)a, (int)b);
#endif
	case SYS_dup3:
		return dup3((int)a, (int)b, (int)c);
	case SYS_fcntl:
		if (b == F_DUPFD ||
		    b == F_DUPFD_CLOEXEC) /* others may block, and a thread may be cancelled in them */
			return fcntl((int)a, (int)b, c);
		break;
	case SYS_setsockopt:
		return setsockopt((int)a, (int)b, (int)c, (const void *)d, (socklen_t)e);
	case SYS_prctl:
		return prctl((int)a, b, c, d, e);
	case SYS_unshare:
		return unshare((int)a);
	case SYS_epoll_create1:
		return epoll_create1((int)a);
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		return epoll_create((int)a);
#endif
	case SYS_rt_sigaction: /* the handler is the first member of its argument, the flags are the second */
		if (b && *(const uintptr_t *)b > (uintptr_t)SIG_IGN)
			cn_handler_noted((int)a, ((const unsigned long *)b)[1]);
		break;
	case SYS_exit_group:
		leaving_at_once((int)a);
		break;
	case SYS_seccomp:
		stopped = make_way_for_filter(a, b, c);
		break;
	}
	if (is_fork)
		cn_raw_fork_begins();
	ret = cn_libc()->syscall(number, a, b, c, d, e, f);
	if (is_fork)
		cn_raw_fork_over(ret < 0);
	if (number == SYS_sendmsg && ret >= 0 && !cn_inside)
		cn_message_sent((const struct msghdr *)b);
	for (long i = 0; number == SYS_sendmmsg && i < ret && !cn_inside; i++)
		cn_message_sent(&((const struct mmsghdr *)b)[i].msg_hdr);
	if (stopped && ret != 0)
		cn_background_allow();
	if (number == SYS_seccomp && ret == 0 &&
	    (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER))
		cn_confined = true;
	return ret;
}

/* syscall(2): libuv closes by it, libseccomp installs filters by it, and some programs fork by it. All other numbers leave by a jump that
 * touches neither stack nor arguments. The number of arguments is not known here, and a word of the caller's stack read as a seventh may
 * be one that another thread writes. */
__attribute__((visibility("hidden"), used)) long (*cn_real_syscall)(long number, ...);
#ifdef __x86_64__ /* the seventh argument is on the stack */
typedef pid_t vfork_call(void);
__attribute__((visibility("hidden"), used)) vfork_call *cn_before_vfork(void);

__attribute__((visibility("hidden"), used)) vfork_call *cn_before_vfork(void)
{
	cn_memory_is_lent();
	return cn_libc()->vfork;
}

__asm__(".pushsection .text\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	endbr64\n"
	"	mov cn_real_syscall(%rip), %r11\n"
	"	test %r11, %r11\n"
	"	jz cn_by_number\n" /* earlier than our constructor */
	"	cmp $512, %rdi\n"
	"	jae 1f\n"
	"	lea cn_numbers(%rip), %rax\n"
	"	cmpb $0, (%rax, %rdi)\n"
	"	jne cn_by_number\n"
	"1:	jmp *%r11\n"
	".size syscall, . - syscall\n"
	/* Its child returns to the caller first, and uses the stack again. So this leaves by a jump as well. */
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	endbr64\n"
	"	sub $8, %rsp\n"
	"	call cn_before_vfork\n"
	"	add $8, %rsp\n"
	"	jmp *%rax\n"
	".size vfork, . - vfork\n"
	".popsection\n");
#else /* in registers, all seven; the name stands in quotes because unistd.h declares it variadic */
EXPORT long cn_syscall(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");

long cn_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (!cn_real_syscall || ((unsigned long)number < NUMBERS && cn_numbers[number]))
		return cn_by_number(number, a, b, c, d, e, f);
	return cn_real_syscall(number, a, b, c, d, e, f);
}
#endif
