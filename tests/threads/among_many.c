/* SPDX-License-Identifier: MIT
 * A program with COUNT more connections forks, and the child lives while the program ends the two that the judge hears. What
 * strace sees of each part stands between two marks, writes to no descriptor: the fork, the second end, the child's end.
 *
 *     among_many PORT TLS N COUNT CHILD [FORKS]
 *
 * CHILD: holds (all of them), or closes (the two, by no function at all). FORKS: so many children first that end at once,
 * all of them as one part. */
#include "../bench/bench.h"

static void mark(const char *what)
{
	if (write(-1, what, strlen(what)) >= 0)
		rude_fail("mark");
}

int main(int argc, char **argv)
{
	int count = argc > 4 ? atoi(argv[4]) : 0, forks = argc > 6 ? atoi(argv[6]) : 0, told[2], asked[2];
	bool closes = argc > 5 && !strcmp(argv[5], "closes");
	SSL_CTX *client = cheap_context(false), *server = cheap_context(true);
	SSL *one, *other;
	struct rude first, r;
	pid_t child;
	char byte;

	raise_limit();
	for (int i = 0; i < count; i += 2)
		meet_over_pair(client, server, &one, &other);
	first = rude_meet(argc, argv);
	rude_flushed(first.fd);
	r = rude_meet(argc, argv);
	rude_flushed(r.fd);
	if (pipe(told) || pipe(asked))
		rude_fail("pipe");
	mark("forks");
	for (int i = 0; i < forks; i++) {
		child = fork();
		if (!child)
			rude_vanish();
		rude_wait_for(child);
	}
	mark("fork");
	child = fork();
	if (!child) {
		if (closes) {
			rude_raw(SYS_close, first.fd);
			rude_raw(SYS_close, r.fd);
		}
		if (write(asked[1], "", 1) != 1 || read(told[0], &byte, 1) != 1)
			rude_fail("pipe");
		mark("exit");
		_exit(0);
	}
	mark("forked");
	if (read(asked[0], &byte, 1) != 1)
		rude_fail("read");
	SSL_free(first.ssl);
	close(first.fd);
	mark("end");
	SSL_free(r.ssl);
	close(r.fd);
	mark("ended");
	if (write(told[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	rude_vanish();
}
