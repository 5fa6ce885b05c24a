/* SPDX-License-Identifier: MIT
 * One record per connection end. Invariant: only tells; nothing here changes what happens. */
#ifndef CN_EVENT_H
#define CN_EVENT_H

#include "farewell.h"

struct cn_end {
	enum cn_cause cause;
	struct cn_plan plan;
	struct cn_farewell done;
	struct cn_socket socket; /* as it was before the farewell */
};

/* Writes the record of a connection's end, once; silent unless CLOSENOTIFY_LOG asks. Any thread, signal
 * handlers. */
void cn_event_end(struct cn_conn *conn, const struct cn_end *end);

/* Keeps what the record will need from a connection that was just bound to fd. */
void cn_event_label(struct cn_conn *conn, int fd);

/* Says once on the log's sink that a TLS library can't be helped. */
void cn_event_unusable(struct cn_tls *tls);

#endif
