/* SPDX-License-Identifier: MIT
 * Wine's server, which has each socket of a Windows program open too. Invariant: when in doubt, it has. */
#ifndef CN_WINE_H
#define CN_WINE_H

#include <stdbool.h>

/* Of a process under Wine: its server, by which all its sockets come, has `fd` open too. It has from before the first
 * handle of a Windows process to the last one's end. What can't be found out counts as held. Costs a link for each
 * descriptor of the server; the first time also one for each process. */
bool cn_held_by_wine(int fd);

#endif
