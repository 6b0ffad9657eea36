"""llama.cpp's server from the package `xllamacpp`, by the options of its program that benchmarks use.

Runs in the environment of that package, so it imports nothing else.
"""

import argparse
import signal

import xllamacpp

_SLOT_CONTEXT = 4096


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--threads-batch", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--ctx-size", type=int, default=_SLOT_CONTEXT)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--ubatch-size", type=int, default=512)
    parser.add_argument("--embedding", action="store_true")
    parser.add_argument("--kv-unified", action="store_true")
    parser.add_argument("--spec-type", choices=["none", "ngram-simple"], default="none")
    parser.add_argument("--spec-ngram-simple-size-n", type=int, default=12)
    parser.add_argument("--spec-ngram-simple-size-m", type=int, default=48)
    options = parser.parse_args()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.model_alias = {options.alias}
    parameters.hostnames = [options.host]
    parameters.port = options.port
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads_batch
    parameters.n_parallel = options.parallel
    parameters.n_ctx = options.ctx_size
    parameters.n_batch = options.batch_size
    parameters.n_ubatch = options.ubatch_size
    parameters.embedding = options.embedding
    parameters.kv_unified = options.kv_unified
    parameters.n_gpu_layers = 0
    if options.spec_type == "ngram-simple":
        kinds = xllamacpp.common_speculative_type
        parameters.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        parameters.speculative.ngram_simple.size_n = options.spec_ngram_simple_size_n
        parameters.speculative.ngram_simple.size_m = options.spec_ngram_simple_size_m
    server = xllamacpp.Server(parameters)
    print(f"serving on {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
