/* SPDX-License-Identifier: MIT
 * The flags of the environment and of the configuration file, read once. Invariant: after cn_config_read() nothing here changes any more. */
#ifndef CN_CONFIG_H
#define CN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum cn_mode { CN_MODE_FIX, CN_MODE_OBSERVE, CN_MODE_OFF };
enum cn_log { CN_LOG_NONE, CN_LOG_TEXT, CN_LOG_JSON };
enum cn_log_to { CN_TO_STDERR, CN_TO_FILE, CN_TO_DESCRIPTOR, CN_TO_SYSLOG, CN_TO_JOURNAL };
enum cn_level { CN_LEVEL_ENDS, CN_LEVEL_CALLS };

struct cn_config {
	enum cn_mode mode;
	enum cn_log log;
	enum cn_log_to log_to;
	const char *
		log_file; /* what CLOSENOTIFY_LOG names: for a file a template with %p and %n; NULL: stderr */
	int log_fd;       /* CN_TO_DESCRIPTOR */
	enum cn_level level;    /* CLOSENOTIFY_LEVEL */
	bool backtrace;         /* CLOSENOTIFY_BACKTRACE=on */
	bool summary;           /* CLOSENOTIFY_SUMMARY: at exit */
	unsigned int summary_s; /* and, with the next end, after so many seconds; 0: only at exit */
	unsigned int
		wait_ms; /* CLOSENOTIFY_WAIT_MS: the program's own goodbye may wait this long for the peer */
	unsigned int linger_ms;  /* CLOSENOTIFY_LINGER_MS: idle bound of a socket in the background */
	unsigned int timeout_ms; /* CLOSENOTIFY_TIMEOUT_MS: total bound */
	bool timeout_set;        /* the user has set it: it holds for what the kernel delivers as well */
	bool quiet_override;     /* CLOSENOTIFY_QUIET=override */
	bool exit_always;        /* CLOSENOTIFY_EXIT=always */
	char program[256];       /* base name of the program, for CLOSENOTIFY_ONLY and the log */
	bool wine;               /* a Windows program under Wine */
	char host[65];           /* node name of the machine, for the log */
};

extern struct cn_config cn_config;

/* Reads the environment, /etc/closenotify.conf or the file that CLOSENOTIFY_CONF names, and the program's name. Called by the constructor, once, before any other thread
 * exists. `argv`: of main, or NULL. Under secure execution (AT_SECURE) it reads nothing and leaves mode off. A bad value costs one line
 * on stderr and leaves the default; so does the file, whatever is wrong with it. */
void cn_config_read(char **argv);

#endif
