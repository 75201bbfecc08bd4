/*
 * Records what a program does to the files below one directory: a library for LD_PRELOAD, Linux with glibc or musl, 64 bit.
 *
 * Every call that changes a file or a name, and every sync, becomes one record in a log that all processes of the program share:
 * a file mapped into memory, so that it needs no descriptor (a program may close all of its own) and survives kill -9. One lock, shared and
 * robust, is held over a call and its record, so that the log's order is the order of the events; only a sync is recorded at its begin
 * and at its end, with the lock free between, since the order of what happens meanwhile does not matter to it.
 *
 * What is not seen: writes through a shared mapping (SQLite's -shm file, which needs no durability), io_uring, and what the C library does
 * on its own behalf (stdio). `Recording.verify` finds out when something was missed.
 *
 * The layout of the log is read by recording.py; keep the two together.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "the recorder passes 64-bit offsets as single arguments of syscall(2)");

#define EXPORT __attribute__((visibility("default")))

#define MAGIC UINT64_C(0x3130434552534b5a)
#define LOG_START 4096

struct control {
    uint64_t magic;
    uint64_t size;   /* of the whole file */
    uint64_t used;   /* bytes of records after LOG_START */
    uint64_t tokens; /* of syncs */
    pthread_mutex_t lock;
};

enum kind {
    CREATE = 1,   /* inode, path */
    WRITE,        /* inode, a: offset, data */
    TRUNCATE,     /* inode, a: size */
    SYNC_BEGIN,   /* inode (0: everything), a: token */
    SYNC_END,     /* inode, a: token, b: errno or 0 */
    MKDIR,        /* inode, path */
    UNLINK,       /* path */
    RMDIR,        /* path */
    RENAME,       /* path, data: new path */
    LINK,         /* path, data: new path */
    EXTEND,       /* inode, a: the size is at least this */
    ZERO,         /* inode, a: offset, b: length */
    MARK,         /* data */
};

struct record {
    uint64_t total; /* bytes with path and data, a multiple of 8 */
    uint32_t kind;
    uint32_t pid;
    uint64_t inode;
    int64_t a;
    int64_t b;
    uint64_t path_length;
    uint64_t data_length;
};

static struct control *control;
static char prefix[PATH_MAX];
static size_t prefix_length;

static void die(const char *why) {
    dprintf(2, "system call recorder: %s\n", why);
    abort();
}

/* ------------------------------------------------------------------------------------------------------------- the log */

static void lock(void) {
    if (pthread_mutex_lock(&control->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&control->lock); /* its process was killed; the log is whole, `used` moves last */
}

static void unlock(void) {
    pthread_mutex_unlock(&control->lock);
}

static void append(enum kind kind, uint64_t inode, int64_t a, int64_t b, const char *path, const struct iovec *data, int count,
                   size_t data_length) {
    size_t path_length = path ? strlen(path) : 0;
    uint64_t total = (sizeof(struct record) + path_length + data_length + 7) & ~UINT64_C(7);
    if (LOG_START + control->used + total > control->size)
        die("the log is full");
    char *place = (char *)control + LOG_START + control->used;
    struct record record = {total, kind, (uint32_t)getpid(), inode, a, b, path_length, data_length};
    memcpy(place, &record, sizeof record);
    place += sizeof record;
    if (path_length)
        memcpy(place, path, path_length);
    place += path_length;
    for (int i = 0; i < count && data_length; i++) {
        size_t part = data[i].iov_len < data_length ? data[i].iov_len : data_length;
        memcpy(place, data[i].iov_base, part);
        place += part;
        data_length -= part;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    control->used += total;
}

static void note(enum kind kind, uint64_t inode, int64_t a, int64_t b, const char *path) {
    append(kind, inode, a, b, path, NULL, 0, 0);
}

static void note_two_paths(enum kind kind, const char *from, const char *to) {
    struct iovec data = {(void *)to, strlen(to)};
    append(kind, 0, 0, 0, from, &data, 1, data.iov_len);
}

/* ------------------------------------------------------------------------------------- attaching, for program and driver */

EXPORT int recorder_attach(const char *path) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    struct stat found;
    if (fd < 0 || fstat(fd, &found) < 0)
        return errno;
    void *place = mmap(NULL, (size_t)found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int code = errno;
    syscall(SYS_close, fd);
    if (place == MAP_FAILED)
        return code;
    control = place;
    return 0;
}

EXPORT int recorder_make(const char *path, uint64_t size) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int failed = syscall(SYS_ftruncate, fd, (long)size) != 0;
    int code = errno;
    syscall(SYS_close, fd);
    if (failed)
        return code;
    code = recorder_attach(path);
    if (code)
        return code;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&control->lock, &kind);
    control->size = size;
    control->magic = MAGIC;
    return 0;
}

