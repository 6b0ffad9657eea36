"""A generation on replicas: its request and its tokens so far, with which another replica continues it."""

from forefront.cluster.backend.dispatching.remote_request import RemoteRequest
from forefront.cluster.protocol.constraint_source import ConstraintSource, constraint_source
from forefront.cluster.protocol.frames import Delta, Resumed, Submit
from forefront.cluster.protocol.token_codec import pack_tokens
from forefront.cluster.routing.router import Placement, PrefixRouter
from forefront.engine.errors import EngineError
from forefront.engine.generation import Generation, Logprob, Token
from forefront.engine.request import GenerateRequest
from forefront.observability.trace_context import trace_headers


class RemoteGeneration(RemoteRequest):
    """One generation. `fingerprint` is that of its first replica: all others must have it too. `paused`: its reader is
    slow."""

    __slots__ = (
        "_constraint",
        "_finished",
        "_outputs",
        "_prompt",
        "_prompt_scores",
        "_trace",
        "fingerprint",
        "generation",
        "paused",
        "request",
    )

    def __init__(self, request: GenerateRequest, generation: Generation) -> None:
        super().__init__()
        self.request, self.generation = request, generation
        self.fingerprint: str | None = None
        self.paused = False
        self._outputs: list[list[int]] = [[] for _ in range(request.n)]
        self._finished = [False] * request.n
        self._prompt_scores: tuple[Token, ...] = ()
        self._prompt = pack_tokens(request.prompt)
        self._trace = trace_headers()
        self._constraint: ConstraintSource | None = constraint_source(request.constraint)

    @property
    def finished(self) -> bool:
        """Whether all continuations have ended."""
        return all(self._finished)

    def choose(self, router: PrefixRouter) -> Placement:
        """See `RemoteRequest.choose`: by the prompt and the first continuation."""
        request = self.request
        sequence = [*request.prompt, *self._outputs[0]]
        return router.place(sequence, request.tenant, request.max_tokens, n=request.n, fingerprint=self.fingerprint)

    def message(self, placement: Placement) -> Submit:
        """See `RemoteRequest.message`."""
        request, generation = self.request, self.generation
        self.fingerprint = generation.fingerprint = placement.replica.fingerprint
        generation.moves = self.moves
        resumed: list[Resumed] = []
        # A moved generation without tokens is also sent as resumed, so that the replica computes it before new ones.
        # Several continuations without tokens share the computation of their prompt instead.
        if any(self._outputs) or (self.moves and request.n == 1):
            resumed = [
                Resumed(index, pack_tokens(output))
                for index, output in enumerate(self._outputs)
                if not self._finished[index]
            ]
        return Submit(
            id=self.number,
            prompt=self._prompt,
            max_tokens=request.max_tokens,
            sampling=request.sampling,
            n=request.n,
            stop_tokens=sorted(request.stop_tokens),
            tenant=request.tenant.name,
            weight=request.tenant.weight,
            prompt_logprobs=None if self._prompt_scores else request.prompt_logprobs,
            constraint=self._constraint,
            resumed=resumed,
            prompt_work=placement.prompt_work,
            output_work=placement.output_work,
            trace=self._trace,
            prediction=pack_tokens(request.prediction),
            paused=self.paused,
        )

    def fail(self, error: EngineError) -> None:
        """See `RemoteRequest.fail`."""
        self.generation.fail(error)

    def leave(self) -> None:
        """See `RemoteRequest.leave`. The replica's cache has the output, too."""
        if self.placement is not None:
            self.placement.end(self._outputs[0])
            self.placement = None

    def add(self, delta: Delta) -> list[Token]:
        """Take new tokens, and return them for the reader."""
        if self.placement is not None:
            self.placement.prefilled()
        if delta.prompt:
            self._prompt_scores = tuple(
                Token(0, score.token, None, score.logprob, tuple(Logprob(*each) for each in score.top))
                for score in delta.prompt
            )
        if not delta.choices and not delta.scores and not delta.finish and self._outputs[0]:
            self._outputs[0] += delta.tokens
            return [Token(0, token) for token in delta.tokens]
        tokens = []
        for place, number in enumerate(delta.tokens):
            choice = delta.choices[place] if delta.choices else 0
            finish = delta.finish.get(place)
            token = Token(choice, number, finish)
            if delta.scores:
                score = delta.scores[place]
                token = token._replace(logprob=score.logprob, top=tuple(Logprob(*each) for each in score.top))
            output = self._outputs[choice]
            if not output and self._prompt_scores:
                token = token._replace(prompt=self._prompt_scores)
            output.append(number)
            if finish is not None:
                self._finished[choice] = True
            tokens.append(token)
        return tokens
