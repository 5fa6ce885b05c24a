/* SPDX-License-Identifier: MIT
 * quick_exit(0); what at_quick_exit registered still speaks. */
#include "rude.h"

static struct rude r;

static void last_words(void)
{
	TELL(SSL_write(r.ssl, "the last words", 14));
}

int main(int argc, char **argv)
{
	at_quick_exit(last_words);
	r = rude_meet(argc, argv);
	quick_exit(0);
}
