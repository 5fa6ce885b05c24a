/* SPDX-License-Identifier: MIT
 * This thread: whether it is inside the shim, and whether in a signal handler. Invariant: asks, and remembers nothing else. */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread int cn_inside __attribute__((tls_model("initial-exec")));

#ifdef __x86_64__

/* What the kernel lays on the stack for a handler, in words from its return address, which stands 8 bytes after a multiple of
 * 16 (struct rt_sigframe; debuggers rely on it): uc_link, always 0; the flags; the segments, cs in the lowest half word. */
enum { FRAME_LINK = 2, FRAME_FLAGS = 23, FRAME_SEGMENTS = 24 };

#define UNCHECKED  __attribute__((no_sanitize("address"), no_sanitize("thread")))
#define USER_CS    0x33 /* 0xe033 on paravirtualised Xen */
#define FLAG_FIXED 0x2  /* bit 1 is always set */
#define STACK_MOST 0x100000
#define PAGE       0x1000

/* The kernel reads a new mask before it finds that there is nothing to be done with it. */
static bool readable(uintptr_t at)
{
	uint64_t old;

	return syscall(SYS_rt_sigprocmask, -1, at, &old, sizeof(old)) == 0 || errno != EFAULT;
}

/* These may be the segments of such a frame. */
UNCHECKED static inline bool is_frame(const uint64_t *segments)
{
	const uint64_t *frame = segments - FRAME_SEGMENTS;

	return __builtin_expect((uint8_t)*segments == USER_CS, 0) && frame[FRAME_FLAGS] >> 32 == 0 &&
	       frame[FRAME_FLAGS] & FLAG_FIXED && frame[FRAME_LINK] == 0;
}

/* From here to the first page that can't be read, or to the thread's descriptor, which lies at the end of its stack. */
UNCHECKED static bool handler_on_stack(void)
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
			if (is_frame((const uint64_t *)at))
				return true;
		}
		if (next == end)
			return false;
	}
	return true; /* for all that we know */
}

#else

static bool handler_on_stack(void)
{
	return true;
}

#endif

bool cn_in_handler(void)
{
	uint64_t blocked = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
	return blocked && handler_on_stack();
}