EXPORT void recorder_mark(const char *text, uint64_t length) {
    struct iovec data = {(void *)text, length};
    lock();
    append(MARK, 0, 0, 0, NULL, &data, 1, length);
    unlock();
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("SYSCALL_RECORDER_LOG"), *directory = getenv("SYSCALL_RECORDER_DIRECTORY");
    if (!log || !directory)
        return; /* loaded by the driver */
    if (strlen(directory) >= sizeof prefix)
        die("the directory's name is too long");
    strcpy(prefix, directory);
    if (recorder_attach(log) || control->magic != MAGIC)
        die("no log to write to");
    prefix_length = strlen(prefix); /* last: from here on calls are recorded */
}

/* --------------------------------------------------------------------------------------------------------- what is ours */

static int is_below(const char *path) {
    return prefix_length && strncmp(path, prefix, prefix_length) == 0 && (path[prefix_length] == '/' || path[prefix_length] == 0);
}

static int link_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

/* The path made absolute, without "." and ".." and doubled slashes; 0 if it is not below the directory. */
static int resolve(int dirfd, const char *path, char *out) {
    char joined[2 * PATH_MAX];
    if (!prefix_length || !path || strlen(path) >= PATH_MAX)
        return 0;
    if (path[0] == '/') {
        strcpy(joined, path);
    } else {
        char above[PATH_MAX];
        if (dirfd == AT_FDCWD ? syscall(SYS_getcwd, above, sizeof above) < 0 : !link_of(dirfd, above))
            return 0;
        snprintf(joined, sizeof joined, "%s/%s", above, path);
    }
    size_t end = 0;
    for (char *rest = joined, *part; (part = strtok_r(rest, "/", &rest));) {
        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0) {
            while (end && out[--end] != '/')
                ;
            continue;
        }
        size_t length = strlen(part);
        if (end + length + 2 > PATH_MAX)
            return 0;
        out[end++] = '/';
        memcpy(out + end, part, length);
        end += length;
    }
    out[end] = 0;
    return is_below(out);
}

/* Whether the descriptor is a file or a directory below ours. */
static int is_ours(int fd, struct stat *found) {
    char path[PATH_MAX];
    int code = errno;
    int ours = prefix_length && fstat(fd, found) == 0 && (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode)) && link_of(fd, path) &&
               is_below(path);
    errno = code;
    return ours;
}

static void unlock_keeping(int code) {
    unlock();
    errno = code;
}

/* --------------------------------------------------------------------------------------------------------------- opening */

static int open_here(int dirfd, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !resolve(dirfd, path, full))
        return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    struct stat before, after;
    lock();
    int existed = fstatat(dirfd, path, &before, 0) == 0;
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    int code = errno;
    if (fd >= 0 && fstat(fd, &after) == 0) {
        if (!existed)
            note(CREATE, after.st_ino, 0, 0, full);
        else if ((flags & O_TRUNC) && before.st_size)
            note(TRUNCATE, after.st_ino, 0, 0, NULL);
    }
    unlock_keeping(code);
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN_LIKE(name)                                                                                                               \
    EXPORT int name(const char *path, int flags, ...) {                                                                               \
        va_list rest;                                                                                                                 \
        va_start(rest, flags);                                                                                                        \
        mode_t mode = mode_of(flags, rest);                                                                                           \
        va_end(rest);                                                                                                                 \
        return open_here(AT_FDCWD, path, flags, mode);                                                                                \
    }
#define OPENAT_LIKE(name)                                                                                                             \
    EXPORT int name(int dirfd, const char *path, int flags, ...) {                                                                    \
        va_list rest;                                                                                                                 \
        va_start(rest, flags);                                                                                                        \
        mode_t mode = mode_of(flags, rest);                                                                                           \
        va_end(rest);                                                                                                                 \
        return open_here(dirfd, path, flags, mode);                                                                                   \
    }
