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
        self._watchers: list[Callable[[], None]] = []
        modifiers.declare(name, "value", normal=normal)

    def present(self) -> float:
        """The value now."""
        return self._modifiers.value(self.name, self.normal)

    def set_normal(self, normal: float) -> None:
        """Another normal from now on; who watches is told."""
        self.normal = normal
        self._modifiers.retarget(self.name, normal=normal)
        for changed in self._watchers:
            changed()

    def watch(self, changed: Callable[[], None], *, every_us: int = MINUTE_US) -> None:
        """Call `changed()` when the normal changes or a modifier comes, turns or goes, and at intervals meanwhile."""
        ticking = False

        def tick(_: None) -> int | None:
            nonlocal ticking
            changed()
            ticking = bool(self._modifiers.on(self.name))
            return self._kernel.now_us + every_us if ticking else None

        def turned() -> None:
            nonlocal ticking
            changed()
            if not ticking and self._modifiers.on(self.name):
                ticking = True
                self._kernel.after(every_us, tick)

        self._watchers.append(changed)
        self._modifiers.listen(self.name, turned)
