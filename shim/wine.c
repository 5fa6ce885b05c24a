/* SPDX-License-Identifier: MIT
 * Wine's server, which has each socket of a Windows program open too. Invariant: when in doubt, it has. */
#include "wine.h"
#include "copies.h"
#include "holders.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_server(pid_t pid)
{
	char path[32], program[256];
	ssize_t length;
	const char *name;

	cn_proc_path(pid, "exe", path);
	length = readlink(path, program, sizeof(program) - 1);
	program[length > 0 ? length : 0] = '\0';
	name = strrchr(program, '/');
	return name && strncmp(name, "/wineserver", 11) == 0;
}

/* The server that has the socket, or 0; there may be others, each for Windows programs of its own. */
static pid_t find_server(const char *socket)
{
	struct cn_entry *entry;
	_Alignas(8) char bytes[4096];
	int directory = cn_open_for_now("/proc");
	pid_t found = 0;
	long got;

	if (directory < 0)
		return 0;
	while (!found && (got = syscall(SYS_getdents64, directory, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < got && !found; at += entry->length) {
			pid_t pid = 0;

			entry = (void *)(bytes + at);
			/* Not strtol: with glibc 2.38 that is a younger function. */
			for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++)
				pid = pid * 10 + (*c - '0');
			if (pid > 0 && is_server(pid) && cn_pid_asked(pid, socket) == 1)
				found = pid;
		}
	}
	cn_copy_over(directory);
	return found;
}

bool cn_held_by_wine(int fd)
{
	static _Atomic pid_t server; /* a process under Wine does not outlive it */
	char socket[CN_LINK_MOST];
	pid_t pid = atomic_load(&server);

	if (!cn_name_socket(fd, socket))
		return true;
	if (!pid) {
		pid = find_server(socket);
		atomic_store(&server, pid);
		return true;
	}
	return cn_pid_asked(pid, socket) != 0;
}
