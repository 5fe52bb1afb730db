"""The driver's errors and exit codes.

    LabError
    ├── TargetMissed      1  a check, a verify or a --fail-under was not met
    ├── Misuse            2  a wrong argument, a broken lab file or edit
    └── EnvironmentFault  3  a tool, a port, the stack or the cluster

A message is one or two lines: what failed with its value, what was expected, the next command to type.
Only `cli.py` turns an error into an exit code.
"""


class LabError(Exception):
    """Base of everything the driver says on purpose. `next_step` is the command or file to go to."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}" if self.next_step else self.message


class TargetMissed(LabError):
    exit_code = 1


class Misuse(LabError):
    exit_code = 2


class EnvironmentFault(LabError):
    exit_code = 3
