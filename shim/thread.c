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
__thread int cn_quiet_fd __attribute__((tls_model("initial-exec")));
__thread size_t cn_quiet_put __attribute__((tls_model("initial-exec")));

struct masks {
	uint64_t blocked, handled;
	bool any; /* a handler may run with its signal not blocked (SA_NODEFER) */
};

/* What the kernel lays on the stack for a handler (struct rt_sigframe; debuggers rely on it). In it stands a mark that hardly
 * anything else on a stack looks like: FRAME_MARK bytes, or a multiple of 16 more, above the multiple of 16 where we are. */
#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("thread"))) static inline

#if defined(__x86_64__)

#define HAS_FRAMES true
#define FRAME_MARK 200

/* In words from the mark, which is the segments, cs in their lowest half word: uc_link, always 0; the flags; where the floating
 * point registers are, above it; the signals that were blocked when it came. */
enum { FRAME_START = -24, FRAME_LINK = -22, FRAME_FLAGS = -1, FRAME_FLOATS = 5, FRAME_MASK = 14 };

#define USER_CS     0x33    /* 0xe033 on paravirtualised Xen */
#define FLAG_FIXED  0x2     /* bit 1 is always set */
#define FLOATS_MOST 0x10000 /* from the frame to its floating point registers */

UNCHECKED bool is_marked(const uint64_t *mark)
{
	return __builtin_expect((uint8_t)*mark == USER_CS, 0) && mark[FRAME_FLAGS] >> 32 == 0 &&
	       mark[FRAME_FLAGS] & FLAG_FIXED && mark[FRAME_LINK] == 0 &&
	       mark[FRAME_FLOATS] - (uintptr_t)(mark + FRAME_START) < FLOATS_MOST;
}

UNCHECKED uint64_t mask_of(const uint64_t *mark)
{
	return mark[FRAME_MASK];
}

#elif defined(__i386__)

#define HAS_FRAMES   true
#define FRAME_MARK   272

/* The mark is the instructions that would return from the handler: of one with SA_SIGINFO `mov $173, %eax; int $0x80`, after
 * the mask; of one without `pop %eax; mov $119, %eax; int $0x80`, after the mask's second half. In half words from there: the
 * pointer to the siginfo, which follows; the flags and the mask's first half. */
#define WITH_INFO    UINT64_C(0x0080cd000000adb8)
#define WITHOUT_INFO UINT64_C(0x80cd00000077b858)
enum { INFO_POINTER = -63, INFO = -61, OLD_START = -181, OLD_FLAGS = -163, OLD_MASK = -159 };

#define FLAG_FIXED 0x2 /* bit 1 is always set */

UNCHECKED bool is_marked(const uint64_t *mark)
{
	const uint32_t *half = (const uint32_t *)mark;

	if (__builtin_expect(*mark == WITH_INFO, 0))
		return half[INFO_POINTER] == (uintptr_t)(half + INFO);
	return __builtin_expect(*mark == WITHOUT_INFO, 0) &&
	       (uintptr_t)(half + OLD_START) > (uintptr_t)__builtin_frame_address(0) &&
	       half[OLD_FLAGS] & FLAG_FIXED;
}

UNCHECKED uint64_t mask_of(const uint64_t *mark)
{
	const uint32_t *half = (const uint32_t *)mark;

	return (uint64_t)half[-1] << 32 | half[*mark == WITH_INFO ? -2 : OLD_MASK];
}

#elif defined(__AARCH64EL__)

#define HAS_FRAMES  true
#define FRAME_MARK  592

/* The mark is the head of the floating point registers, the first of what lies in uc_mcontext.__reserved. In words from there:
 * uc_flags and uc_link, always 0; the mask; pstate, its lowest bits 0 for 64-bit programs. */
#define FLOATS_HEAD UINT64_C(0x0000021046508001) /* FPSIMD_MAGIC, sizeof(struct fpsimd_context) */
enum { FRAME_FLAGS = -58, FRAME_LINK = -57, FRAME_MASK = -53, FRAME_PSTATE = -2 };

#define PSTATE_MODE 0x1f

UNCHECKED bool is_marked(const uint64_t *mark)
{
	return __builtin_expect(*mark == FLOATS_HEAD, 0) && mark[FRAME_FLAGS] == 0 && mark[FRAME_LINK] == 0 &&
	       (mark[FRAME_PSTATE] & PSTATE_MODE) == 0;
}

UNCHECKED uint64_t mask_of(const uint64_t *mark)
{
	return mark[FRAME_MASK];
}

#else

#define HAS_FRAMES false /* none that is known: such a handler goes unnoticed */

#endif

#if HAS_FRAMES

#define STACK_MOST 0x100000
#define PAGE       0x1000

/* The kernel reads a new mask before it finds that there is nothing to be done with it. */
static bool readable(uintptr_t at)
{
	uint64_t old;

	return syscall(SYS_rt_sigprocmask, -1, at, &old, sizeof(old)) == 0 || errno != EFAULT;
}

/* qemu-user before 7 does not read it, and would say that all can be read: the last page of addresses too, which nobody has. */
static bool can_ask(void)
{
	static _Atomic int known; /* 0 not yet, 1 yes, -1 no */

	if (!atomic_load(&known))
		atomic_store(&known, readable((uintptr_t)-PAGE) ? -1 : 1);
	return atomic_load(&known) == 1;
}

/* A frame that is over, and lies in a buffer that nobody has written to, looks the same as one in use; but while a handler runs
 * its signal is blocked, and so is all that was before. */
UNCHECKED bool is_frame(const uint64_t *mark, const struct masks *now)
{
	return is_marked(mark) && !(mask_of(mark) & ~now->blocked) &&
	       (now->any || now->blocked & now->handled & ~mask_of(mark));
}

/* From here to the first page that can't be read, or to the thread's descriptor, which lies at the end of its stack. */
__attribute__((no_sanitize("address"), no_sanitize("thread"))) static bool
handler_on_stack(const struct masks *now)
{
	uintptr_t from = ((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)15) + FRAME_MARK, at = from;
	uintptr_t end = (uintptr_t)pthread_self();

	if (!can_ask())
		return true; /* for all that we know */
	while (at - from < STACK_MOST) {
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
