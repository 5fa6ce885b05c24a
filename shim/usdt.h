/* SPDX-License-Identifier: MIT
 * Static probes for bpftrace, perf and gdb, of provider "closenotify", where systemtap's header was there at build time.
 * Invariant: a probe that nobody watches is one nop. */
#ifndef CN_USDT_H
#define CN_USDT_H

#if defined(__has_include) && !defined(CN_NO_USDT)
#if __has_include(<sys/sdt.h>)
#define CN_USDT 1
#include <sys/sdt.h>
#ifdef __clang__ /* warns where the macros are used, not where they stand */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#endif
#endif

#ifdef CN_USDT
/* decision(socket cookie, descriptor, cause, reason, 1: alert | 2: half-close | 4: drain), the words as strings */
#define CN_PROBE_DECISION(cookie, fd, cause, reason, plan)                                                   \
	DTRACE_PROBE5(closenotify, decision, cookie, fd, cause, reason, plan)
/* outcome(socket cookie, verdict, fault, reason) */
#define CN_PROBE_OUTCOME(cookie, verdict, fault, reason)                                                     \
	DTRACE_PROBE4(closenotify, outcome, cookie, verdict, fault, reason)
#else
#define CN_PROBE_DECISION(cookie, fd, cause, reason, plan) ((void)(plan))
#define CN_PROBE_OUTCOME(cookie, verdict, fault, reason)   ((void)(verdict))
#endif

#endif
