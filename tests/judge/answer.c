// SPDX-License-Identifier: MIT
/* What the judge says, and how it ends its side. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(struct peer *p, const void *data, size_t size)
{
	size_t n;

	ERR_clear_error();
	if (SSL_write_ex(p->ssl, data, size, &n) != 1)
		broke(p, ERR_reason_error_string(ERR_peek_error()));
}

static void say_close_notify(struct peer *p)
{
	ERR_clear_error();
	SSL_shutdown(p->ssl);
	SSL_set_shutdown(p->ssl, 0); /* go on reading, and able to say it again */
}

/*
 * OpenSSL sends a fatal alert only after breaking its own connection, and could then not read what the peer
 * answers. So a child breaks its copy on a bad record and hands over the encrypted alert.
 */
static void say_fatal_alert(struct peer *p)
{
	static const unsigned char bad[HEADER_SIZE + 32] = {SSL3_RT_APPLICATION_DATA, 3, 3, 0, 32};
	unsigned char alert[1024], byte;
	ssize_t size;
	int ends[2];
	pid_t child;

	if (pipe(ends) < 0)
		die_errno("pipe");
	child = fork();
	if (child < 0)
		die_errno("fork");
	if (!child) {
		BIO_write(p->in, bad, sizeof(bad));
		SSL_set_shutdown(p->ssl, 0); /* a close_notify may have come */
		while (SSL_read(p->ssl, &byte, 1) > 0)
			;
		size = BIO_read(p->out, alert, sizeof(alert));
		_exit(size <= 0 || write(ends[1], alert, (size_t)size) != size);
	}
	close(ends[1]);
	size = read(ends[0], alert, sizeof(alert));
	close(ends[0]);
	if (waitpid(child, NULL, 0) < 0 || size <= 0)
		die(EXIT_BROKEN, "no fatal alert could be made");
	BIO_write(p->wire, alert, (int)size);
}

/* Half of it, or its header alone. */
static void say_part_of_record(struct peer *p, bool header)
{
	static const char payload[1000];
	char *data;
	long size;

	say(p, payload, sizeof(payload));
	size = BIO_get_mem_data(p->out, &data);
	BIO_write(p->wire, data, header ? HEADER_SIZE : (int)(size / 2));
	(void)BIO_reset(p->out);
}

static void say_corrupt_record(struct peer *p)
{
	static const char payload[100];
	char *data;
	long size;

	say(p, payload, sizeof(payload));
	size = BIO_get_mem_data(p->out, &data);
	data[size - 1] ^= 1;
}

static void end_first(struct peer *p)
{
	p->first_done = true;
	p->want_fin = opt.first != FIRST_CLOSE_NOTIFY;
	switch (opt.first) {
	case FIRST_CLOSE_NOTIFY:
	case FIRST_BOTH:
		say_close_notify(p);
		break;
	case FIRST_CLOSE_NOTIFY_RST:
		say_close_notify(p);
		/* fall through */
	case FIRST_RST:
		p->want_fin = false;
		p->want_rst = true;
		break;
	case FIRST_FATAL:
		say_fatal_alert(p);
		break;
	case FIRST_HALF_RECORD:
	case FIRST_RECORD_HEADER:
		say_part_of_record(p, opt.first == FIRST_RECORD_HEADER);
		break;
	case FIRST_CORRUPT_RECORD:
		say_corrupt_record(p);
		break;
	case FIRST_TWO_CLOSE_NOTIFY:
		say_close_notify(p);
		say_close_notify(p);
		break;
	case FIRST_DATA_AFTER:
		say_close_notify(p);
		say(p, "more", 4);
		break;
	default: /* FIRST_FIN */
		break;
	}
	collect(p);
	p->closed_for_writing = true;
}

/* The peer has ended its side by close_notify, FIN, fatal alert or nonsense: end ours. */
static void answer(struct peer *p)
{
	p->answered = true;
	if (opt.silent_end || p->want_rst)
		return;
	if (p->close_notify && !p->broken && !p->closed_for_writing) {
		say_close_notify(p);
		collect(p);
	}
	p->closed_for_writing = true;
	p->want_fin = true;
}

static bool peer_ended(const struct peer *p)
{
	return p->close_notify || p->broken || p->end != END_OPEN;
}

static bool body_is_due(const struct peer *p)
{
	switch (opt.when) {
	case WHEN_REQUEST:
		return p->received > 0;
	case WHEN_EOF:
		return p->close_notify || p->end == END_FIN;
	case WHEN_HTTP:
		return p->head_seen;
	default:
		return true;
	}
}

/* The pattern of --send and --http: a to z, over and over. */
static size_t next_body(const struct peer *p, char *chunk, size_t size)
{
	size_t n = 0;
	uint64_t at;

	for (at = p->off; n < size && at < opt.head_size + opt.body_size; at++)
		chunk[n++] = at < opt.head_size ? opt.head[at] : (char)('a' + (at - opt.head_size) % 26);
	return n;
}

/* Encrypts at most one record more, so that `sent` counts whole records the kernel took. */
static bool say_next(struct peer *p)
{
	char chunk[16384];
	size_t n = opt.request_size - p->request_off;

	if (n) {
		n = n < sizeof(chunk) ? n : sizeof(chunk);
		say(p, opt.request + p->request_off, n);
		p->request_off += n;
	} else {
		n = body_is_due(p) ? next_body(p, chunk, sizeof(chunk)) : 0;
		if (!n)
			return false;
		say(p, chunk, n);
		p->off += n;
	}
	p->in_flight = n;
	collect(p);
	return true;
}

static bool all_said(const struct peer *p)
{
	return p->request_off == opt.request_size && p->off == opt.head_size + opt.body_size;
}

bool first_ends(struct peer *p)
{
	if (!opt.first || p->first_done || !p->handshake || p->broken || p->closed_for_writing ||
	    !all_said(p) || (!told && p->received < opt.first_after))
		return false;
	end_first(p);
	return true;
}

/* Says whatever can be said now. */
bool write_socket(struct peer *p)
{
	for (;;) {
		if (!push(p))
			return false;
		if (p->end == END_RST)
			stop_writing(p);
		if (p->handshake && !p->broken && !p->closed_for_writing && say_next(p))
			continue;
		if (first_ends(p))
			continue;
		if (!p->answered && peer_ended(p)) {
			answer(p);
			continue;
		}
		return true;
	}
}
