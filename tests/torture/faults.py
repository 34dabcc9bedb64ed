"""Which errors each system call may legally return, by its manual page, as Linux has them.

Only what the kernel can return for the call as the agent makes it: no EFAULT, and no EINVAL for
arguments that are right. `AGAIN` marks what passes by itself, which no call may return for ever.
"""

from __future__ import annotations

from typing import Dict, Tuple

AGAIN = ("EINTR", "EAGAIN")

ERRORS: Dict[str, Tuple[str, ...]] = {
    "poll": ("EINTR", "ENOMEM"),
    "prlimit64": ("EPERM",),
    "prctl": ("EPERM",),
    "mlock2": ("ENOMEM", "EPERM", "EAGAIN", "ENOSYS"),
    "getrandom": ("EINTR", "ENOSYS"),
    "epoll_create1": ("EMFILE", "ENFILE", "ENOMEM"),
    "timerfd_create": ("EMFILE", "ENFILE", "ENODEV", "ENOMEM"),
    "signalfd4": ("EMFILE", "ENFILE", "ENODEV", "ENOMEM"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_pwait": ("EINTR",),
    "openat": ("EACCES", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "ENOSPC", "EROFS",
               "EDQUOT", "ELOOP", "EPERM", "ETXTBSY", "EEXIST"),
    "fstat": ("EIO", "ENOMEM", "EOVERFLOW"),
    "fstatfs": ("EINTR", "EIO", "ENOMEM", "ENOSYS"),
    "getdents64": ("EIO", "ENOENT", "EINTR"),
    "close": ("EIO", "EINTR", "ENOSPC", "EDQUOT"),
    "socket": ("EACCES", "EAFNOSUPPORT", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM"),
    "setsockopt": ("ENOMEM", "ENOPROTOOPT"),
    "connect": ("EACCES", "EADDRNOTAVAIL", "EAGAIN", "ECONNREFUSED", "EHOSTUNREACH",
                "ENETUNREACH", "EPERM", "ETIMEDOUT"),
    "sendmsg": ("EAGAIN", "ECONNRESET", "EINTR", "ENOBUFS", "ENOMEM", "EPERM", "EPIPE",
                "ENOTCONN"),
    "recvfrom": ("EAGAIN", "ECONNREFUSED", "ECONNRESET", "EINTR", "ENOMEM", "ETIMEDOUT"),
    "read": ("EAGAIN", "ECONNRESET", "EINTR", "EIO", "ENOMEM"),
    "fchown": ("EDQUOT", "EIO", "EPERM", "EROFS"),
    "fchmod": ("EIO", "EPERM", "EROFS"),
    "write": ("EINTR", "EIO", "ENOSPC", "EPIPE"),
    "writev": ("EDQUOT", "EFBIG", "EINTR", "EIO", "ENOSPC"),
    "fsync": ("EDQUOT", "EIO", "ENOSPC"),
    "utimensat": ("EACCES", "EIO", "EPERM", "EROFS"),
    "renameat": ("EACCES", "EBUSY", "EDQUOT", "EIO", "ENOENT", "ENOSPC", "EPERM", "EROFS"),
    "unlinkat": ("EACCES", "EBUSY", "EIO", "EPERM", "EROFS"),
    "timerfd_settime": (),  # nothing that right arguments can bring about
    "kill": ("EPERM", "ESRCH"),
}

# Nothing can be returned but success, or the call doesn't return: there is nothing to inject.
NEVER_FAIL = ("execve", "arch_prctl", "set_tid_address", "set_robust_list", "geteuid", "getegid",
              "getuid", "getgid", "getpid", "getppid", "exit_group", "exit", "rt_sigaction",
              "rt_sigprocmask", "timerfd_settime", "clock_gettime", "munmap", "mmap", "brk",
              "restart_syscall")
