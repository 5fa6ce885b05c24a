/* SPDX-License-Identifier: MIT
 * Preloaded behind the library: system calls fail at random, but only those that the library makes of its own accord,
 * told by who calls, so that the program itself must not notice. What is met is counted in shared memory, where
 * tests/storm/run reads it.
 *
 *     STORM_FAULTS="SEED RATE WHAT"    one call in RATE fails (0: none); WHAT, from the moment when the library first
 *     STORM_MET=FILE                   looks at the socket's end: t a signal every 200 us, without SA_RESTART;
 *                                      d no descriptor is left; m one malloc in RATE returns NULL; else -
 *     STORM_ONLY=CALL                  no other call fails
 *     STORM_KILLS=                     a process whose descriptors the library is about to look at dies first
 *     STORM_TELLS=                     each that is met, to stderr, and where */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef SYS_close_range /* Debian 11's headers */
#define SYS_close_range 436
#endif

#define PUBLIC __attribute__((visibility("default")))

enum { LESS = -1 }; /* not an error: only a part of it is sent or written */

/* Those of a call stand together; the last three come from the end on. */
/* clang-format off */
#define FAULTS(F) \
	F(send, EINTR) F(send, EAGAIN) F(send, ENOBUFS) F(send, ENOMEM) F(send, LESS) \
	F(sendmsg, EINTR) F(sendmsg, EAGAIN) F(sendmsg, ENOBUFS) F(sendmsg, ENOMEM) F(sendmsg, ETOOMANYREFS) \
	F(recv, EINTR) F(recv, EAGAIN) F(recv, ENOMEM) \
	F(recvmsg, EINTR) F(recvmsg, EAGAIN) F(recvmsg, ENOMEM) \
	F(getsockopt, ENOBUFS) F(getsockopt, ENOMEM) F(setsockopt, ENOBUFS) F(setsockopt, ENOMEM) \
	F(getsockname, ENOBUFS) F(getpeername, ENOBUFS) F(ioctl, EINTR) F(ioctl, ENOMEM) \
	F(poll, EINTR) F(poll, ENOMEM) \
	F(socket, EMFILE) F(socket, ENFILE) F(socket, ENOBUFS) F(socket, ENOMEM) F(bind, ENOMEM) \
	F(connect, EINTR) F(connect, EAGAIN) F(epoll_create1, EMFILE) F(epoll_create1, ENOMEM) \
	F(epoll_ctl, ENOMEM) F(epoll_ctl, ENOSPC) F(epoll_wait, EINTR) F(pthread_create, EAGAIN) \
	F(mmap, ENOMEM) F(open, EMFILE) F(open, ENFILE) F(open, EINTR) F(open, ENOMEM) F(open, ENOSPC) \
	F(stat, ENOMEM) F(fstat, ENOMEM) F(readlink, ENOMEM) F(readlinkat, ENOMEM) \
	F(close_range, EMFILE) F(close_range, ENOMEM) \
	F(getrandom, EAGAIN) F(getdents64, ENOMEM) \
	F(log_write, EINTR) F(log_write, EAGAIN) F(log_write, ENOSPC) F(log_write, EIO) F(log_write, LESS) \
	F(futex, EINTR) F(malloc, ENOMEM) F(descriptor, EMFILE) F(handler, EINTR)
/* clang-format on */

#define NUMBER(call, error) call##_##error,
enum fault { FAULTS(NUMBER) COUNT };
#undef NUMBER

static const struct {
	char call[16];
	int error;
	char name[28];
} faults[] = {
#define ROW(call, error) {#call, error, #call " " #error},
	FAULTS(ROW)
#undef ROW
};

/* As tests/storm/run reads it. */
struct met {
	char name[28];
	_Atomic uint32_t count;
};

