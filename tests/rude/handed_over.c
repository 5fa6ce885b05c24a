/* SPDX-License-Identifier: MIT
 * The descriptor is sent to another process, which still holds it; here SSL_free, close. */
#include "rude.h"

#define SEND_MESSAGE sendmsg
#include "handed_over.h"