OPEN_LIKE(open)
OPENAT_LIKE(openat)
EXPORT int creat(const char *path, mode_t mode) {
    return open_here(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
#ifdef __GLIBC__
OPEN_LIKE(open64)
OPENAT_LIKE(openat64)
EXPORT int creat64(const char *path, mode_t mode) {
    return open_here(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
EXPORT int __open_2(const char *path, int flags) {
    return open_here(AT_FDCWD, path, flags, 0);
}
EXPORT int __open64_2(const char *path, int flags) {
    return open_here(AT_FDCWD, path, flags, 0);
}
EXPORT int __openat_2(int dirfd, const char *path, int flags) {
    return open_here(dirfd, path, flags, 0);
}
EXPORT int __openat64_2(int dirfd, const char *path, int flags) {
    return open_here(dirfd, path, flags, 0);
}
#endif

/* --------------------------------------------------------------------------------------------------------------- writing */

/* At an offset, or (-1) at the descriptor's own position. */
static ssize_t write_here(int fd, const struct iovec *data, int count, off_t offset, int flags) {
    struct stat found;
    int ours = is_ours(fd, &found);
    if (ours)
        lock();
    ssize_t done = offset < 0 ? syscall(SYS_writev, fd, data, count)
                              : syscall(SYS_pwritev2, fd, data, count, (long)offset, 0L, flags);
    if (!ours)
        return done;
    int code = errno;
    if (done > 0) {
        if (offset < 0)
            offset = syscall(SYS_lseek, fd, 0L, SEEK_CUR) - done;
        append(WRITE, found.st_ino, offset, 0, NULL, data, count, (size_t)done);
    }
    unlock_keeping(code);
    return done;
}

EXPORT ssize_t write(int fd, const void *data, size_t length) {
    struct stat found;
    if (!is_ours(fd, &found))
        return syscall(SYS_write, fd, data, length); /* other kinds of file may tell write(2) from writev(2) */
    struct iovec one = {(void *)data, length};
    return write_here(fd, &one, 1, -1, 0);
}

EXPORT ssize_t writev(int fd, const struct iovec *data, int count) {
    return write_here(fd, data, count, -1, 0);
}

#define PWRITE_LIKE(name)                                                                                                             \
    EXPORT ssize_t name(int fd, const void *data, size_t length, off_t offset) {                                                      \
        struct iovec one = {(void *)data, length};                                                                                    \
        if (offset < 0) {                                                                                                             \
            errno = EINVAL;                                                                                                           \
            return -1;                                                                                                                \
        }                                                                                                                             \
        return write_here(fd, &one, 1, offset, 0);                                                                                    \
    }
#define PWRITEV_LIKE(name)                                                                                                            \
    EXPORT ssize_t name(int fd, const struct iovec *data, int count, off_t offset) {                                                  \
        if (offset < 0) {                                                                                                             \
            errno = EINVAL;                                                                                                           \
            return -1;                                                                                                                \
        }                                                                                                                             \
        return write_here(fd, data, count, offset, 0);                                                                                \
    }
#define PWRITEV2_LIKE(name)                                                                                                           \
    EXPORT ssize_t name(int fd, const struct iovec *data, int count, off_t offset, int flags) {                                       \
        return write_here(fd, data, count, offset, flags);                                                                            \
    }
PWRITE_LIKE(pwrite)
PWRITEV_LIKE(pwritev)
PWRITEV2_LIKE(pwritev2)
#ifdef __GLIBC__
PWRITE_LIKE(pwrite64)
PWRITEV_LIKE(pwritev64)
PWRITEV2_LIKE(pwritev64v2)
#endif

/* After the kernel has copied bytes into a file by itself: reads them back. Called with the lock held. */
static void note_copied(int fd, const struct stat *found, off_t offset, size_t length) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int reading = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    char *buffer = malloc(length);
    if (reading < 0 || !buffer || syscall(SYS_pread64, reading, buffer, length, (long)offset) != (long)length)
        die("cannot read back what was copied");
    struct iovec data = {buffer, length};
    append(WRITE, found->st_ino, offset, 0, NULL, &data, 1, length);
    free(buffer);
    syscall(SYS_close, reading);
}

EXPORT ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length, unsigned flags) {
    struct stat found;
    if (!is_ours(to, &found))
        return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
    lock();
    ssize_t done = syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
    int code = errno;
    if (done > 0)
        note_copied(to, &found, (to_offset ? *to_offset : syscall(SYS_lseek, to, 0L, SEEK_CUR)) - done, (size_t)done);
    unlock_keeping(code);
    return done;
}

static ssize_t sendfile_here(int to, int from, off_t *offset, size_t length) {
    struct stat found;
    if (!is_ours(to, &found))
        return syscall(SYS_sendfile, to, from, offset, length);
    lock();
    ssize_t done = syscall(SYS_sendfile, to, from, offset, length);
    int code = errno;
    if (done > 0)
        note_copied(to, &found, syscall(SYS_lseek, to, 0L, SEEK_CUR) - done, (size_t)done);
    unlock_keeping(code);
    return done;
}

EXPORT ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    return sendfile_here(to, from, offset, length);
}
#ifdef __GLIBC__
EXPORT ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
    return sendfile_here(to, from, offset, length);
}
#endif

