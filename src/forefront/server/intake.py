"""How much of the clients' bodies the server holds at a time, and for how long it waits for them."""

from forefront.wire.errors import ApiError


class Intake:
    """Bounds bodies: `seconds` for each to arrive, `memory` bytes for all that are being read or answered."""

    def __init__(self, seconds: float = 60.0, memory: int = 256 * 2**20) -> None:
        self.seconds = seconds
        self.left = memory


class Share:
    """What one request holds of the intake, until the context is left. Work that outlives it holds nothing."""

    def __init__(self, intake: Intake) -> None:
        self.seconds = intake.seconds
        self._intake = intake
        self._held = 0
        self._over = False

    def hold(self, size: int) -> None:
        """Hold `size` bytes in place of what was held. Raises `ApiError` 503 when there is no room."""
        if self._over:
            return
        if size - self._held > self._intake.left:
            text = "The server is busy with other requests' bodies; try again."
            raise ApiError("overloaded", text, headers={"retry-after": "1"})
        self._intake.left -= size - self._held
        self._held = size

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, *_: object) -> None:
        self.hold(0)
        self._over = True
