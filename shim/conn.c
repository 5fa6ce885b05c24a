/* SPDX-License-Identifier: MIT
 * Who is who. Invariants: no I/O on a connection; no lock; memory of a connection is reused, never unmapped.
 */
#include "conn.h"
#include "config.h"
#include "kernel.h"
#include "match.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define YIELDS   16
#define PAUSE_NS 100000
#define PAUSES   10000 /* a second */

#define CONN_CHUNK  CN_CONN_CHUNK
#define CHUNK_BYTES (CONN_CHUNK * (sizeof(struct cn_conn) + sizeof(struct cn_carried)))
#define CONN_CHUNKS 2048 /* a million connections; beyond that, new ones are left alone */

/* Before all else that is large, so that its first chunks share the page of the small variables. */
__attribute__((section(".bss.before_large"))) _Atomic uint32_t *_Atomic cn_fd_chunks[CN_FD_CHUNKS];

static CN_APART struct cn_conn *_Atomic conn_chunks[CONN_CHUNKS];
static _Atomic uint32_t conn_count; /* ever handed out */
static _Atomic uint64_t free_list;  /* index of the first free one, and a tag against ABA in the upper half */

/* Index 0 means none, so the first connection is number 1. */
static struct cn_conn *conn_number(uint32_t index)
{
	return atomic_load_explicit(&conn_chunks[(index - 1) / CONN_CHUNK], memory_order_acquire) +
	       (index - 1) % CONN_CHUNK;
}

static struct cn_conn *take_free(void)
{
	uint64_t head = atomic_load(&free_list), next;
	struct cn_conn *conn;

	do {
		if (!(uint32_t)head)
			return NULL;
		conn = conn_number((uint32_t)head);
		next = ((head >> 32) + 1) << 32 | atomic_load(&conn->next_free);
	} while (!atomic_compare_exchange_weak(&free_list, &head, next));
	return conn;
}

static void put_free(struct cn_conn *conn)
{
	uint64_t head = atomic_load(&free_list), next;

	do {
		atomic_store(&conn->next_free, (uint32_t)head);
		next = ((head >> 32) + 1) << 32 | conn->index;
	} while (!atomic_compare_exchange_weak(&free_list, &head, next));
}

/* What the log needs of a connection (struct cn_label) is kept in a chunk of its own, beside each chunk of connections. */
static _Atomic uint64_t serials; /* numbers for the ids in the log */

static bool add_labels(struct cn_conn *chunk)
{
	struct cn_label *labels = cn_map(CONN_CHUNK * sizeof(*labels));

	if (labels) {
		for (size_t i = 0; i < CONN_CHUNK; i++)
			chunk[i].label = labels + i;
	}
	return labels;
}

static struct cn_conn *take_new(void)
{
	uint32_t index = atomic_fetch_add(&conn_count, 1) + 1;
	struct cn_conn *chunk, *none = NULL;
	struct cn_conn *_Atomic *slot;

	if (index > CONN_CHUNK * CONN_CHUNKS) {
		atomic_fetch_sub(&conn_count, 1);
		return NULL;
	}
	slot = &conn_chunks[(index - 1) / CONN_CHUNK];
	if (!atomic_load(slot)) {
		chunk = cn_map(CHUNK_BYTES);
		if (!chunk || (cn_config.log != CN_LOG_NONE && !add_labels(chunk)))
			return NULL; /* this number stays unused */
		if (!atomic_compare_exchange_strong(slot, &none, chunk))
			munmap(chunk, CHUNK_BYTES);
	}
	conn_number(index)->index = index;
	return conn_number(index);
}

bool cn_conn_hold(struct cn_conn *conn)
{
	uint32_t references = atomic_load(&conn->references);

	while (references) {
		if (atomic_compare_exchange_weak(&conn->references, &references, references + 1))
			return true;
	}
	return false;
}

void cn_conn_drop(struct cn_conn *conn)
{
	/* A thread may still be inside, or have jumped out. Then the memory is not used again: its count of threads would
	 * be taken for the next connection's. */
	if (atomic_fetch_sub(&conn->references, 1) == 1 && !atomic_load(&conn->gate))
		put_free(conn);
}

/* --- descriptors --- */

static _Atomic uint32_t *slot_of(int fd)
{
	_Atomic uint32_t *_Atomic *chunk;
	_Atomic uint32_t *fresh, *none = NULL;

	if ((unsigned int)fd >= CN_FD_CHUNK * CN_FD_CHUNKS)
		return NULL;
	chunk = &cn_fd_chunks[(unsigned int)fd / CN_FD_CHUNK];
	if (!atomic_load(chunk)) {
		fresh = cn_map(CN_FD_CHUNK * sizeof(*fresh));
		if (!fresh)
			return NULL;
		if (!atomic_compare_exchange_strong(chunk, &none, fresh))
			munmap((void *)fresh, CN_FD_CHUNK * sizeof(*fresh));
	}
	return atomic_load(chunk) + (unsigned int)fd % CN_FD_CHUNK;
}

