/* SPDX-License-Identifier: MIT
 * Closes in a handler whose stack is as small as many make it; nothing below it can be written.
 *
 *     small_stack PORT TLS N */
#include "rude.h"

#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef AT_MINSIGSTKSZ /* Linux 5.14 */
#define AT_MINSIGSTKSZ 51
#endif

#define USUAL 8192 /* SIGSTKSZ for decades */
#define FRAME 2048 /* of which so much was the kernel's own; newer processors have more to keep */
#define GUARD 65536

static struct rude r;

static void close_it(int signal)
{
	(void)signal;
	TELL(close(r.fd));
}

int main(int argc, char **argv)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ), size = USUAL + (frame > FRAME ? frame - FRAME : 0);
	struct sigaction action = {.sa_handler = close_it, .sa_flags = SA_ONSTACK};
	char *memory = mmap(NULL, GUARD + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) ||
	    sigaltstack(&(stack_t){.ss_sp = memory + GUARD, .ss_size = size}, NULL))
		rude_fail("stack");
	r = rude_meet(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	SSL_free(r.ssl);
	rude_vanish();
}
