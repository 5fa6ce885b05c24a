/* SPDX-License-Identifier: MIT
 * The descriptor is sent to another process by syscall(SYS_sendmmsg), which still holds it; here SSL_free, close. */
#include "rude.h"

static int send_message(int line, struct msghdr *message)
{
	struct mmsghdr one = {.msg_hdr = *message};

	return syscall(SYS_sendmmsg, line, &one, 1, 0) == 1 ? (int)one.msg_len : -1;
}

#define SEND_MESSAGE(fd, message, flags) send_message(fd, message)
#include "handed_over.h"
