/* Counts the system calls that change files below one folder (and, if asked, those that open or read them). At the
   chosen one the process is killed, or the call fails with an errno, or the clock is set. Loaded by LD_PRELOAD; driven
   by syscall_faults.py through a file that both map. Children inherit both, so that calls of all processes of a command
   are counted. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CHANGE = 1, MAKE = 2, MOVE = 4, REMOVE = 8, SYNC = 16, MODE = 32, LOOK = 64, READ = 128 };

struct state {
  int64_t is_on, kinds, first, last, error, pid, count, hits, jump, is_late;
  char folder[1024], log[1024];
};
static struct state *state;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("THYROSIGHT_SYSCALL_STATE");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *found = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (found != MAP_FAILED) state = found;
}

static void full_path(int dirfd, const char *path, char *full) {
  char base[PATH_MAX] = "";
  if (path && path[0] == '/') {
    snprintf(full, PATH_MAX, "%s", path);
    return;
  }
  if (dirfd == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) base[0] = 0;
  } else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t length = readlink(link, base, sizeof base - 1);
    base[length < 0 ? 0 : length] = 0;
  }
  int length = snprintf(full, PATH_MAX, "%s", base);
  if (path && length < PATH_MAX - 2) {
    full[length] = '/';
    snprintf(full + length + 1, PATH_MAX - length - 1, "%s", path);
  }
}

/* -> 0: go on; else errno. */
static int at_call(int kind, const char *name, int dirfd, const char *path) {
  if (!state || !state->is_on || !(state->kinds & kind)) return 0;
  int before = errno;
  char full[PATH_MAX];
  full_path(dirfd, path, full);
  errno = before;
  if (strncmp(full, state->folder, strlen(state->folder))) return 0;
  int64_t now = __atomic_add_fetch(&state->count, 1, __ATOMIC_SEQ_CST);
  if (state->log[0]) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", (long)now, name, full);
    int fd = syscall(SYS_openat, AT_FDCWD, state->log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd >= 0) {
      syscall(SYS_write, fd, line, length);
      syscall(SYS_close, fd);
    }
  }
  errno = before;
  if (!state->first || now < state->first || now > state->last) return 0;
  __atomic_add_fetch(&state->hits, 1, __ATOMIC_SEQ_CST);
  if (state->jump) {
    state->is_late = 1;
    return 0;
  }
  if (state->error) return (int)state->error;
  kill((pid_t)state->pid, SIGKILL);
  for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAULT(kind, name, dirfd, path, failed)              \
  do {                                                      \
    int code = at_call(kind, name, dirfd, path);            \
    if (code) {                                             \
      errno = code;                                         \
      return failed;                                        \
    }                                                       \
  } while (0)
#define IS_WRITING(flags) ((flags) & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC))
#define OPENER(name)                                                                             \
  int name(const char *path, int flags, ...) {                                                   \
    va_list more;                                                                                \
    va_start(more, flags);                                                                       \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                      \
    va_end(more);                                                                                \
    FAULT(IS_WRITING(flags) ? MAKE : LOOK, IS_WRITING(flags) ? "open to write" : "open", AT_FDCWD, path, -1); \
    return REAL(name)(path, flags, mode);                                                        \
  }
#define OPENER_AT(name)                                                                          \
  int name(int dirfd, const char *path, int flags, ...) {                                        \
    va_list more;                                                                                \
    va_start(more, flags);                                                                       \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                      \
    va_end(more);                                                                                \
    FAULT(IS_WRITING(flags) ? MAKE : LOOK, IS_WRITING(flags) ? "open to write" : "open", dirfd, path, -1); \
    return REAL(name)(dirfd, path, flags, mode);                                                 \
  }
OPENER(open)
OPENER(open64)
OPENER_AT(openat)
OPENER_AT(openat64)

#define STREAM(name)                                                                    \
  FILE *name(const char *path, const char *how) {                                       \
    int writes = strpbrk(how, "wa+") != NULL;                                           \
    FAULT(writes ? MAKE : LOOK, writes ? "fopen to write" : "fopen", AT_FDCWD, path, NULL); \
    return REAL(name)(path, how);                                                       \
  }
STREAM(fopen)
STREAM(fopen64)
DIR *opendir(const char *path) {
  FAULT(LOOK, "opendir", AT_FDCWD, path, NULL);
  return REAL(opendir)(path);
}

ssize_t read(int fd, void *data, size_t length) {
  FAULT(READ, "read", fd, NULL, -1);
  return REAL(read)(fd, data, length);
}
ssize_t pread(int fd, void *data, size_t length, off_t at) {
  FAULT(READ, "pread", fd, NULL, -1);
  return REAL(pread)(fd, data, length, at);
}
ssize_t pread64(int fd, void *data, size_t length, off64_t at) {
  FAULT(READ, "pread", fd, NULL, -1);
  return REAL(pread64)(fd, data, length, at);
}

