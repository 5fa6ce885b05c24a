/* SPDX-License-Identifier: MIT
 * bufferevent socket|filter PORT: a client with libevent's OpenSSL bufferevents, over a socket of their own (which is
 * not given to OpenSSL as such) or as a filter over another bufferevent. Says hello, takes 100 bytes, and frees. */
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take(struct bufferevent *b, void *base)
{
	char bytes[100];

	if (bufferevent_read(b, bytes, sizeof(bytes)) == sizeof(bytes)) {
		puts("100");
		bufferevent_free(b);
		event_base_loopbreak(base);
	}
}

static void happen(struct bufferevent *b, short what, void *base)
{
	if (what & BEV_EVENT_CONNECTED) {
		bufferevent_write(b, "hello", 5);
	} else {
		puts("ended early");
		event_base_loopbreak(base);
	}
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct bufferevent *under, *b;

	if (argc < 3 || !base || !ctx)
		return 2;
	if (!strcmp(argv[1], "socket")) {
		under = b = bufferevent_openssl_socket_new(base, -1, SSL_new(ctx), BUFFEREVENT_SSL_CONNECTING,
							   BEV_OPT_CLOSE_ON_FREE);
	} else {
		under = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
		b = bufferevent_openssl_filter_new(base, under, SSL_new(ctx), BUFFEREVENT_SSL_CONNECTING,
						   BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	}
	bufferevent_setcb(b, take, NULL, happen, base);
	bufferevent_setwatermark(b, EV_READ, 100, 0);
	bufferevent_enable(b, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect_hostname(under, NULL, AF_INET, "127.0.0.1", atoi(argv[2])))
		return 1;
	event_base_dispatch(base);
	event_base_loop(base,
			EVLOOP_NONBLOCK); /* what was deferred: the last reference to a filter goes then */
	SSL_CTX_free(ctx);
	event_base_free(base);
	return 0;
}
