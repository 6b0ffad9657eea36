"""How long an engine takes for prompts and steps, as measured."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PATH = Path(__file__).parent / "service_times.json"


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Seconds of an engine's steps: a fixed part, a part for each decoding sequence, and one for each prompt token.

    `prefill_tokens` of prompts are computed in one step, `prefill_tokens_beside_decodes` while others decode
    (`SchedulerLimits`). `max_running` sequences run at once. `load_seconds`: from the start of a process to its first
    token.
    """

    model: str
    machine: str
    command: str
    step_seconds: float
    seconds_per_decode: float
    seconds_per_prompt_token: float
    load_seconds: float
    prefill_tokens: int
    prefill_tokens_beside_decodes: int
    max_running: int

    def step(self, decodes: int, prompt_tokens: int) -> float:
        """Seconds of a step."""
        return self.step_seconds + decodes * self.seconds_per_decode + prompt_tokens * self.seconds_per_prompt_token

    def save(self) -> None:
        """Write the file."""
        PATH.write_text(json.dumps(asdict(self), indent=2) + "\n")


def load_service_times() -> ServiceTimes:
    """The stored measurement."""
    return ServiceTimes(**json.loads(PATH.read_text()))