ssize_t write(int fd, const void *data, size_t length) {
  FAULT(CHANGE, "write", fd, NULL, -1);
  return REAL(write)(fd, data, length);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
  FAULT(CHANGE, "writev", fd, NULL, -1);
  return REAL(writev)(fd, parts, number);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  FAULT(CHANGE, "pwrite", fd, NULL, -1);
  return REAL(pwrite)(fd, data, length, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
  FAULT(CHANGE, "pwrite", fd, NULL, -1);
  return REAL(pwrite64)(fd, data, length, at);
}
ssize_t sendfile(int out, int in, off_t *at, size_t length) {
  FAULT(CHANGE, "sendfile", out, NULL, -1);
  return ((ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile"))(out, in, at, length);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t length) {
  FAULT(CHANGE, "sendfile", out, NULL, -1);
  return ((ssize_t(*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64"))(out, in, at, length);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
  FAULT(CHANGE, "copy_file_range", out, NULL, -1);
  return REAL(copy_file_range)(in, from, out, to, length, flags);
}
int ftruncate(int fd, off_t length) {
  FAULT(CHANGE, "ftruncate", fd, NULL, -1);
  return REAL(ftruncate)(fd, length);
}
int ftruncate64(int fd, off64_t length) {
  FAULT(CHANGE, "ftruncate", fd, NULL, -1);
  return REAL(ftruncate64)(fd, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
  int code = at_call(CHANGE, "fallocate", fd, NULL);
  return code ? code : REAL(posix_fallocate)(fd, at, length);
}
int mkdir(const char *path, mode_t mode) {
  FAULT(MAKE, "mkdir", AT_FDCWD, path, -1);
  return REAL(mkdir)(path, mode);
}
int mkdirat(int dirfd, const char *path, mode_t mode) {
  FAULT(MAKE, "mkdir", dirfd, path, -1);
  return REAL(mkdirat)(dirfd, path, mode);
}
int symlink(const char *target, const char *path) {
  FAULT(MAKE, "symlink", AT_FDCWD, path, -1);
  return REAL(symlink)(target, path);
}
int link(const char *from, const char *to) {
  FAULT(MAKE, "link", AT_FDCWD, to, -1);
  return REAL(link)(from, to);
}
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
  FAULT(MAKE, "link", to_fd, to, -1);
  return REAL(linkat)(from_fd, from, to_fd, to, flags);
}
int rename(const char *from, const char *to) {
  FAULT(MOVE, "rename", AT_FDCWD, to, -1);
  return REAL(rename)(from, to);
}
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
  FAULT(MOVE, "rename", to_fd, to, -1);
  return REAL(renameat)(from_fd, from, to_fd, to);
}
int unlink(const char *path) {
  FAULT(REMOVE, "unlink", AT_FDCWD, path, -1);
  return REAL(unlink)(path);
}
int unlinkat(int dirfd, const char *path, int flags) {
  FAULT(REMOVE, "unlink", dirfd, path, -1);
  return REAL(unlinkat)(dirfd, path, flags);
}
int rmdir(const char *path) {
  FAULT(REMOVE, "rmdir", AT_FDCWD, path, -1);
  return REAL(rmdir)(path);
}
/* The clock of the wall, set back or forward by `jump` seconds from the chosen call on. */
static int64_t wrong_by(void) { return state && state->is_on && state->is_late ? state->jump : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
  int code = (int)syscall(SYS_clock_gettime, clock, now);
  if (!code && clock == CLOCK_REALTIME) now->tv_sec += wrong_by();
  return code;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int code = (int)syscall(SYS_gettimeofday, now, zone);
  if (!code) now->tv_sec += wrong_by();
  return code;
}
time_t time(time_t *place) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (place) *place = now.tv_sec;
  return now.tv_sec;
}
int fsync(int fd) {
  FAULT(SYNC, "fsync", fd, NULL, -1);
  return REAL(fsync)(fd);
}
int fdatasync(int fd) {
  FAULT(SYNC, "fdatasync", fd, NULL, -1);
  return REAL(fdatasync)(fd);
}
int chmod(const char *path, mode_t mode) {
  FAULT(MODE, "chmod", AT_FDCWD, path, -1);
  return REAL(chmod)(path, mode);
}
int fchmod(int fd, mode_t mode) {
  FAULT(MODE, "chmod", fd, NULL, -1);
  return REAL(fchmod)(fd, mode);
}
