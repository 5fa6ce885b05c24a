/* SPDX-License-Identifier: MIT
 * Owns the log's descriptor. Invariants: it never stands on a number that the program uses, nothing is
 * written to a descriptor that is not the log any more, and the program never waits for the log. */
#ifndef CN_SINK_H
#define CN_SINK_H

#include "record.h"

/* Opens the log that CLOSENOTIFY_LOG names. Called by the constructor. */
void cn_sink_open(void);

/* One write, whole or counted as lost; a file that was moved away or removed is opened anew. Any thread, signal
 * handlers. */
void cn_sink_write(const struct cn_record *record);

/* How many records this process could not write, whether that has been told or not. */
uint64_t cn_sink_lost(void);

/* The program is about to put something of its own on this number: the log moves away. */
void cn_sink_yield(int fd);

/* The log's descriptor, or -1. */
int cn_sink_fd(void);

/* For a thread that is about to have a descriptor table of its own: the number, which it keeps there, or -1. */
int cn_sink_keep(void);

#endif
