/* SPDX-License-Identifier: MIT
 * For programs that close in a handler: how much of its stack the close takes. What the kernel lays there for the handler
 * (3.4 KB with AVX-512) is not counted. */
#ifndef SMALL_STACK_H
#define SMALL_STACK_H

#include "rude.h"

#define SMALL_STACK_PAINT 0xa5

static struct {
	int fd, ret;
	size_t depth;
	_Alignas(16) unsigned char bytes[65536];
} small_stack;

static void small_stack_close(int signal)
{
	unsigned char *here = __builtin_frame_address(0), *lowest = small_stack.bytes;

	(void)signal;
	small_stack.ret = close(small_stack.fd);
	while (*lowest == SMALL_STACK_PAINT)
		lowest++;
	small_stack.depth = (size_t)(here - lowest);
}

/* Closes in a handler, then prints what came of it and the depth in bytes. */
static inline void small_stack_closes(int fd)
{
	struct sigaction action = {.sa_handler = small_stack_close, .sa_flags = SA_ONSTACK};
	const stack_t other = {.ss_sp = small_stack.bytes, .ss_size = sizeof(small_stack.bytes)};

	memset(small_stack.bytes, SMALL_STACK_PAINT, sizeof(small_stack.bytes));
	close(-1); /* so that the loader has found it, which takes some KB of stack as well */
	small_stack.fd = fd;
	if (sigaltstack(&other, NULL) || sigaction(SIGUSR1, &action, NULL) || raise(SIGUSR1))
		rude_fail("signal");
	printf("closed %d, %zu bytes of stack\n", small_stack.ret, small_stack.depth);
}

#endif