int cn_next_tracked(unsigned int from, unsigned int last)
{
	for (unsigned int fd = from; fd <= last && fd < CN_FD_CHUNK * CN_FD_CHUNKS; fd++) {
		if (!atomic_load(&cn_fd_chunks[fd / CN_FD_CHUNK]))
			fd |= CN_FD_CHUNK - 1;
		else if (cn_tracked((int)fd))
			return (int)fd;
	}
	return -1;
}

bool cn_reserve_fd(int fd)
{
	_Atomic uint32_t *slot = slot_of(fd);

	if (slot)
		atomic_store(slot, CN_FD_RESERVED);
	return slot;
}

void cn_unreserve_fd(int fd)
{
	uint32_t reserved = CN_FD_RESERVED;
	_Atomic uint32_t *slot = slot_of(fd);

	if (slot)
		atomic_compare_exchange_strong(slot, &reserved, 0);
}

struct cn_conn *cn_conn_at(int fd)
{
	uint32_t index = cn_tracked(fd);

	return index && index != CN_FD_RESERVED ? conn_number(index) : NULL;
}

bool cn_conn_remove(struct cn_conn *conn, int fd)
{
	_Atomic uint32_t *slot = fd >= 0 ? slot_of(fd) : NULL;
	uint32_t index = conn->index;

	if (!slot || !atomic_compare_exchange_strong(slot, &index, 0))
		return false;
	atomic_store(&conn->closed_before, fd);
	atomic_fetch_sub(&conn->descriptors, 1);
	cn_conn_drop(conn);
	return true;
}

/* Puts another descriptor on a connection. False if there is no memory for that. */
static bool add_descriptor(struct cn_conn *conn, int fd)
{
	_Atomic uint32_t *slot = slot_of(fd);
	struct cn_conn *before = cn_conn_at(fd);

	if (!slot || before == conn)
		return slot;
	if (before)
		cn_conn_remove(before, fd);
	atomic_fetch_add(&conn->references, 1);
	atomic_fetch_add(&conn->descriptors, 1);
	atomic_store(slot, conn->index);
	return true;
}

void cn_conn_copied(int fd, int copy, uint64_t cookie)
{
	struct cn_conn *conn = cn_conn_at(fd);

	if (!conn && !cookie)
		return;
	if (!conn && (conn = cn_conn_new(NULL, NULL))) {
		conn->fd = fd;
		conn->cookie = cookie;
		if (!add_descriptor(conn, fd)) {
			cn_conn_drop(conn);
			return;
		}
		cn_conn_drop(conn); /* no session yet */
	}
	if (conn && !conn->tls) /* not yet met in this process, so a fork child's too */
		conn->process = cn_process();
	if (conn && conn->process == cn_process() && !add_descriptor(conn, copy))
		cn_conn_note(conn, CN_HANDED_OVER); /* to a number that can't be watched */
}

/* --- sessions --- */

struct cn_conn *cn_conn_new(struct cn_tls *tls, void *session)
{
	struct cn_conn *conn = take_free();
	struct cn_share *share;

	cn_process_prepare();
	if (!conn)
		conn = take_new();
	if (!conn)
		return NULL;
	/* A thread that holds a stale pointer may still read, so each member is set by itself, the shared ones atomically.
	 */
	atomic_store(&conn->facts, 0);
	atomic_store(&conn->descriptors, 0);
	atomic_store(&conn->session_refs, 0);
	conn->tls = tls;
	conn->cookie = 0;
	conn->process = cn_process();
	conn->raw_forks = cn_raw_forks();
	conn->fd = conn->read_fd = -1;
	atomic_store(&conn->closed_before, -1);
	cn_conn_unwatch_made(conn);
	conn->rest_length = 0;
	conn->said_too_late = conn->said_unseen = conn->fin_first = false;
	conn->goodbye = 0;
	share = atomic_exchange(&conn->share, NULL);
	if (share)
		cn_share_leave(share);
	if (conn->label)
		*conn->label = (struct cn_label){.serial = atomic_fetch_add(&serials, 1) + 1};
	atomic_store(&conn->references, 1);
	atomic_store(&conn->session, session);
	return conn;
}

void cn_conn_bind(struct cn_conn *conn, int fd, int read_fd, uint64_t cookie)
{
	struct cn_conn *before = cn_conn_at(fd);

	if (fd >= 0 &&
	    !slot_of(fd)) /* no memory, or past the last number: it would look like one that is closed */
		fd = read_fd = -1;
	if (conn->fd >= 0 && conn->fd != fd)
		cn_conn_remove(conn, conn->fd);
	/* A second session on this socket, while other numbers of the socket belong to the first session. Nobody can tell
	 * which number ends which session. */
	if (before && before != conn && before->cookie == cookie && atomic_load(&before->descriptors) > 1)
		cn_conn_note(conn, CN_HANDED_OVER);
	conn->fd = fd;
	conn->read_fd = read_fd;
	conn->cookie = cookie;
	conn->goodbye = 0;
	atomic_fetch_and(&conn->facts, ~(uint32_t)CN_LINGER_OFF);
	conn->process = cn_process();
	conn->raw_forks = cn_raw_forks();
	if (fd >= 0)
		add_descriptor(conn, fd);
}