static struct met nowhere[COUNT], *met = nowhere;
static uintptr_t library, library_end;
static uint64_t seed;
static uint32_t rate;
static char what = '-';
static const char *only;
static bool kills, tells;
static _Atomic uint64_t drawn;
static _Atomic bool ending, active;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = seed + (atomic_fetch_add(&drawn, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void note(enum fault fault)
{
	void *frames[12];

	atomic_fetch_add(&met[fault].count, 1);
	if (tells) {
		dprintf(2, "closenotify: %s, in:\n", faults[fault].name);
		backtrace_symbols_fd(frames, backtrace(frames, 12), 2);
	}
}

/* Which of the faults of this call it meets now, or -1. */
static int choose(const char *call)
{
	int first = 0, after;
	uint64_t number;

	if (!rate || !atomic_load(&active) || (only && strcmp(only, call)))
		return -1;
	number = draw();
	if (number % rate)
		return -1;
	while (strcmp(faults[first].call, call))
		first++;
	for (after = first; after < COUNT && !strcmp(faults[after].call, call); after++)
		;
	return first + (int)((number >> 32) % (uint64_t)(after - first));
}

/* 0, LESS, or the error that errno is now. */
static int meets(const char *call)
{
	int fault = choose(call);

	if (fault < 0)
		return 0;
	note((enum fault)fault);
	if (faults[fault].error != LESS)
		errno = faults[fault].error;
	return faults[fault].error;
}

#define BY_LIBRARY  ((uintptr_t)__builtin_return_address(0) - library < library_end - library)
#define FAILS(call) (BY_LIBRARY && meets(call))

/* --- from the end on --- */

static void tick(int number)
{
	(void)number;
	note(handler_EINTR);
}

static void begin_end(void)
{
	struct itimerval often = {.it_interval.tv_usec = 200, .it_value.tv_usec = 200};
	struct sigaction action = {.sa_handler = tick};
	struct rlimit limit;
	int lowest;

	if (atomic_exchange(&ending, true))
		return;
	if (what == 't') {
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	if (what == 'd' && !getrlimit(RLIMIT_NOFILE, &limit) && (lowest = fcntl(2, F_DUPFD, 0)) >= 0) {
		close(lowest);
		limit.rlim_cur = (rlim_t)lowest;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void note_descriptor(long ret)
{
	if (what == 'd' && ret < 0 && errno == EMFILE)
		note(descriptor_EMFILE);
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool starves(void)
{
	if (what != 'm' || !atomic_load(&ending) || draw() % (rate ? rate : 1))
		return false;
	note(malloc_ENOMEM);
	errno = ENOMEM;
	return true;
}

PUBLIC void *malloc(size_t size)
{
	return starves() ? NULL : __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
	return starves() ? NULL : __libc_calloc(count, size);
}

PUBLIC void *realloc(void *old, size_t size)
{
	return starves() ? NULL : __libc_realloc(old, size);
}

/* --- the calls --- */

/* The next one in line, libc's. */
#define REAL(name)                                                                                           \
	(__extension__({                                                                                     \
		static union {                                                                               \
			void *_Atomic object;                                                                \
			__typeof__(&name) function;                                                          \
		} real_;                                                                                     \
		if (!real_.object)                                                                           \
			real_.object = dlsym(RTLD_NEXT, #name);                                              \
		real_.function;                                                                              \
	}))

/* What the library interposes itself looks alike, whoever calls; its own are told by their flags. */
PUBLIC ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	int error = (flags & MSG_MORE) && (flags & MSG_DONTWAIT) ? meets("send") : 0;

	if (error > 0)
		return -1;
	return REAL(send)(fd, bytes, error == LESS && length > 1 ? length / 2 : length, flags);
}

PUBLIC ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (message->msg_namelen && (flags & MSG_DONTWAIT) && meets("sendmsg"))
		return -1;
	return REAL(sendmsg)(fd, message, flags);
}

PUBLIC ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
	return FAILS("recv") ? -1 : REAL(recv)(fd, bytes, length, flags);
}

PUBLIC ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return FAILS("recvmsg") ? -1 : REAL(recvmsg)(fd, message, flags);
}

PUBLIC int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	return FAILS("getsockopt") ? -1 : REAL(getsockopt)(fd, level, name, value, length);
}

PUBLIC int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	bool ours = level == IPPROTO_TCP
			    ? name == TCP_USER_TIMEOUT
			    : name == SO_ATTACH_FILTER || name == SO_SNDBUFFORCE || name == SO_SNDBUF;

	return ours && FAILS("setsockopt") ? -1 : REAL(setsockopt)(fd, level, name, value, length);
}

PUBLIC int getsockname(int fd, __SOCKADDR_ARG address, socklen_t *length)
{
	return FAILS("getsockname") ? -1 : REAL(getsockname)(fd, address, length);
}

PUBLIC int getpeername(int fd, __SOCKADDR_ARG address, socklen_t *length)
{
	return FAILS("getpeername") ? -1 : REAL(getpeername)(fd, address, length);
}

PUBLIC int ioctl(int fd, unsigned long request, ...)
{
	bool ours = BY_LIBRARY;
	va_list args;
	void *value;

	va_start(args, request);
	value = va_arg(args, void *);
	va_end(args);
	if (ours)
		begin_end();
	return ours && meets("ioctl") ? -1 : REAL(ioctl)(fd, request, value);
}

PUBLIC int poll(struct pollfd *watch, nfds_t count, int timeout)
{
	return FAILS("poll") ? -1 : REAL(poll)(watch, count, timeout);
}

PUBLIC int socket(int domain, int type, int protocol)
{
	int ret;

	if (FAILS("socket"))
		return -1;
	ret = REAL(socket)(domain, type, protocol);
	note_descriptor(ret);
	return ret;
}

PUBLIC int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
	return FAILS("bind") ? -1 : REAL(bind)(fd, address, length);
}

