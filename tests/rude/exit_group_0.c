/* SPDX-License-Identifier: MIT
 * syscall(SYS_exit_group, 0) with the connection open. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	syscall(SYS_exit_group, 0);
}
