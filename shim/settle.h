/* SPDX-License-Identifier: MIT
 * One socket on its way out: the rest of an alert is sent, what comes in is thrown away, until there is nothing left to
 * wait for. The same for the background, for exit and in place. Invariant: knows no thread and no other socket. */
#ifndef CN_SETTLE_H
#define CN_SETTLE_H

#include "event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Times are ms of cn_now_ms(). */
struct cn_settling {
	bool ended;   /* the peer's FIN has come */
	bool talking; /* the peer was still sending: if that fails it won't read what we said */
	int unacked;
	unsigned int pause;
	size_t rest; /* of the alert */
	uint64_t cookie;
	int64_t begun, next, idle_end, end; /* next: when it is to be looked at again */
};

/* CLOCK_MONOTONIC in ms. */
int64_t cn_now_ms(void);

/* The bounds count from now. `rest`: bytes of the alert that are to be sent, FIN after them; `talking`: until the peer
 * has ended, even if all is acknowledged. */
void cn_settle_begin(struct cn_settling *s, uint64_t cookie, size_t rest, bool talking);

/* What there is to wait for no more; CN_AFTER_NOTHING: there still is. Never blocks. `alert`: what is left of it, moved up as it
 * goes. */
enum cn_after cn_settled(struct cn_settling *s, int fd, unsigned char *alert, int64_t now);

void cn_settle_tell(const struct cn_settling *s, int fd, enum cn_after after);

/* exit has begun: nothing goes on beyond this time. */
void cn_settle_exit_by(int64_t end);
bool cn_settle_exiting(void);

/* In place, where no thread may be started: returns when the bytes of `fd` are safe or the bounds have passed. */
void cn_settle_here(int fd, uint64_t cookie, unsigned char *rest, size_t length);

/* As close() itself waits where SO_LINGER is set: at most so many seconds, not after a signal, and no longer than
 * CLOSENOTIFY_LINGER_MS without progress. `length` is what is left of the alert. False if there still is something to
 * wait for. */
bool cn_settle_seconds(int fd, uint64_t cookie, unsigned char *rest, uint32_t *length, int seconds);

#endif
