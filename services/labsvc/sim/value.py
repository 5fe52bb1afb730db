"""A number that modifiers may change: staff on duty, handling time, a price.

Sources and odds have their own targets; this is for everything else a scenario acts on.
"""

from collections.abc import Callable

from labsvc.sim.instant import MINUTE_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers


class Value:
    """A named value with its normal; a target of kind value under its name."""

    def __init__(self, kernel: Kernel, modifiers: Modifiers, name: str, normal: float) -> None:
        self.name = name
        self.normal = normal
        self._kernel = kernel
        self._modifiers = modifiers
        self._watching = False
        modifiers.declare(name, "value", normal=normal)

    def present(self) -> float:
        """The value now."""
        return self._modifiers.value(self.name, self.normal)

    def set_normal(self, normal: float) -> None:
        """Another normal from now on."""
        self.normal = normal
        self._modifiers.retarget(self.name, normal=normal)

    def watch(self, changed: Callable[[], None], *, every_us: int = MINUTE_US) -> None:
        """Call `changed()` when a modifier comes, turns or goes, and at intervals while one is in force."""

        def tick(_: None) -> int | None:
            changed()
            self._watching = bool(self._modifiers.on(self.name))
            return self._kernel.now_us + every_us if self._watching else None

        def turned() -> None:
            changed()
            if not self._watching and self._modifiers.on(self.name):
                self._watching = True
                self._kernel.after(every_us, tick)

        self._modifiers.listen(self.name, turned)
