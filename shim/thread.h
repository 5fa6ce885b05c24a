/* SPDX-License-Identifier: MIT
 * This thread: whether it is inside the shim, and whether in a signal handler. */
#ifndef CN_THREAD_H
#define CN_THREAD_H

#include <stdbool.h>
#include <stddef.h>

/* A signal handler may have interrupted malloc, so neither TLS nor threads are touched there. A thread that blocks no signal for
 * which the program has a handler is in none; one that does has the frame on its stack that the kernel lays for a handler, or
 * is in none either. A handler that does not block its signal (SA_NODEFER) is known by the frame alone. The frame is known of x86-64, i386 and arm64. Costs nothing where
 * there are no handlers, else a system call; with such a signal blocked, or such a handler, one more and 0.2 us for each page of the
 * stack. */
bool cn_in_handler(void);

/* The program installs a handler for that signal, with these sa_flags. It may take it away again, but not from here: a vfork child would do that in its
 * parent's memory. Any thread, signal handlers too. */
void cn_handler_noted(int number, unsigned long flags);

/* While this thread is in the program's SSL_shutdown: the descriptor + 1 to which its write() raises no SIGPIPE, and how many bytes that
 * took. 0: none; -1: the hook is to set it to 0, to show that it is reached. No pointer, because a signal handler may jump out of SSL_shutdown. The
 * hook looks at it while cn_seekers is not 0. */
extern __thread int cn_quiet_fd __attribute__((tls_model("initial-exec")));
extern __thread size_t cn_quiet_put __attribute__((tls_model("initial-exec")));

/* Set while this thread runs the shim's code: hooks reached from there go straight through. */
extern __thread int cn_inside __attribute__((tls_model("initial-exec")));

#endif
