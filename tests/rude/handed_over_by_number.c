/* SPDX-License-Identifier: MIT
 * The descriptor is sent to another process by syscall(SYS_sendmsg), which still holds it; here SSL_free, close. */
#include "rude.h"

#define SEND_MESSAGE(fd, message, flags) syscall(SYS_sendmsg, fd, message, flags)
#include "handed_over.h"
