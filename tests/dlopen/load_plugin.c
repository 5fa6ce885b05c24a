/* SPDX-License-Identifier: MIT
 * Loads the plugin that stands beside it, and with it libssl, which the program itself does not have.
 *
 *     load_plugin PORT TLS N HOW      HOW: local, deepbind, namespace (dlmopen), twice (unloaded in between) */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv, const char *path)
{
	const char *how = argv[4];
	void *library = !strcmp(how, "namespace")
				? dlmopen(LM_ID_NEWLM, path, RTLD_NOW)
				: dlopen(path, RTLD_NOW | (!strcmp(how, "deepbind") ? RTLD_DEEPBIND : 0));
	int (*plugin)(int, char **);
	int status;

	if (!library || !(*(void **)(&plugin) = dlsym(library, "plugin"))) {
		fprintf(stderr, "%s\n", dlerror());
		return 99;
	}
	status = plugin(argc, argv);
	dlclose(library);
	return status;
}

int main(int argc, char **argv)
{
	char path[4096];
	int status;

	if (argc < 5)
		return 99;
	snprintf(path, sizeof(path), "%s.plugin", argv[0]);
	status = run(argc, argv, path);
	return status || strcmp(argv[4], "twice") ? status : run(argc, argv, path);
}