/* ----------------------------------------------------------------------------------------------------------------- sizes */

static int truncate_here(int fd, off_t size) {
    struct stat found;
    if (!is_ours(fd, &found))
        return (int)syscall(SYS_ftruncate, fd, (long)size);
    lock();
    int result = (int)syscall(SYS_ftruncate, fd, (long)size);
    int code = errno;
    if (result == 0)
        note(TRUNCATE, found.st_ino, size, 0, NULL);
    unlock_keeping(code);
    return result;
}

static int truncate_path_here(const char *path, off_t size) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = truncate_here(fd, size);
    int code = errno;
    syscall(SYS_close, fd);
    errno = code;
    return result;
}

static int fallocate_here(int fd, int mode, off_t offset, off_t length) {
    struct stat found;
    if (!is_ours(fd, &found))
        return (int)syscall(SYS_fallocate, fd, mode, (long)offset, (long)length);
    lock();
    int result = (int)syscall(SYS_fallocate, fd, mode, (long)offset, (long)length);
    int code = errno;
    if (result == 0) {
        if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
            die("a mode of fallocate that is not recorded");
        if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
            note(ZERO, found.st_ino, offset, length, NULL);
        if (!(mode & FALLOC_FL_KEEP_SIZE))
            note(EXTEND, found.st_ino, offset + length, 0, NULL);
    }
    unlock_keeping(code);
    return result;
}

static int posix_fallocate_here(int fd, off_t offset, off_t length) {
    int kept = errno;
    int result = fallocate_here(fd, 0, offset, length) ? errno : 0;
    errno = kept;
    return result;
}

EXPORT int ftruncate(int fd, off_t size) {
    return truncate_here(fd, size);
}
EXPORT int truncate(const char *path, off_t size) {
    return truncate_path_here(path, size);
}
EXPORT int fallocate(int fd, int mode, off_t offset, off_t length) {
    return fallocate_here(fd, mode, offset, length);
}
EXPORT int posix_fallocate(int fd, off_t offset, off_t length) {
    return posix_fallocate_here(fd, offset, length);
}
#ifdef __GLIBC__
EXPORT int ftruncate64(int fd, off64_t size) {
    return truncate_here(fd, size);
}
EXPORT int truncate64(const char *path, off64_t size) {
    return truncate_path_here(path, size);
}
EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate_here(fd, mode, offset, length);
}
EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    return posix_fallocate_here(fd, offset, length);
}
#endif

/* --------------------------------------------------------------------------------------------------------------- syncing */

static int64_t sync_begins(uint64_t inode) {
    lock();
    int64_t token = (int64_t)++control->tokens;
    note(SYNC_BEGIN, inode, token, 0, NULL);
    unlock();
    return token;
}

static void sync_ends(uint64_t inode, int64_t token, int result) {
    int code = errno;
    lock();
    note(SYNC_END, inode, token, result ? code : 0, NULL);
    unlock_keeping(code);
}

static int sync_here(long call, int fd) {
    struct stat found;
    if (!is_ours(fd, &found))
        return (int)syscall(call, fd);
    uint64_t inode = call == SYS_syncfs ? 0 : found.st_ino;
    int64_t token = sync_begins(inode);
    int result = (int)syscall(call, fd);
    sync_ends(inode, token, result);
    return result;
}

