/* SPDX-License-Identifier: MIT
 * Included into every file: what newer libcs have under newer versions, or musl has not, in a way that needs neither. So the
 * library can be loaded wherever it was built: a preload must never stop a program. Invariant: refers to no symbol of glibc that
 * is younger than 2.28 (a test looks). */
#ifndef CN_OLDER_H
#define CN_OLDER_H

#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The function or variable of that name in the libc of this process; NULL where it has none. Takes some microseconds. */
void *cn_libc_symbol(const char *name);

/* False under musl: there the library does nothing. */
bool cn_libc_is_glibc(void);

/* As far as libc tells (glibc 2.32); older ones count as threaded. Costs a load. */
bool cn_single_threaded(void);

/* As those of libc; where it has none they do nothing, or fail with ENOSYS. */
int cn_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		      void *argument);
int cn_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);
int cn_pthread_key_create(pthread_key_t *key, void (*end)(void *value));
int cn_pthread_setspecific(pthread_key_t key, const void *value);
int cn_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void));
int cn_at_quick_exit(void (*run)(void));
int cn_on_exit(void (*run)(int status, void *argument), void *argument);
int cn_backtrace(void **frames, int most);
const char *cn_error_name(int error); /* strerrorname_np; NULL: not known */

#define pthread_create            cn_pthread_create
#define pthread_attr_setstacksize cn_pthread_attr_setstacksize
#define pthread_key_create        cn_pthread_key_create
#define pthread_setspecific       cn_pthread_setspecific
#define pthread_atfork            cn_pthread_atfork
#define pthread_sigmask           sigprocmask /* the same on Linux */
#define at_quick_exit             cn_at_quick_exit
#define on_exit                   cn_on_exit
#define backtrace                 cn_backtrace
#define gettid()                  ((pid_t)syscall(SYS_gettid))

/* libc's structures are the kernel's. */
#ifdef __LP64__
#define fstat(fd, status)                ((int)syscall(SYS_fstat, fd, status))
#define fstatat(at, path, status, flags) ((int)syscall(SYS_newfstatat, at, path, status, flags))
#define stat(path, status)               fstatat(AT_FDCWD, path, status, 0)
#define lstat(path, status)              fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW)
#else /* the structure with 64-bit inodes and sizes; names in front of a parenthesis are calls */
#define stat                             stat64
#define stat64(path, status)             fstatat(AT_FDCWD, path, status, 0)
#define lstat(path, status)              fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW)
#define fstat(fd, status)                ((int)syscall(SYS_fstat64, fd, status))
#define fstatat(at, path, status, flags) ((int)syscall(SYS_fstatat64, at, path, status, flags))
#define open                             open64
#define openat                           openat64
#endif

#endif
