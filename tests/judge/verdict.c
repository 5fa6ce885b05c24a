// SPDX-License-Identifier: MIT
/* The verdict on a connection, and the line that tells it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *verdict(const struct peer *p)
{
	if (p->end == END_TIMEOUT)
		return "timeout";
	if (!p->handshake)
		return "no_handshake";
	if (p->end == END_OPEN)
		return "open";
	if (p->end == END_RST)
		return "reset";
	if (p->fatal[0] && !p->close_notify) /* RFC 8446 6.1: what comes after close_notify is ignored */
		return "aborted";
	if (!p->close_notify)
		return "truncated";
	if (p->order_size < 2 || strcmp(p->order[p->order_size - 2], "close_notify"))
		return "unclean";
	return p->records_after ? "unclean" : "closed";
}

static void print_string(const char *key, const char *value)
{
	if (key)
		printf("\"%s\":", key);
	if (!value) {
		fputs("null,", stdout);
		return;
	}
	putchar('"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			printf("\\u%04x", (unsigned int)c);
		else
			putchar(c);
	}
	fputs("\",", stdout);
}

static void print_bool(const char *key, bool value)
{
	printf("\"%s\":%s,", key, value ? "true" : "false");
}

static const char *errno_name(int error)
{
	if (!error)
		return NULL;
	return error == EPIPE ? "EPIPE" : error == ECONNRESET ? "ECONNRESET" : strerror(error);
}

void report(struct peer *p)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0, i;
	size_t e;

	EVP_DigestFinal_ex(p->sha256, digest, &size);
	printf("{\"connection\":%d,", p->number);
	print_string("role", opt.server ? "server" : "client");
	print_string("tls", tls_names[opt.tls13]);
	print_bool("handshake", p->handshake);
	print_bool("resumed", p->handshake && SSL_session_reused(p->ssl));
	print_string("sni", p->has_sni ? p->sni : NULL);
	printf("\"bytes\":%" PRIu64 ",\"sha256\":\"", p->received);
	for (i = 0; i < size; i++)
		printf("%02x", digest[i]);
	printf("\",\"sent\":%" PRIu64 ",", p->sent);
	print_string("send_error", errno_name(p->send_errno));
	printf("\"close_notify\":%d,", p->close_notify);
	print_bool("close_notify_sent", p->close_notify_sent);
	print_string("fatal", p->fatal[0] ? p->fatal : NULL);
	print_string("end", end_names[p->end]);
	print_bool("rst_after_fin", p->rst_after_fin);
	print_string("error", p->error[0] ? p->error : NULL);
	printf("\"records_after_close_notify\":%" PRIu64 ",\"order\":[", p->records_after);
	for (e = 0; e < p->order_size; e++)
		printf("%s\"%s\"", e ? "," : "", p->order[e]);
	printf("],\"verdict\":\"%s\"}\n", verdict(p));
	if (fflush(stdout))
		die_errno("stdout");
}
