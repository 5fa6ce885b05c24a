/* SPDX-License-Identifier: MIT
 * This thread: whether it is inside the shim, and whether in a signal handler. */
#ifndef CN_THREAD_H
#define CN_THREAD_H

#include <stdbool.h>

/* A signal handler may have interrupted malloc, so neither TLS nor threads are touched there. A thread that blocks no signal is in
 * none; one that does has the frame on its stack that the kernel lays for a handler, or is in none either. Costs a system
 * call, and with signals blocked one more and 0.2 us for each page of the stack. */
bool cn_in_handler(void);

/* Set while this thread runs the shim's code: hooks reached from there go straight through. */
extern __thread int cn_inside __attribute__((tls_model("initial-exec")));

#endif
