/* SPDX-License-Identifier: MIT
 * _exit(0) with the connection open. vsftpd's children. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	_exit(0);
}
