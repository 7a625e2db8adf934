/* Loaded before the C library: notes each fsync and fdatasync down in $SYNC_CONTROL/synced, and
 * has them fail as a broken disk does while $SYNC_CONTROL/fail exists. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int controlled(long call, int fd)
{
    const char *control = getenv("SYNC_CONTROL");
    char name[64], path[4096], file[4096];
    snprintf(file, sizeof file, "%s/fail", control);
    if (access(file, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    int done = syscall(call, fd);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 2);
    if (length > 0) {
        path[length++] = '\n';
        snprintf(file, sizeof file, "%s/synced", control);
        int log = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (log < 0 || write(log, path, length) != length)
            abort();
        close(log);
    }
    return done;
}

int fsync(int fd) { return controlled(SYS_fsync, fd); }

int fdatasync(int fd) { return controlled(SYS_fdatasync, fd); }
