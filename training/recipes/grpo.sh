#!/usr/bin/env bash
# GRPO of the fork and the serial policy on one GPU (vLLM and trainer share it), 8 minutes at most. Needs orchestra
# with the extras vllm and train. All sizes are variables; `TINY=1 grpo.sh` is the same on a CPU in a minute.
# A second call with the same variables goes on from the checkpoints (more FORK_STEPS/SERIAL_STEPS prolong the runs).
set -u
PY=${PY:-python3}
W=${W:-${OUT:-.}/grpo}
MODEL=${MODEL:-$HOME/models/countdown-6m}
mkdir -p "$W"
export TOKENIZERS_PARALLELISM=false
if [ "${TINY:-0}" = 1 ]; then
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  FORK_STEPS=${FORK_STEPS:-1}; SERIAL_STEPS=${SERIAL_STEPS:-2}; GROUP=${GROUP:-2}; PROBLEMS=${PROBLEMS:-2}; EVAL=${EVAL:-2}; EVERY=${EVERY:-2}
  ENGINE=${ENGINE:-transformers}; FORK_S=${FORK_S:-120}; SERIAL_S=${SERIAL_S:-60}
else
  # 256 trees of about 1,700 tokens a fork step: 15 s at the 29k tokens/s that vLLM samples with log-probabilities.
  FORK_STEPS=${FORK_STEPS:-12}; SERIAL_STEPS=${SERIAL_STEPS:-40}; GROUP=${GROUP:-8}; PROBLEMS=${PROBLEMS:-32}; EVAL=${EVAL:-200}; EVERY=${EVERY:-4}
  ENGINE=${ENGINE:-vllm}; FORK_S=${FORK_S:-240}; SERIAL_S=${SERIAL_S:-110}
fi
# Temperature 2: at 1, all 16 groups of 8 serial rollouts of the shipped model were silent (entropy 0.003 nats a token), at 2 three in four.
WINDOW=${WINDOW:-160}; TEMPERATURE=${TEMPERATURE:-2}; LR=${LR:-1e-4}; MINIBATCHES=${MINIBATCHES:-2}; SEED=${SEED:-0}; BASELINE=${BASELINE:-centred}
FORK_REWARD=${FORK_REWARD:-correct - work(price=0.0001)}; SERIAL_REWARD=${SERIAL_REWARD:-correct}
MORE=${MORE:-}                   # of both; FORK_MORE="--beam 0 --child-beam 0" lets the fork policy choose its own width
FORK_MORE=${FORK_MORE:-}; SERIAL_MORE=${SERIAL_MORE:-}

go() { # METHOD STEPS SECONDS REWARD ARGS…
  local method=$1 steps=$2 limit=$3 reward=$4 t=$SECONDS
  shift 4
  # --foreground: the signal goes to the trainer alone, which finishes its step and saves; vLLM's processes must live until then.
  timeout --foreground -s INT -k 45 "$limit" $PY -m orchestra.training.grpo --model "$MODEL" --out "$W/$method" --method $method --reward="$reward" \
    --baseline $BASELINE --engine $ENGINE --window $WINDOW --temperature $TEMPERATURE --group $GROUP --problems-per-step $PROBLEMS --steps $steps \
    --minibatches $MINIBATCHES --lr $LR --seed $SEED --eval-every $EVERY --eval-problems $EVAL --save-every $EVERY $MORE "$@" 2> "$W/$method.log"
  echo "-- $method: rc $?, $((SECONDS - t)) s"
  [ -e "$W/$method/metrics.jsonl" ] || { tail -n 15 "$W/$method.log"; return; }
  grep evaluation "$W/$method/metrics.jsonl"
  $PY - "$W/$method/metrics.jsonl" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rows = [row for row in rows if "rollouts" in row]
keys = "reward accuracy work span children silent_share sampler_kl policy_kl ratio_max clip_share grad_norm entropy sample_seconds learn_seconds sync_seconds".split()
for row in rows[:3] + rows[3:][-3:]:
    print(row["step"], {key: round(row[key], 6) for key in keys if key in row})
def rate(tokens, seconds):
    return round(sum(row[tokens] for row in rows) / sum(row[seconds] for row in rows))
print("sampled tokens/s", rate("sampled_tokens", "sample_seconds"))
rows = [row for row in rows if "packed_tokens" in row]
if rows:
    print("learned tokens/s", rate("trained_tokens", "learn_seconds"), "forwarded", rate("packed_tokens", "learn_seconds"))
PYTHON
  [ -e "$W/$method/best/evaluation.json" ] && grep -m 1 step "$W/$method/best/evaluation.json" | sed 's/^/best:/'
}
# Does a reload take? Perturbed weights, so that old ones cannot be mistaken for new. Only vLLM has a copy of its own. CHECK=0 leaves it out.
if [ "${CHECK:-1}" = 1 ] && [ "$ENGINE" = vllm ]; then
cat > "$W/reload_check.py" <<'PYTHON'
import asyncio, sys, time
from pathlib import Path
import torch
from orchestra.engine import Request, Sampling
from orchestra.engine.vllm import VllmEngine
from orchestra.engine.weights import update_weights
from orchestra.training.grpo_policy import load_policy, save_policy

async def main(source, out):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_policy(source, attention="sdpa", device=device)
    save_policy(model, source, out, torch.float32)
    def worst(ask, done):
        ids = torch.tensor([[*ask.prompt, *done.token_ids]], device=device)
        with torch.no_grad():
            there = model(ids).logits[0, len(ask.prompt) - 1 : -1].float().log_softmax(-1)[range(len(done.token_ids)), done.token_ids]
        return max(abs(a - b) for a, b in zip(done.logprobs, there.tolist()))
    async with VllmEngine(out, dtype="float32", max_num_seqs=8, gpu_memory=0.2) as engine:
        ask = Request(prompt=[1, 3, 30], sampling=Sampling(max_tokens=64))
        print("before", worst(ask, await engine.generate(ask)))
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.1 * p.abs().mean())
        save_policy(model, source, out, torch.float32)
        print("perturbed, engine not updated (must be large)", worst(ask, await engine.generate(ask)))
        t = time.monotonic(); await update_weights(engine, out); t = time.monotonic() - t
        print("updated (must be as before)", worst(ask, await engine.generate(ask)), f"{t:.2f} s")

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
PYTHON
timeout 100 $PY "$W/reload_check.py" "$MODEL" "$W/reload" 2> "$W/reload.log" || tail -n 5 "$W/reload.log"
rm -rf "$W/reload"
fi
go serial $SERIAL_STEPS $SERIAL_S "$SERIAL_REWARD" $SERIAL_MORE
go fork $FORK_STEPS $FORK_S "$FORK_REWARD" $FORK_MORE
rm -rf "$W"/*/sampler
echo "all done in $SECONDS s"
