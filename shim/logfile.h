/* SPDX-License-Identifier: MIT
 * The log's file, by its name. Invariant: nobody but who may choose the name decides where the log is written: no link is
 * followed to the file, and it is only opened anew in the directory that was there at the start. */
#ifndef CN_LOGFILE_H
#define CN_LOGFILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* Takes CLOSENOTIFY_LOG's template from cn_config and looks where its directory is. False: it has none, or, where `*why` is set, that
 * may not be trusted. Called by the constructor. */
bool cn_logfile_start(const char **why);

/* Opens the file for appending, or makes it: the descriptor, or -1; then `*why` is NULL, or says what is wrong with what has the
 * name now. Any thread, signal handlers. */
int cn_logfile_open(const char **why);

/* The name leads to another file than `log`, or to none, and it may be opened again: false after a chroot() for one. At
 * most two system calls. Any thread, signal handlers. */
bool cn_logfile_moved(const struct stat *log);

#endif
