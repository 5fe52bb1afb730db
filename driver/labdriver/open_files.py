"""How many files a process may have open; its children inherit it. A shell of macOS allows 256, a crowd needs more."""

import resource

MOST = 65536


def raise_limit() -> int:
    """Allow as many open files as the system lets us, up to MOST; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    for limit in (wanted, 10240):  # macOS refuses more than kern.maxfilesperproc, 10240 by default
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return limit
        except (ValueError, OSError):
            continue
    return soft