struct cn_conn *cn_conn_adopt(int fd, uint64_t cookie, struct cn_tls *tls, void *session)
{
	struct cn_conn *conn = cn_conn_at(fd);

	if (!conn || conn->tls || conn->cookie != cookie || !cn_conn_hold(conn))
		return NULL;
	conn->tls = tls;
	conn->fd = fd;
	conn->process = cn_process();
	conn->raw_forks = cn_raw_forks();
	atomic_store(&conn->session, session);
	return conn;
}

void cn_conn_watch_made(struct cn_conn *conn)
{
	struct cn_carried *carried = cn_carried(conn);

	carried->made_early = false;
	carried->made_at = carried->handed + carried->produced - carried->made;
	if (!atomic_exchange(&conn->made_watched, true))
		cn_seek_begins();
}

bool cn_conn_unwatch_made(struct cn_conn *conn)
{
	if (!atomic_exchange(&conn->made_watched, false))
		return false;
	cn_seek_over();
	return true;
}

void cn_conn_seek_over(struct cn_conn *conn)
{
	if (atomic_fetch_and(&conn->facts, ~(uint32_t)CN_SEEKING) & CN_SEEKING)
		cn_seek_over();
}

void cn_conn_session_gone(struct cn_conn *conn)
{
	if (!atomic_exchange(&conn->session, NULL))
		return;
	cn_conn_seek_over(conn);
	cn_conn_drop(conn);
}

void cn_conn_each(void (*visit)(struct cn_conn *conn))
{
	uint32_t count = atomic_load(&conn_count);

	for (uint32_t index = 1; index <= count; index++) {
		struct cn_conn *chunk = atomic_load(&conn_chunks[(index - 1) / CONN_CHUNK]);
		struct cn_conn *conn = chunk ? chunk + (index - 1) % CONN_CHUNK : NULL;

		if (conn && atomic_load(&conn->references))
			visit(conn);
	}
}

/* --- fork --- */

static void share_before_fork(struct cn_conn *conn)
{
	if (!conn->tls || conn->process != cn_process() || !atomic_load(&conn->descriptors))
		return;
	if (!cn_share_with_child(&conn->share)) /* unknown holders count as holders, for good */
		cn_conn_note(conn, CN_HANDED_OVER);
}

void cn_conns_before_fork(void)
{
	cn_conn_each(share_before_fork);
}

static uint32_t forked; /* the process that has */

static void adopt_after_fork(struct cn_conn *conn)
{
	if (conn->process != forked || !cn_share_inherited(atomic_load(&conn->share)))
		return;
	atomic_store(&conn->gate, 0); /* the threads that were inside are in the parent */
	conn->process = cn_process();
	cn_conn_note(conn, CN_INHERITED);
}

void cn_conns_after_fork(uint32_t parent)
{
	forked = parent;
	cn_conn_each(adopt_after_fork);
}

/* --- the gate --- */

/* The holder of the claim encrypts some bytes and sends them without blocking. It may be a thread of lower priority
 * (SCHED_FIFO): yielding alone would never let it run, so there are pauses. And a signal handler may have jumped out and left
 * the claim behind: so the wait ends after a second, with false. */
static bool wait_for_holder(unsigned int *pauses)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	if (++*pauses <= YIELDS)
		sched_yield();
	else
		syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
	return *pauses < YIELDS + PAUSES;
}

void cn_conn_wait_to_enter(struct cn_conn *conn)
{
	unsigned int pauses = 0;
	bool patient;

	do {
		atomic_fetch_sub_explicit(&conn->gate, 1, memory_order_relaxed);
		patient = wait_for_holder(&pauses);
	} while (atomic_fetch_add_explicit(&conn->gate, 1, memory_order_acquire) & CN_CLAIMED && patient);
}

bool cn_conn_claim(struct cn_conn *conn)
{
	uint32_t idle = 0;
	unsigned int pauses = 0;

	while (!atomic_compare_exchange_weak_explicit(&conn->gate, &idle, CN_CLAIMED, memory_order_acquire,
						      memory_order_relaxed)) {
		if (idle & CN_CLAIMED ? !wait_for_holder(&pauses) : idle)
			return false;
		idle = 0;
	}
	return true;
}

void cn_conn_release(struct cn_conn *conn)
{
	atomic_fetch_and_explicit(&conn->gate, ~CN_CLAIMED, memory_order_release);
}
