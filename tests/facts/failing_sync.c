/* A disk whose syncs fail on demand: loaded into a process by LD_PRELOAD.
 *
 * While the file named by the environment variable FAIL_SYNC exists, fsync and fdatasync of a file whose name ends in "-wal" give
 * EIO, after the bytes were written: as a disk does that lost a write it had accepted. If that file is not empty it is removed by the
 * first failure.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int must_fail(int descriptor)
{
    const char *trigger = getenv("FAIL_SYNC");
    char link[64], path[4096];
    struct stat facts;
    ssize_t length;

    if (trigger == NULL || stat(trigger, &facts) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 4)
        return 0;
    path[length] = '\0';
    if (strcmp(path + length - 4, "-wal") != 0)
        return 0;
    if (facts.st_size > 0)
        unlink(trigger);
    return 1;
}

static int sync_by(const char *name, int descriptor)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if (must_fail(descriptor)) {
        errno = EIO;
        return -1;
    }
    return real(descriptor);
}

int fsync(int descriptor) { return sync_by("fsync", descriptor); }
int fdatasync(int descriptor) { return sync_by("fdatasync", descriptor); }