EXPORT int fsync(int fd) {
    return sync_here(SYS_fsync, fd);
}
EXPORT int fdatasync(int fd) {
    return sync_here(SYS_fdatasync, fd);
}
EXPORT int syncfs(int fd) {
    return sync_here(SYS_syncfs, fd);
}
EXPORT void sync(void) {
    if (!prefix_length) {
        syscall(SYS_sync);
        return;
    }
    int64_t token = sync_begins(0);
    syscall(SYS_sync);
    sync_ends(0, token, 0);
}

/* ----------------------------------------------------------------------------------------------------------------- names */

static int unlink_here(int dirfd, const char *path, int flags) {
    char full[PATH_MAX];
    if (!resolve(dirfd, path, full))
        return (int)syscall(SYS_unlinkat, dirfd, path, flags);
    lock();
    int result = (int)syscall(SYS_unlinkat, dirfd, path, flags);
    int code = errno;
    if (result == 0)
        note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, 0, full);
    unlock_keeping(code);
    return result;
}

static int mkdir_here(int dirfd, const char *path, mode_t mode) {
    char full[PATH_MAX];
    if (!resolve(dirfd, path, full))
        return (int)syscall(SYS_mkdirat, dirfd, path, mode);
    struct stat found;
    lock();
    int result = (int)syscall(SYS_mkdirat, dirfd, path, mode);
    int code = errno;
    if (result == 0 && fstatat(dirfd, path, &found, 0) == 0)
        note(MKDIR, found.st_ino, 0, 0, full);
    unlock_keeping(code);
    return result;
}

static int rename_here(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags) {
    char full_from[PATH_MAX], full_to[PATH_MAX];
    int from_ours = resolve(from_dirfd, from, full_from), to_ours = resolve(to_dirfd, to, full_to);
    if (!from_ours && !to_ours)
        return (int)syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, flags);
    lock();
    int result = (int)syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, flags);
    int code = errno;
    if (result == 0) {
        if (from_ours != to_ours || (flags & ~RENAME_NOREPLACE))
            die("a rename in or out of the directory, or an exchange, is not recorded");
        note_two_paths(RENAME, full_from, full_to);
    }
    unlock_keeping(code);
    return result;
}

static int link_here(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags) {
    char full_from[PATH_MAX], full_to[PATH_MAX];
    int from_ours = resolve(from_dirfd, from, full_from), to_ours = resolve(to_dirfd, to, full_to);
    if (!to_ours)
        return (int)syscall(SYS_linkat, from_dirfd, from, to_dirfd, to, flags);
    lock();
    int result = (int)syscall(SYS_linkat, from_dirfd, from, to_dirfd, to, flags);
    int code = errno;
    if (result == 0) {
        if (!from_ours)
            die("a link into the directory is not recorded");
        note_two_paths(LINK, full_from, full_to);
    }
    unlock_keeping(code);
    return result;
}

EXPORT int unlink(const char *path) {
    return unlink_here(AT_FDCWD, path, 0);
}
EXPORT int unlinkat(int dirfd, const char *path, int flags) {
    return unlink_here(dirfd, path, flags);
}
EXPORT int rmdir(const char *path) {
    return unlink_here(AT_FDCWD, path, AT_REMOVEDIR);
}
EXPORT int remove(const char *path) {
    int result = unlink_here(AT_FDCWD, path, 0);
    return result && errno == EISDIR ? unlink_here(AT_FDCWD, path, AT_REMOVEDIR) : result;
}
EXPORT int mkdir(const char *path, mode_t mode) {
    return mkdir_here(AT_FDCWD, path, mode);
}
EXPORT int mkdirat(int dirfd, const char *path, mode_t mode) {
    return mkdir_here(dirfd, path, mode);
}
EXPORT int rename(const char *from, const char *to) {
    return rename_here(AT_FDCWD, from, AT_FDCWD, to, 0);
}
EXPORT int renameat(int from_dirfd, const char *from, int to_dirfd, const char *to) {
    return rename_here(from_dirfd, from, to_dirfd, to, 0);
}
EXPORT int renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags) {
    return rename_here(from_dirfd, from, to_dirfd, to, flags);
}
EXPORT int link(const char *from, const char *to) {
    return link_here(AT_FDCWD, from, AT_FDCWD, to, 0);
}
EXPORT int linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags) {
    return link_here(from_dirfd, from, to_dirfd, to, flags);
}
