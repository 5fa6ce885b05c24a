/* SPDX-License-Identifier: MIT
 * What watches descriptors for the program: its epoll sets, SIGIO and SIGURG. A socket that outlives the program's close would go
 * on being reported by both, by a number that the program has closed (epoll(7), question 6). */
#ifndef CN_WATCH_H
#define CN_WATCH_H

/* `poller` is an epoll set of the program, by one number more. Any thread, signal handlers too. */
void cn_watch_noted(int poller);

/* `copy` is the same as `fd`, which may be an epoll set. */
void cn_watch_copied(int fd, int copy);

/* Nothing tells the program of `fd` any more; as when its last descriptor closes, which is about to happen. errno is
 * clobbered. */
void cn_watch_ends(int fd);

/* Nor by `number`, which was this socket as well and has been closed (-1: none). */
void cn_watch_ends_as(int fd, int number);

#endif
