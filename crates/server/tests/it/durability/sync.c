/* Loaded before the C library: notes each fsync and fdatasync down in $SYNC_CONTROL/synced, and
 * has them fail as a broken disk does while $SYNC_CONTROL/fail exists. While $SYNC_CONTROL/disk
 * exists, it holds what a power cut would leave: of each file what it held when it was last synced,
 * of each folder the names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put(int to, const char *bytes, ssize_t length)
{
    if (write(to, bytes, length) != length)
        abort();
}

/* What is synced now, under the number of its inode, since files are renamed. */
static void keep(const char *control, const char *path)
{
    char draft[4200], target[4200], buffer[65536];
    struct stat found;
    if (stat(path, &found) != 0)
        return;
    unsigned long inode = found.st_ino;
    snprintf(target, sizeof target, "%s/disk/%lu", control, inode);
    snprintf(draft, sizeof draft, "%s/disk/.%ld-%lu", control, syscall(SYS_gettid), inode);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return;
    if (S_ISDIR(found.st_mode)) {
        DIR *folder = opendir(path);
        struct dirent *entry;
        while (folder && (entry = readdir(folder))) {
            put(to, entry->d_name, strlen(entry->d_name));
            put(to, "\n", 1);
        }
        if (folder)
            closedir(folder);
    } else {
        int from = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length;
        while (from >= 0 && (length = read(from, buffer, sizeof buffer)) > 0)
            put(to, buffer, length);
        if (from >= 0)
            close(from);
    }
    close(to);
    if (rename(draft, target) != 0)
        abort();
}

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
        path[length] = '\0';
        snprintf(file, sizeof file, "%s/disk", control);
        if (access(file, F_OK) == 0)
            keep(control, path);
        path[length++] = '\n';
        snprintf(file, sizeof file, "%s/synced", control);
        int log = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (log < 0)
            abort();
        put(log, path, length);
        close(log);
    }
    return done;
}

int fsync(int fd) { return controlled(SYS_fsync, fd); }

int fdatasync(int fd) { return controlled(SYS_fdatasync, fd); }
