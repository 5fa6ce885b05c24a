/* SPDX-License-Identifier: MIT
 * A plugin, for load_plugin: SSL_free and close without a goodbye. */
#include "../rude/rude.h"

int plugin(int argc, char **argv);

int plugin(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
