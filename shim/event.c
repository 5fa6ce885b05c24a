/* SPDX-License-Identifier: MIT
 * One record per connection end, as text or JSON. Invariant: only tells; a record is one write. */
#include "event.h"
#include "config.h"
#include "format.h"
#include "kernel.h"
#include "sink.h"

#include <time.h>
#include <unistd.h>

#define RECORD_VERSION 1

static void put_word(struct cn_text *text, const char *key, const char *value)
{
	cn_put(text, ",\"");
	cn_put(text, key);
	cn_put(text, "\":\"");
	cn_put_escaped(text, value, 256);
	cn_put(text, "\"");
}

static void put_count(struct cn_text *text, const char *key, int value)
{
	cn_put(text, ",\"");
	cn_put(text, key);
	cn_put(text, "\":");
	cn_put_number(text, (uint64_t)(value > 0 ? value : 0));
}

/* What the program itself had done. */
static const char *deed(const struct cn_conn *conn)
{
	if (cn_conn_has(conn, CN_SAID))
		return "close_notify";
	if (cn_conn_has(conn, CN_ALERT_PENDING))
		return "partial_close_notify";
	if (cn_conn_has(conn, CN_WRITE_PENDING))
		return "unfinished_write";
	if (cn_conn_has(conn, CN_CALLED_SHUTDOWN))
		return "failed_shutdown";
	return "nothing";
}

static const char *action(const struct cn_conn *conn, const struct cn_end *end)
{
	bool alert =
		cn_conn_has(conn, CN_SAID_BY_SHIM) || (cn_config.mode == CN_MODE_OBSERVE && end->plan.alert);
	bool half_close = cn_config.mode == CN_MODE_OBSERVE ? end->plan.half_close : end->done.half_closed;

	if (alert)
		return end->done.lingers ? "close_notify+linger"
		       : half_close      ? "close_notify+half_close"
					 : "close_notify";
	if (end->plan.alert)
		return "close_notify_failed";
	return end->done.lingers ? "linger" : half_close ? "half_close" : "none";
}

struct record {
	const char *role, *tls, *peer, *sni, *cause, *did, *action, *reason, *mode;
	bool peer_closed;
	int unread, unsent;
};

static void put_json(struct cn_text *text, const struct record *r, const struct timespec *now)
{
	cn_put(text, "{\"v\":");
	cn_put_number(text, RECORD_VERSION);
	cn_put(text, ",\"time\":\"");
	cn_put_time(text, now->tv_sec, now->tv_nsec / 1000);
	cn_put(text, "\"");
	put_count(text, "pid", getpid());
	put_word(text, "program", cn_config.program);
	put_word(text, "role", r->role);
	put_word(text, "tls", r->tls);
	put_word(text, "peer", r->peer);
	put_word(text, "sni", r->sni);
	put_word(text, "cause", r->cause);
	put_word(text, "did", r->did);
	put_word(text, "mode", r->mode);
	put_word(text, "action", r->action);
	put_word(text, "reason", r->reason);
	cn_put(text, r->peer_closed ? ",\"peer_close_notify\":true" : ",\"peer_close_notify\":false");
	put_count(text, "unread", r->unread);
	put_count(text, "unsent", r->unsent);
	cn_put(text, "}\n");
}

static void put_pair(struct cn_text *text, const char *key, const char *value)
{
	cn_put(text, " ");
	cn_put(text, key);
	cn_put(text, "=");
	cn_put(text, value);
}

/* From outside: in quotes, so that no value passes for another field. */
static void put_quoted(struct cn_text *text, const char *key, const char *value)
{
	cn_put(text, " ");
	cn_put(text, key);
	cn_put(text, "=\"");
	cn_put_escaped(text, value, 256);
	cn_put(text, "\"");
}

static void put_plain(struct cn_text *text, const struct record *r, const struct timespec *now)
{
	cn_put_time(text, now->tv_sec, now->tv_nsec / 1000);
	cn_put(text, " closenotify: ");
	cn_put_escaped(text, cn_config.program, sizeof(cn_config.program));
	cn_put(text, "[");
	cn_put_number(text, (uint64_t)getpid());
	cn_put(text, "] ");
	cn_put(text, r->role);
	cn_put(text, " ");
	cn_put(text, r->tls);
	put_pair(text, "peer", r->peer);
	put_quoted(text, "sni", r->sni);
	put_pair(text, "cause", r->cause);
	put_pair(text, "did", r->did);
	put_pair(text, "mode", r->mode);
	put_pair(text, "action", r->action);
	put_pair(text, "reason", r->reason);
	put_pair(text, "peer_close_notify", r->peer_closed ? "yes" : "no");
	cn_put(text, " unread=");
	cn_put_number(text, (uint64_t)(r->unread > 0 ? r->unread : 0));
	cn_put(text, " unsent=");
	cn_put_number(text, (uint64_t)(r->unsent > 0 ? r->unsent : 0));
	cn_put(text, "\n");
}

void cn_event_end(struct cn_conn *conn, const struct cn_end *end)
{
	struct cn_text text = {.length = 0};
	struct record record;
	struct timespec now;

	if (cn_conn_has(conn, CN_RECORDED) || !conn->tls)
		return;
	cn_conn_note(conn, CN_RECORDED);
	if (cn_config.log == CN_LOG_NONE)
		return;
	record = (struct record){
		.role = cn_conn_has(conn, CN_SERVER) ? "server" : "client",
		.tls = conn->label && conn->label->version ? conn->label->version : "-",
		.peer = conn->label && conn->label->peer[0] ? conn->label->peer : "-",
		.sni = conn->label && conn->label->sni[0] ? conn->label->sni : "-",
		.cause = cn_cause_word(end->cause),
		.did = deed(conn),
		.action = action(conn, end),
		.reason = cn_reason_word(end->plan.reason),
		.mode = cn_config.mode == CN_MODE_OBSERVE ? "observe" : "fix",
		.peer_closed = cn_conn_has(conn, CN_PEER_CLOSED),
		.unread = end->socket.unread,
		.unsent = end->socket.unsent,
	};
	clock_gettime(CLOCK_REALTIME, &now);
	if (cn_config.log == CN_LOG_JSON)
		put_json(&text, &record, &now);
	else
		put_plain(&text, &record, &now);
	cn_sink_write(&text);
}

void cn_event_label(struct cn_conn *conn, int fd)
{
	if (conn->label && fd >= 0)
		cn_socket_peer(fd, conn->label->peer, sizeof(conn->label->peer));
}

void cn_event_unusable(struct cn_tls *tls)
{
	static _Atomic unsigned int said; /* a bit per library */
	struct cn_text text = {.length = 0};
	unsigned int bit = 1U << tls->id;

	if (cn_config.log == CN_LOG_NONE || atomic_fetch_or(&said, bit) & bit)
		return;
	cn_put(&text, "closenotify: ");
	cn_put_escaped(&text, cn_config.program, sizeof(cn_config.program));
	cn_put(&text, ": this TLS library lacks functions that are needed; it is left alone\n");
	cn_sink_write(&text);
}
