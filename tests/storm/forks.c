/* SPDX-License-Identifier: MIT
 * Children by the dozen, all at once, in the middle of a connection: each does to its copy what children do. The parent has
 * spoken before and speaks after, then only closes.
 *
 *     forks PORT TLS N CHILDREN SEED */
#include "../rude/rude.h"

#include <sys/prctl.h>

static void __attribute__((noreturn)) live(struct rude *r, unsigned int way)
{
	static char *const words[] = {"true", NULL};

	switch (way % 8) {
	case 0:
		close(r->fd);
		exit(0);
	case 1:
		SSL_free(r->ssl);
		close(r->fd);
		_exit(0);
	case 2:
		closefrom(3);
		_exit(0);
	case 3:
		execv("/bin/true", words);
		_exit(0);
	case 4:
		kill(getpid(), SIGKILL);
		_exit(0);
	case 5: /* a grandchild */
		if (!fork())
			exit(0);
		exit(0);
	case 6:
		dup2(0, r->fd);
		quick_exit(0);
	default:
		rude_vanish();
	}
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int children = argc > 4 ? atoi(argv[4]) : 20;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* waits for the grandchildren as well */
	srand(argc > 5 ? (unsigned int)atoi(argv[5]) : 1);
	for (int i = 0; i < children; i++) {
		unsigned int way = (unsigned int)rand() >> 8;

		if (!fork())
			live(&r, way);
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	rude_write(r.ssl, r.n);
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