PUBLIC int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
	return FAILS("connect") ? -1 : REAL(connect)(fd, address, length);
}

/* That of the background, which begins at an end. */
PUBLIC int epoll_create1(int flags)
{
	return atomic_load(&ending) && FAILS("epoll_create1") ? -1 : REAL(epoll_create1)(flags);
}

PUBLIC int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	return FAILS("epoll_ctl") ? -1 : REAL(epoll_ctl)(epoll, operation, fd, event);
}

PUBLIC int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return FAILS("epoll_wait") ? -1 : REAL(epoll_wait)(epoll, events, count, timeout);
}

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *argument)
{
	return FAILS("pthread_create") ? EAGAIN : REAL(pthread_create)(thread, attributes, run, argument);
}

PUBLIC void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return FAILS("mmap") ? MAP_FAILED : REAL(mmap)(at, length, protection, flags, fd, offset);
}

static void kill_named(const char *path)
{
	pid_t pid;
	char last;

	if (sscanf(path, "/proc/%d/f%c", &pid, &last) != 2)
		return;
	signal(SIGCHLD, SIG_IGN); /* nothing is left of a child */
	kill(pid, SIGKILL);
	while (!kill(pid, 0))
		sched_yield();
}

PUBLIC int open(const char *path, int flags, ...)
{
	bool ours = BY_LIBRARY;
	va_list args;
	unsigned int mode;
	int ret;

	va_start(args, flags);
	mode = va_arg(args, unsigned int);
	va_end(args);
	if (ours && kills)
		kill_named(path);
	if (ours && meets("open"))
		return -1;
	ret = REAL(open)(path, flags, mode);
	note_descriptor(ret);
	return ret;
}

PUBLIC int stat(const char *path, struct stat *status)
{
	return FAILS("stat") ? -1 : (int)REAL(stat)(path, status);
}

PUBLIC int fstat(int fd, struct stat *status)
{
	return FAILS("fstat") ? -1 : (int)REAL(fstat)(fd, status);
}

PUBLIC ssize_t readlink(const char *path, char *target, size_t size)
{
	return FAILS("readlink") ? -1 : REAL(readlink)(path, target, size);
}

PUBLIC ssize_t readlinkat(int directory, const char *path, char *target, size_t size)
{
	return FAILS("readlinkat") ? -1 : REAL(readlinkat)(directory, path, target, size);
}

/* Numbers that the program would not call in this way: to write a record, to look without waiting, to part with the
 * program's descriptors. */
PUBLIC long syscall(long number, ...)
{
	int error = 0;
	va_list args;
	long a, b, c, d, e, f, ret;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	d = va_arg(args, long);
	e = va_arg(args, long);
	f = va_arg(args, long);
	va_end(args);
	switch (number) {
	case SYS_recvfrom:
		error = meets("recv");
		break;
	case SYS_close_range:
		error = c ? meets("close_range") : 0;
		break;
	case SYS_getrandom:
		error = meets("getrandom");
		break;
	case SYS_getdents64:
		error = meets("getdents64");
		break;
	case SYS_write:
		error = meets("log_write");
		break;
	case SYS_futex:
		error = (b & 127) == 0 ? meets("futex") : 0; /* FUTEX_WAIT */
		break;
	default:
		break;
	}
	if (error > 0)
		return -1;
	ret = REAL(syscall)(number, a, b, error == LESS && c > 1 ? c / 2 : c, d, e, f);
	note_descriptor(ret);
	return ret;
}

/* --- the start --- */

static int find_library(struct dl_phdr_info *object, size_t size, void *unused)
{
	(void)size, (void)unused;
	if (!strstr(object->dlpi_name, "/libclosenotify.so"))
		return 0;
	library = object->dlpi_addr;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		uintptr_t end = library + object->dlpi_phdr[i].p_vaddr + object->dlpi_phdr[i].p_memsz;

		if (object->dlpi_phdr[i].p_type == PT_LOAD && end > library_end)
			library_end = end;
	}
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	const char *plan = getenv("STORM_FAULTS"), *path = getenv("STORM_MET");
	unsigned long long given;
	void *shared;
	int fd;

	if (!plan || sscanf(plan, "%llu %u %c", &given, &rate, &what) != 3)
		return;
	seed = given;
	only = getenv("STORM_ONLY");
	kills = getenv("STORM_KILLS");
	tells = getenv("STORM_TELLS");
	fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0) {
		shared = REAL(mmap)(NULL, sizeof(nowhere), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		if (shared != MAP_FAILED)
			met = shared;
	}
	for (int i = 0; i < COUNT; i++)
		memcpy(met[i].name, faults[i].name, sizeof(met[i].name));
	dl_iterate_phdr(find_library, NULL);
	atomic_store(&active, library != 0 && what != 'm');
}
