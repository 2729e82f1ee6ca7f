"""Become the given command, and be told to stop when the process that asked for it dies.

`python launch.py PARENT_PID COMMAND ARGUMENT…`. It runs alone, without the package around it,
and replaces itself, so the command keeps this process's id. Only Linux can tie a process to its
parent; elsewhere a server may outlive a killed parent until the next start finds and ends it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # SIGTERM, not SIGKILL: both servers then close their files and need no recovery.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("The process that wanted this server is gone.")
    os.execv(command[0], command)  # noqa: S606 - a fixed program, no shell


if __name__ == "__main__":
    main()
