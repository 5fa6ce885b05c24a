/* SPDX-License-Identifier: MIT
 * What is kept of GnuTLS's sessions, which have no room for data of ours, and what they push. Invariant: outside a call the session
 * has the program's push function, or the library's own. */
#include "conn.h"
#include "gnutls.h"
#include "kernel.h"
#include "tls_gnutls.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* --- the sessions --- */

/* A hash table by the session's address. An entry stays in its bucket for good, so a chain can be read without a lock. A freed
 * entry is used again by the next session in the same bucket, so a bucket grows only to the most sessions it had at one time. */
#define BUCKETS 1024
#define TAKEN   ((gnutls_session_t)1)

static CN_APART struct cn_gnutls *_Atomic buckets[BUCKETS];

static struct cn_gnutls *_Atomic *bucket_of(gnutls_session_t session)
{
	return &buckets[((uintptr_t)session >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

struct cn_gnutls *cn_gnutls_find(gnutls_session_t session)
{
	struct cn_gnutls *g = atomic_load_explicit(bucket_of(session), memory_order_acquire);

	while (g && atomic_load_explicit(&g->session, memory_order_acquire) != session)
		g = g->next;
	return session ? g : NULL;
}

#define CHUNK_SIZE 4096

struct chunk {
	_Atomic uint32_t used;
	struct cn_gnutls entries[];
};

#define CHUNK_ENTRIES ((CHUNK_SIZE - sizeof(struct chunk)) / sizeof(struct cn_gnutls))

static struct cn_gnutls *new_entry(void)
{
	static struct chunk *_Atomic current;
	struct chunk *chunk = atomic_load(&current), *fresh;
	uint32_t number;

	for (;;) {
		if (chunk && (number = atomic_fetch_add(&chunk->used, 1)) < CHUNK_ENTRIES)
			return &chunk->entries[number];
		fresh = cn_map(CHUNK_SIZE);
		if (!fresh)
			return NULL;
		if (atomic_compare_exchange_strong(&current, &chunk, fresh))
			chunk = fresh;
		else
			munmap(fresh, CHUNK_SIZE);
	}
}

/* An empty entry in the bucket of this address, marked TAKEN. */
static struct cn_gnutls *take_entry(gnutls_session_t session)
{
	struct cn_gnutls *_Atomic *bucket = bucket_of(session);
	struct cn_gnutls *g;

	for (g = atomic_load(bucket); g; g = g->next) {
		gnutls_session_t none = NULL;

		if (!atomic_load(&g->session) && atomic_compare_exchange_strong(&g->session, &none, TAKEN))
			break;
	}
	if (!g) {
		g = new_entry();
		if (!g)
			return NULL;
		atomic_store(&g->session, TAKEN);
		g->next = atomic_load(bucket);
		while (!atomic_compare_exchange_weak(bucket, &g->next, g))
			;
	}
	g->conn = NULL;
	g->push = NULL;
	g->vec_push = NULL;
	g->pull = NULL;
	g->transport = g->foreign = g->established = g->alerted = g->doomed = false;
	g->sni[0] = 0;
	atomic_store(&g->busy, 0);
	atomic_store(&g->pushed, 0);
	atomic_store(&g->lock, 0);
	atomic_store(&g->users, 0);
	g->way = CN_GNUTLS_COUNTED;
	g->copy = -1;
	g->keeps = false;
	return g;
}

/* The session of the call that this thread is in; the shim's push function has no other way to know it. */
static __thread struct cn_gnutls *current __attribute__((tls_model("initial-exec")));

int cn_gnutls_init(struct cn_tls *tls, gnutls_session_t *session, unsigned int flags)
{
	struct cn_gnutls made = {.session = TAKEN}, *before = current, *g;
	int ret;

	current =
		&made; /* gnutls_init sets the library's push function by the exported setter; our hook keeps it */
	ret = of(tls)->real.gnutls_init(session, flags);
	current = before;
	if (ret < 0)
		return ret;
	g = cn_gnutls_find(*session);
	if (g) /* left by a session at this address whose gnutls_deinit we did not see */
		cn_gnutls_forget(g);
	g = take_entry(*session);
	if (!g)
		return ret;
	g->tls = tls;
	g->own = made.own;
	g->server = flags & SERVER;
	g->datagram = flags & DATAGRAM;
	g->reauth_within_read = !g->server && flags & AUTO_REAUTH;
	atomic_store_explicit(&g->session, *session, memory_order_release);
	return ret;
}

void cn_gnutls_set_by_library(gnutls_vec_push_func push)
{
	if (current && atomic_load(&current->session) == TAKEN)
		current->own = push;
}

void cn_gnutls_forget(struct cn_gnutls *g)
{
	struct cn_conn *conn = g->conn;
	int inside = cn_inside;

	/* a signal handler that writes would wait for match.c's lock, which this thread holds */
	cn_inside = 1;
	g->conn = NULL;
	if (conn)
		cn_conn_session_gone(conn);
	atomic_store(&g->session, NULL);
	cn_inside = inside;
}

/* --- what a session pushes --- */

static ssize_t send_quietly(const struct cn_gnutls *g, gnutls_transport_ptr_t pointer,
			    const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};

	return cn_libc()->sendmsg(g && g->copy >= 0 ? g->copy : (int)(intptr_t)pointer, &message,
				  MSG_NOSIGNAL);
}

static void keep(struct cn_gnutls *g, const void *bytes, size_t length)
{
	struct cn_carried *carried = cn_carried(g->conn);

	if (length > CN_GOODBYE_MOST - carried->made) {
		g->keeps = false;
		return;
	}
	memcpy(carried->goodbye_made + carried->made, bytes, length);
	carried->made += (uint32_t)length;
}

/* The program's push function has taken so much. */
static void taken(struct cn_gnutls *g, const struct iovec *parts, size_t length)
{
	atomic_fetch_add(&g->pushed, (uint64_t)length);
	for (; g->keeps && length; parts++) {
		size_t part = parts->iov_len < length ? parts->iov_len : length;

		keep(g, parts->iov_base, part);
		length -= part;
	}
}

void cn_gnutls_keep_begin(struct cn_gnutls *g)
{
	cn_carried(g->conn)->made = 0;
	g->keeps = true;
}

void cn_gnutls_keep_over(struct cn_gnutls *g, bool said)
{
	struct cn_carried *carried = cn_carried(g->conn);

	if (!said || !g->keeps)
		carried->made = 0;
	g->keeps = false;
	if (!carried->made)
		return;
	carried->produced = atomic_load(&g->pushed);
	cn_conn_watch_made(g->conn);
}

/* Calls the program's push function and counts what it took. One without a vector gets the parts one by one, as from the library. */
static ssize_t push_on(struct cn_gnutls *g, gnutls_transport_ptr_t pointer, const struct iovec *parts,
		       int count)
{
	ssize_t put = 0;

	if (g->vec_push) {
		put = g->vec_push(pointer, parts, count);
		if (put > 0)
			taken(g, parts, (size_t)put);
		return put;
	}
	for (int i = 0; i < count; i++) {
		ssize_t part = g->push(pointer, parts[i].iov_base, parts[i].iov_len);

		if (part > 0)
			taken(g, &parts[i], (size_t)part), put += part;
		if (part < 0 && i == 0)
			return part;
		if (part < (ssize_t)parts[i].iov_len)
			break;
	}
	return put;
}

/* The session of a push in a call that no hook has seen. Our push function may then be in place because of a call of another thread,
 * or because a longjmp left a call. */
static struct cn_gnutls *user_of(gnutls_transport_ptr_t pointer)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct cn_gnutls *g = atomic_load(&buckets[i]); g; g = g->next) {
			gnutls_session_t session = atomic_load(&g->session);
			gnutls_transport_ptr_t from, to;

