/* SPDX-License-Identifier: MIT
 * One socket on its way out. Invariant: knows no thread and no other socket. */
#include "settle.h"
#include "config.h"
#include "kernel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FIRST_LOOK_MS 2 /* nothing tells of an acknowledgement: look, and double the pause each time */
#define LAST_LOOK_MS  512

int64_t cn_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Atomic int64_t exit_end; /* once the program exits, nothing goes on beyond; 0: it has not begun to */

void cn_settle_exit_by(int64_t end)
{
	atomic_store(&exit_end, end);
}

bool cn_settle_exiting(void)
{
	return atomic_load(&exit_end) != 0;
}

void cn_settle_begin(struct cn_settling *s, uint64_t cookie, size_t rest, bool talking)
{
	int64_t now = cn_now_ms(), exit_at = atomic_load(&exit_end);

	*s = (struct cn_settling){
		.cookie = cookie,
		.begun = now,
		.talking = talking,
		.unacked = INT_MAX,
		.pause = FIRST_LOOK_MS,
		.rest = rest,
		.next = now,
		.idle_end = now + cn_config.linger_ms,
		.end = exit_at ? exit_at : now + cn_config.timeout_ms,
	};
}

/* The rest of an alert, then FIN. False if the connection is gone. */
static bool push_rest(struct cn_settling *s, int fd, unsigned char *alert)
{
	while (s->rest) {
		ssize_t put = send(fd, alert, s->rest, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);

		if (put <= 0)
			return !cn_socket_over(errno);
		s->rest -= (size_t)put;
		memmove(alert, alert + put, s->rest);
		if (!s->rest)
			shutdown(fd, SHUT_WR);
	}
	return true;
}

/* What the peer sent is thrown away, a bounded lot at a time. Returns 0 at its FIN, -1 if the connection is
 * gone. */
static int discard(int fd, bool *heard)
{
	for (int step = 0; step < 16; step++) {
		ssize_t got = cn_socket_discard(fd, true);

		*heard |= got > 0;
		if (got == 0)
			return 0;
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 1 : -1;
	}
	return 1;
}

enum cn_after cn_settled(struct cn_settling *s, int fd, unsigned char *alert, int64_t now)
{
	bool heard = false;
	int unacked, peer = s->ended ? 0 : discard(fd, &heard);

	if (!push_rest(s, fd, alert))
		return CN_AFTER_RESET;
	/* After the peer's FIN no data can come that would make close() reset: the kernel delivers the rest
	 * alone. */
	s->ended = peer == 0;
	if (peer < 0)
		return CN_AFTER_RESET;
	if (s->ended && !s->rest)
		return CN_AFTER_PEER_END;
	if (now >= s->end)
		return atomic_load(&exit_end) ? CN_AFTER_EXIT : CN_AFTER_TIMEOUT;
	unacked = cn_socket_unacked(fd);
	if (atomic_load(&exit_end)) /* exit waits for what was written, not for what may come */
		s->talking = false;
	if (unacked < 0)
		return CN_AFTER_RESET;
	if (unacked == 0 && !s->rest && !s->talking)
		return CN_AFTER_ACKNOWLEDGED;
	if (unacked < s->unacked || (heard && s->talking)) { /* progress */
		s->unacked = unacked;
		s->idle_end = now + cn_config.linger_ms;
	}
	s->next = now + s->pause;
	if (s->next > s->idle_end)
		s->next = s->idle_end;
	if (s->next > s->end)
		s->next = s->end;
	if (s->pause < LAST_LOOK_MS)
		s->pause *= 2;
	return now >= s->idle_end ? CN_AFTER_IDLE : CN_AFTER_NOTHING;
}

void cn_settle_tell(const struct cn_settling *s, int fd, enum cn_after after)
{
	cn_event_after(s->cookie, after, cn_socket_unacked(fd), cn_now_ms() - s->begun);
}

static enum cn_after wait_here(struct cn_settling *s, int fd, unsigned char *rest, bool until_signal)
{
	enum cn_after after;
	int64_t now;

	while (now = cn_now_ms(), (after = cn_settled(s, fd, rest, now)) == CN_AFTER_NOTHING) {
		struct pollfd news = {.fd = fd, .events = s->ended ? 0 : POLLIN};

		if (poll(&news, 1, (int)(s->next - now)) < 0 && until_signal)
			break;
	}
	return after;
}

void cn_settle_here(int fd, uint64_t cookie, unsigned char *rest, size_t length)
{
	struct cn_settling s;

	cn_settle_begin(&s, cookie, length, false);
	cn_settle_tell(&s, fd, wait_here(&s, fd, rest, false));
}

bool cn_settle_seconds(int fd, uint64_t cookie, unsigned char *rest, uint32_t *length, int seconds)
{
	enum cn_after after;
	struct cn_settling s;

	cn_settle_begin(&s, cookie, *length, false);
	s.idle_end = s.end = s.begun + (int64_t)seconds * 1000;
	after = wait_here(&s, fd, rest, true);
	*length = (uint32_t)s.rest;
	if (after == CN_AFTER_ACKNOWLEDGED || after == CN_AFTER_PEER_END || after == CN_AFTER_RESET)
		cn_settle_tell(&s, fd, after);
	return after != CN_AFTER_NOTHING && after != CN_AFTER_TIMEOUT && after != CN_AFTER_IDLE;
}
