/* SPDX-License-Identifier: MIT
 * Which processes have a socket open, by what /proc shows. Invariant: when in doubt, a process has it. No link there is followed,
 * because the file system behind it may not answer. */
#ifndef CN_HOLDERS_H
#define CN_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CN_LINK_MOST 40 /* "socket:[INODE]" */

/* What getdents64 gives. */
struct cn_entry {
	ino64_t inode;
	off64_t next;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* "/proc/PID/WHAT" into `path`. */
void cn_proc_path(pid_t pid, const char *what, char *path);

/* All its threads are dead, whether it has been waited for or not. Uses no descriptor. Any thread. */
bool cn_pid_gone(pid_t pid);

/* What the link of a descriptor of this socket says; room for CN_LINK_MOST. False: unknown. */
bool cn_name_socket(int fd, char *name);

/* The process has the socket at this number. One system call. */
bool cn_pid_has_at(pid_t pid, int number, const char *socket);

/* The process has the socket at any number; true as well if that can't be read. A link for each of its descriptors. What was seen
 * is kept by `at` for the process of this `name`, so that the next question costs nothing. */
bool cn_pid_has(pid_t pid, uint32_t name, int at, const char *socket);

/* The same, and nothing is kept: 1: it has the socket; 0: it has not; -1: unknown. */
int cn_pid_asked(pid_t pid, const char *socket);

/* In a fork child: forgets what was kept. */
void cn_holders_forked(void);

#endif
