"""What is simulated: one function for each part of the page."""

from collections.abc import Iterable
from dataclasses import replace

from forefront.cluster.routing.router import PrefixRouter
from forefront.cluster.routing.scaling import ScalingSettings
from simulation.cluster import ClusterSettings, Result, SimulatedCluster
from simulation.routers import ROUTERS
from simulation.service_times import ServiceTimes
from simulation.summary import Summary, summarize
from simulation.workload import WorkloadSettings

# Step times of a larger model than the measured one.
SLOWNESS = 5.0
TENANTS_PER_REPLICA = 12
# New conversations per second and replica; each has three turns in the mean.
USUAL_RATE = 0.4
SMALL_CACHE = 512  # KV blocks
AMPLE_CACHE = 4096
DEFAULT_TARGET = ScalingSettings().target_load
LOW_TARGET = 0.15
BURST_AT = (60.0, 120.0)

# Router → what varies → figures.
Table = dict[str, dict[float, Summary]]


def settings(replicas: int, rate: float = USUAL_RATE, blocks: int = SMALL_CACHE) -> ClusterSettings:
    """The usual cluster of so many replicas."""
    workload = WorkloadSettings(TENANTS_PER_REPLICA * replicas, rate * replicas)
    return ClusterSettings(replicas, workload, blocks=blocks, slowness=SLOWNESS)


class Scenarios:
    """Runs with one engine's service times. `scale` makes them shorter and smaller, for tests."""

    def __init__(self, times: ServiceTimes, scale: float = 1.0) -> None:
        self._times = times
        self._scale = scale

    def load(self) -> Table:
        """The rate of new conversations per replica varies."""
        rates = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
        return self._compare((rate, settings(self._replicas(32), rate)) for rate in rates)

    def cache(self) -> Table:
        """The KV cache of a replica varies, in blocks."""
        sizes = (256, SMALL_CACHE, 1024, 2048, AMPLE_CACHE)
        usual = replace(settings(self._replicas(8)), seconds=300.0, warm_up_seconds=150.0)
        return self._compare((blocks, replace(usual, blocks=blocks)) for blocks in sizes)

    def replicas(self) -> Table:
        """The number of replicas varies. The largest run is shorter, and of routing by prefix alone."""
        table = self._compare((count, settings(self._replicas(count), 0.2)) for count in (10, 100, 1000))
        largest = replace(settings(self._replicas(10_000), 0.2), seconds=30.0, warm_up_seconds=12.0, servers=4)
        table["prefix"][10_000] = self._run(largest)[1]
        return table

    def servers(self) -> Table:
        """The number of servers varies."""
        usual = settings(self._replicas(64))
        counts = (1, 2, 4, 16, 64)
        return {"prefix": {count: self._run(replace(usual, servers=count))[1] for count in counts}}

    def slow_replicas(self) -> Table:
        """The part of the replicas that are three times slower varies."""
        usual = settings(self._replicas(50))
        return self._compare((part, replace(usual, slow_replicas=part)) for part in (0.0, 0.05, 0.1, 0.2))

    def failures(self) -> Table:
        """The mean life of a replica varies, in seconds; every third failure is a freeze."""
        usual = settings(self._replicas(50))
        lives = (1000.0, 300.0, 100.0)
        runs = ((life, replace(usual, deaths=2 / 3 / life, freezes=1 / 3 / life)) for life in lives)
        return {"prefix": {life: self._run(one)[1] for life, one in runs}}

    def burst(self) -> dict[float, Result]:
        """Six times the rate for a minute, with the scaling policy at two settings of `target_load`."""
        scale = self._scale
        workload = WorkloadSettings(
            48, 2 * USUAL_RATE, burst=6.0, burst_at=(BURST_AT[0] * scale, BURST_AT[1] * scale), think_seconds=4.0
        )
        usual = ClusterSettings(2, workload, slowness=SLOWNESS, seconds=240.0, start_seconds=self._times.load_seconds)
        loads = (DEFAULT_TARGET, LOW_TARGET)
        scalings = {load: ScalingSettings(1, 32, load, shrink_seconds=30 * scale) for load in loads}
        return {load: self._run(replace(usual, scaling=scaling))[0] for load, scaling in scalings.items()}

    def _replicas(self, count: int) -> int:
        return max(2, round(count * self._scale))

    def _compare(self, runs: Iterable[tuple[float, ClusterSettings]]) -> Table:
        table: Table = {name: {} for name in ROUTERS}
        for value, one in runs:
            for name, router in ROUTERS.items():
                table[name][value] = self._run(one, router)[1]
        return table

    def _run(self, one: ClusterSettings, router: type[PrefixRouter] = PrefixRouter) -> tuple[Result, Summary]:
        one = replace(
            one,
            router=router,
            seconds=one.seconds * self._scale,
            warm_up_seconds=one.warm_up_seconds * self._scale,
        )
        result = SimulatedCluster(one, self._times).run()
        return result, summarize(result, one)
