"""The services' errors and exit codes; the same numbers as the driver's.

    ServiceError
    ├── Misuse            2  a wrong setting, an unknown name, a lab file that does not load
    └── EnvironmentFault  3  a port or a socket

A message is one or two lines: what failed with its value, what was expected, what to do next.
Only `cli.py` turns an error into an exit code.
"""


class ServiceError(Exception):
    """Base of everything the services say on purpose."""

    exit_code = 1


class Misuse(ServiceError):
    exit_code = 2


class EnvironmentFault(ServiceError):
    exit_code = 3
