/* SPDX-License-Identifier: MIT
 * A child that does not have the socket any more has a file open on a file system that does not answer (FUSE here; NFS the
 * same); then SSL_free, close. Prints "hangs" if they come back only when the file system is ended, PATIENCE_MS later.
 *
 *     child_on_dead_files PORT TLS N DIRECTORY */
#include "rude.h"

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FILE_NODE   2
#define PATIENCE_MS 5000

/* Once its one file is open, it does not say any more what that is. Returns the length of the answer, -1 for an error, -2 for
 * none. */
static int answer(const struct fuse_in_header *asked, void *to)
{
	static bool opened;

	switch (asked->opcode) {
	case FUSE_INIT:
		*(struct fuse_init_out *)to =
			(struct fuse_init_out){.major = 7, .minor = 31, .max_write = 4096};
		return sizeof(struct fuse_init_out);
	case FUSE_LOOKUP:
		*(struct fuse_entry_out *)to = (struct fuse_entry_out){
			.nodeid = FILE_NODE, .attr = {.ino = FILE_NODE, .mode = S_IFREG | 0644, .nlink = 1}};
		return sizeof(struct fuse_entry_out);
	case FUSE_GETATTR:
		if (opened && asked->nodeid == FILE_NODE)
			return -2;
		*(struct fuse_attr_out *)to = (struct fuse_attr_out){
			.attr = {.ino = asked->nodeid,
				 .mode = asked->nodeid == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755,
				 .nlink = 1}};
		return sizeof(struct fuse_attr_out);
	case FUSE_OPEN:
		opened = true;
		*(struct fuse_open_out *)to = (struct fuse_open_out){.fh = 1};
		return sizeof(struct fuse_open_out);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return 0;
	default:
		return -1;
	}
}

static void __attribute__((noreturn)) be_file_system(int fd)
{
	static _Alignas(8) char asked[70000];
	struct {
		struct fuse_out_header head;
		_Alignas(8) char rest[256];
	} said;

	while (read(fd, asked, sizeof(asked)) > 0) {
		int length;

		memset(&said, 0, sizeof(said));
		length = answer((void *)asked, said.rest);
		said.head.unique = ((struct fuse_in_header *)(void *)asked)->unique;
		said.head.error = length == -1 ? -ENOSYS : 0;
		said.head.len = (uint32_t)(sizeof(said.head) + (length > 0 ? (size_t)length : 0));
		if (length > -2 && write(fd, &said, said.head.len) < 0)
			rude_fail("write");
	}
	rude_vanish();
}

static pid_t serve_files(const char *directory)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];
	pid_t server;

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("dead", directory, "fuse", 0, options))
		rude_fail("mount");
	server = fork();
	if (!server)
		be_file_system(fd);
	close(fd);
	return server;
}

/* Whoever waits for the file system gets an error when that is gone. Ends it PATIENCE_MS after a byte has come, unless more
 * come, and says so. */
static pid_t end_later(pid_t server, int begin, int *ended)
{
	struct pollfd more = {.fd = begin, .events = POLLIN};
	int out[2];
	pid_t child;
	char byte;

	if (pipe(out))
		rude_fail("pipe");
	*ended = out[0];
	child = fork();
	if (child) {
		close(out[1]);
		return child;
	}
	if (read(begin, &byte, 1) == 1 && poll(&more, 1, PATIENCE_MS) == 0) {
		if (write(out[1], "", 1) != 1)
			rude_fail("write");
		kill(server, SIGKILL);
	}
	rude_vanish();
}

int main(int argc, char **argv)
{
	int opened[2], begin[2], ended;
	pid_t server = serve_files(argc > 4 ? argv[4] : ""), child;
	struct pollfd late;
	struct rude r;
	char path[4096], byte;

	if (pipe(opened) || pipe(begin))
		rude_fail("pipe");
	end_later(server, begin[0], &ended);
	r = rude_meet(argc, argv);
	snprintf(path, sizeof(path), "%s/file", argv[4]);
	child = fork();
	if (!child) {
		if (open(path, O_RDONLY) < 0)
			rude_fail("open");
		rude_raw(SYS_close, r.fd);
		if (write(opened[1], "", 1) != 1)
			rude_fail("write");
		pause();
	}
	if (read(opened[0], &byte, 1) != 1 || write(begin[1], "", 1) != 1)
		rude_fail("read");
	SSL_free(r.ssl);
	close(r.fd);
	late = (struct pollfd){.fd = ended, .events = POLLIN};
	printf("%s\n", poll(&late, 1, 0) > 0 && read(ended, &byte, 1) == 1 ? "hangs" : "comes back");
	kill(child, SIGKILL);
	kill(server, SIGKILL);
	rude_vanish();
}
