/* SPDX-License-Identifier: MIT
 * A plugin, for loads: its constructor waits for a thread that makes a connection, SSL_free and close without a goodbye. Who
 * loads it holds the loader's lock meanwhile. */
#include "../rude/rude.h"

static void *connect_and_close(void *unused)
{
	char *words[] = {"plugin", getenv("PLUGIN_PORT"), getenv("PLUGIN_TLS"), getenv("PLUGIN_N"), NULL};
	struct rude r = rude_meet(4, words);

	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return unused;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, connect_and_close, NULL) || pthread_join(thread, NULL))
		rude_fail("thread");
}
