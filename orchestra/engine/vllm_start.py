"""How `VllmEngine` starts vLLM: with which settings, and what to do where it does not start.

What differs from vLLM's defaults, and why:

* no tokenizer is loaded unless requests may be constrained: nothing here sees text;
* log-probabilities are those of the distribution that was drawn from (after temperature and top-p);
* the context is cut to what fits into the cache memory, instead of failing at the start;
* constraints go to xgrammar or are refused. By itself vLLM would hand one that xgrammar cannot take to another library, but an engine
  keeps the first library that it has used: the constraint would then be ignored in part, or (0.25, by its source) end the engine process;
* JSON comes without whitespace that a schema does not ask for: a weak model writes nothing else until its tokens are used up.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, EngineError
from ..model_files import check_model
from .base import MOST_TOP_LOGPROBS

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

CPU_BLOCK = 32
"""Tokens in a cache block on a CPU. vLLM's kernels there want multiples of 32; the smallest wastes least at each fork."""
ENVIRONMENT = {  # for vLLM's import and for its child processes, where the user has not set it
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
    "VLLM_NO_USAGE_STATS": "1",
    # By default vLLM forks on a GPU unless torch has initialised CUDA in this process. But merely asking for the number of GPUs, as
    # `torch.cuda.is_available()` does, makes torch refuse CUDA in forked children; and a process with threads is not safe to fork.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # Errors only, and not in between the program's own output. The rest silences warnings of child processes.
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "PYTHONWARNINGS": "ignore",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
}


def start(
    model: str,
    *,
    dtype: str,
    seed: int,
    max_num_seqs: int,
    context: int | None,
    constraints: bool,
    gpu_memory: float | None = None,
    traces_to: str | None = None,
) -> AsyncLLM:
    """Takes 10 to 60 s, in which the event loop stands still. Arguments as those of `VllmEngine`.

    Raises `ConfigError` where vLLM, or this model with it, cannot run, and `EngineError` where its process died in the attempt.
    """
    try:
        from vllm import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise ConfigError(
            f"vLLM cannot be imported ({error}). Install it with `pip install 'orchestra[vllm]'` on a machine with a CUDA GPU;"
            " the README says how on one without"
        ) from error
    more: dict[str, Any] = {"enforce_eager": True, "block_size": CPU_BLOCK} if current_platform.is_cpu() else {}
    if gpu_memory is not None:
        more["gpu_memory_utilization"] = gpu_memory
    if traces_to is not None:
        more |= {"otlp_traces_endpoint": traces_to, "disable_log_stats": False}  # a span is made of the request's statistics
    if constraints:
        more["structured_outputs_config"] = {"backend": "xgrammar", "disable_any_whitespace": True}
    try:
        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(
                model=model,
                dtype=dtype,
                seed=seed,
                max_num_seqs=max_num_seqs,
                max_model_len=context or -1,
                enable_prefix_caching=True,
                scheduling_policy="priority",
                logprobs_mode="processed_logprobs",
                max_logprobs=MOST_TOP_LOGPROBS,
                skip_tokenizer_init=not constraints,
                use_tqdm_on_load=False,
                **({"disable_log_stats": True} | more),
            )
        )
    except (ValueError, OSError) as error:
        raise ConfigError(f"vLLM cannot run {model!r} with these settings: {error}") from error
    except RuntimeError as error:
        raise EngineError(
            f"vLLM did not start with {model!r}: its own error is further up in the log. When memory ran out, set a smaller"
            " `context` or `max_num_seqs`; where others hold memory of the GPU, a smaller share of it (`gpu_memory`, --gpu-memory 0.3); on a"
            " CPU the environment variable VLLM_CPU_KVCACHE_SPACE (GiB of cache)"
        ) from error


def check_folder(model: str) -> None:
    """Finds a missing folder or a damaged file in milliseconds; vLLM takes seconds and says less. Raises `ConfigError`."""
    folder = Path(model)
    if folder.exists():
        if problems := check_model(folder, tokenizer=False):
            raise ConfigError(f"{model!r} is not a whole model: {'; '.join(problems)}")
    elif folder.is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise ConfigError(
            f"there is no model folder {model!r}: give the folder that holds config.json, or a name on the Hugging Face Hub"
        )