			if (!session || session == TAKEN || !atomic_load(&g->users))
				continue;
			of(g->tls)->gnutls_transport_get_ptr2(session, &from, &to);
			if (to == pointer)
				return g;
		}
	}
	return NULL;
}

static ssize_t vec_push(gnutls_transport_ptr_t pointer, const struct iovec *parts, int count)
{
	struct cn_gnutls *g = current ? current : user_of(pointer);

	switch (g ? g->way : CN_GNUTLS_QUIETLY) {
	case CN_GNUTLS_NOWHERE:
		errno = EBADF;
		return -1;
	case CN_GNUTLS_DROPPED:
		return cn_gnutls_length(parts, count);
	case CN_GNUTLS_COUNTED:
		if (g->push || g->vec_push)
			return push_on(g, pointer, parts, count);
		break;
	case CN_GNUTLS_QUIETLY:
		break;
	}
	return send_quietly(g, pointer, parts, count);
}

void cn_gnutls_put_back(struct cn_gnutls *g)
{
	const struct cn_libgnutls *real = &of(g->tls)->real;

	if (g->push)
		real->gnutls_transport_set_push_function(g->session, g->push);
	else
		real->gnutls_transport_set_vec_push_function(g->session, g->vec_push ? g->vec_push : g->own);
}

/* Held for a few stores. A fork child may find it held by a thread that exists only in the parent. So the lock holds the number of
 * the process, and a lock of another process is taken over. cn_inside keeps a signal handler of this thread away from it. */
static int lock(struct cn_gnutls *g)
{
	uint32_t self = cn_process(), holder = 0;
	int inside = cn_inside;

	cn_inside = 1;
	while (!atomic_compare_exchange_weak(&g->lock, &holder, self)) {
		if (holder && holder != self && atomic_compare_exchange_strong(&g->lock, &holder, self))
			break;
		if (holder)
			sched_yield();
		holder = 0;
	}
	return inside;
}

static void unlock(struct cn_gnutls *g, int inside)
{
	atomic_store(&g->lock, 0);
	cn_inside = inside;
}

struct cn_gnutls *cn_gnutls_push_begin(struct cn_gnutls *g, enum cn_gnutls_way way, int copy)
{
	struct cn_gnutls *before = current;
	int inside = lock(g);

	if (way != CN_GNUTLS_COUNTED)
		g->way = way, g->copy = copy;
	if (atomic_fetch_add(&g->users, 1) == 0)
		of(g->tls)->real.gnutls_transport_set_vec_push_function(g->session, vec_push);
	current = g;
	unlock(g, inside);
	return before;
}

void cn_gnutls_push_over(struct cn_gnutls *g, struct cn_gnutls *before)
{
	int inside = lock(g);

	current = before;
	if (atomic_fetch_sub(&g->users, 1) == 1) {
		g->way = CN_GNUTLS_COUNTED;
		g->copy = -1;
		cn_gnutls_put_back(g);
	}
	unlock(g, inside);
}

void cn_gnutls_set_push(struct cn_gnutls *g, gnutls_push_func push, gnutls_vec_push_func vector)
{
	int inside = lock(g);

	g->push = push;
	g->vec_push = vector == g->own ? NULL : vector;
	if (!atomic_load(&g->users))
		cn_gnutls_put_back(g);
	unlock(g, inside);
}
