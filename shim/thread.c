/* SPDX-License-Identifier: MIT
 * This thread: whether it is inside the shim, and whether in a signal handler. Invariant: asks, and remembers nothing else. */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread int cn_inside __attribute__((tls_model("initial-exec")));

#ifdef __x86_64__

#define HAS_FRAMES true

/* What the kernel lays on the stack for a handler, in words from its return address, which stands 8 bytes after a multiple of
 * 16 (struct rt_sigframe; debuggers rely on it): uc_link, always 0; the flags; the segments, cs in the lowest half word; where
 * the floating point registers are, above it; the signals that were blocked when it came. */
enum { FRAME_LINK = 2, FRAME_FLAGS = 23, FRAME_SEGMENTS = 24, FRAME_FLOATS = 29, FRAME_MASK = 38 };

#define UNCHECKED   __attribute__((no_sanitize("address"), no_sanitize("thread")))
#define USER_CS     0x33 /* 0xe033 on paravirtualised Xen */
#define FLAG_FIXED  0x2  /* bit 1 is always set */
#define STACK_MOST  0x100000
#define PAGE        0x1000
#define FLOATS_MOST 0x10000 /* from the frame to its floating point registers */

/* The kernel reads a new mask before it finds that there is nothing to be done with it. */
static bool readable(uintptr_t at)
{
	uint64_t old;

	return syscall(SYS_rt_sigprocmask, -1, at, &old, sizeof(old)) == 0 || errno != EFAULT;
}

struct masks {
	uint64_t blocked, handled;
	bool any; /* a handler may run with its signal not blocked (SA_NODEFER) */
};

/* These may be the segments of such a frame. One that is over, and lies in a buffer that nobody has written to, looks the same;
 * but while a handler runs its signal is blocked, and so is all that was before. */
UNCHECKED static inline bool is_frame(const uint64_t *segments, const struct masks *now)
{
	const uint64_t *frame = segments - FRAME_SEGMENTS;

	return __builtin_expect((uint8_t)*segments == USER_CS, 0) && frame[FRAME_FLAGS] >> 32 == 0 &&
	       frame[FRAME_FLAGS] & FLAG_FIXED && frame[FRAME_LINK] == 0 &&
	       frame[FRAME_FLOATS] - (uintptr_t)frame < FLOATS_MOST && !(frame[FRAME_MASK] & ~now->blocked) &&
	       (now->any || now->blocked & now->handled & ~frame[FRAME_MASK]);
}

/* From here to the first page that can't be read, or to the thread's descriptor, which lies at the end of its stack. */
UNCHECKED static bool handler_on_stack(const struct masks *now)
{
	uintptr_t at =
		((uintptr_t)__builtin_frame_address(0) & ~15UL) + 8 + FRAME_SEGMENTS * sizeof(uint64_t);
	uintptr_t end = (uintptr_t)pthread_self(), most = at + STACK_MOST;

	while (at < most) {
		uintptr_t next = (at | (PAGE - 1)) + 1;

		if (!readable(at))
			return false;
		if (end - at <= next - at)
			next = end;
		for (; at < next; at += 16) {
			if (is_frame((const uint64_t *)at, now))
				return true;
		}
		if (next == end)
			return false;
	}
	return true; /* for all that we know */
}

#else

#define HAS_FRAMES false /* none that is known: such a handler goes unnoticed */

struct masks {
	uint64_t blocked, handled;
	bool any;
};

static bool handler_on_stack(const struct masks *now)
{
	return now->blocked;
}

#endif

static _Atomic uint64_t handlers; /* signal n is bit n - 1, as in the kernel's masks */
static _Atomic bool unblocked;    /* one of them has SA_NODEFER */

#define LIBC_SIGNALS (UINT64_C(3) << 31) /* 32 and 33: cancellation, and setuid() for all threads */

void cn_handler_noted(int number, unsigned long flags)
{
	if (number > 0 && number <= 64)
		atomic_fetch_or(&handlers, UINT64_C(1) << (number - 1));
	if (flags & SA_NODEFER)
		atomic_store(&unblocked, true);
}

bool cn_in_handler(void)
{
	struct masks now = {.handled = atomic_load(&handlers), .any = HAS_FRAMES && atomic_load(&unblocked)};

	if (!now.handled)
		return false;
	now.handled |= LIBC_SIGNALS;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now.blocked, sizeof(now.blocked));
	return (now.any || now.blocked & now.handled) && handler_on_stack(&now);
}
