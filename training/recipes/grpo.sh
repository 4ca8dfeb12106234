#!/usr/bin/env bash
# GRPO of the serial and the fork policy on one GPU, which vLLM and the trainer share. Needs orchestra with the extras vllm and train.
#   bash grpo.sh start    # the start of both: countdown-6m shown 90,000 problems with free widths: data in 28 s, then 78M tokens in 68 s
#   bash grpo.sh serial   # STEPS of 128 problems x 16: about 13 s each   31 steps in 8.5 min: greedy 61 -> 67 % of 400 held-out problems
#   bash grpo.sh fork     # STEPS of 32 problems x 8: about 16 s each     22 steps in 8.5 min: 87 -> 93 % at temperature 1, greedy 96.5 -> 95 %
#   bash grpo.sh check    # does vLLM take new weights?                   log-probabilities 1.5e-4 from the trainer's before and after, 0.5 s
#   bash grpo.sh all      # ~20 min: only where commands may last so long
# Measured on an H200 while eight such programs shared two of them and 64 cores (evals/recorded/rl-h200); alone a step should be shorter. Start of
# vLLM and the first evaluation take 1 to 2 min more. With ENGINE=transformers, which shares the trainer's weights, a serial step took 3 s beside two other
# programs (evals/recorded/nested-h200; MORE="--max-requests 2048"). DEMO_WINDOW=88 makes a start whose children fork again; WINDOW is the rollouts'.
# All sizes are variables; `TINY=1 bash grpo.sh` is the same on a CPU in a minute. A second call with the same variables goes on from the checkpoints (more FORK_STEPS/SERIAL_STEPS prolong the runs).
set -u
STEP=${1:-all}
PY=${PY:-python3}
W=${W:-${OUT:-.}/grpo}
MODEL=${MODEL:-models/countdown-6m}
mkdir -p "$W"
export TOKENIZERS_PARALLELISM=false
if [ "${TINY:-0}" = 1 ]; then
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  DEMOS=${DEMOS:-40}; SHARD=${SHARD:-40}; CORES=${CORES:-1}; SFT="--steps 2 --warmup 1 --batch-tokens 4096"
  FORK_STEPS=${FORK_STEPS:-1}; SERIAL_STEPS=${SERIAL_STEPS:-2}; FORK_SIZES=${FORK_SIZES:---group 2 --problems-per-step 2}
  SERIAL_SIZES=${SERIAL_SIZES:-$FORK_SIZES}
  EVAL=${EVAL:-2}; EVERY=${EVERY:-2}; ENGINE=${ENGINE:-transformers}; FORK_S=${FORK_S:-120}; SERIAL_S=${SERIAL_S:-60}
  FORK_MORE=${FORK_MORE:-}; SERIAL_MORE=${SERIAL_MORE:-}
else
  DEMOS=${DEMOS:-90000}; SHARD=${SHARD:-1500}; CORES=${CORES:-16}; SFT="--epochs 1 --warmup 50"
  FORK_STEPS=${FORK_STEPS:-22}; SERIAL_STEPS=${SERIAL_STEPS:-31}; EVAL=${EVAL:-400}; EVERY=${EVERY:-10}
  ENGINE=${ENGINE:-vllm}; FORK_S=${FORK_S:-540}; SERIAL_S=${SERIAL_S:-540}
  # A step is 2,048 serial traces of 95 tokens, or 256 trees of 800 to 950.
  SERIAL_SIZES=${SERIAL_SIZES:---problems-per-step 128 --group 16}; FORK_SIZES=${FORK_SIZES:---problems-per-step 32 --group 8}
  SERIAL_MORE=${SERIAL_MORE:---beam 0 --minibatches 4 --lr 3e-4 --warmup 3}
  FORK_MORE=${FORK_MORE:---beam 0 --child-beam 0 --join first --minibatches 2 --lr 1e-4 --warmup 3}
fi
# More threads would spin beside the engine's processes on the same cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
# START=0 begins with MODEL as it is. countdown-6m then needs TEMPERATURE=2: at 1 all its groups were silent (entropy 0.003 nats a token).
START=${START:-1}; WINDOW=${WINDOW:-160}; TEMPERATURE=${TEMPERATURE:-1}; SEED=${SEED:-0}
# `centred_std` in place of `centred` with a price on work: the fork policy collapses to one child within 30 steps.
BASELINE=${BASELINE:-centred}; FORK_REWARD=${FORK_REWARD:-correct - work(price=0.00005)}; SERIAL_REWARD=${SERIAL_REWARD:-correct}
MORE=${MORE:-}                   # of both, over everything else

start() { # A policy with something to choose: its demonstrations leave width and order to it.
  [ "$START" = 1 ] || return 0
  [ -e "$W/start/training.json" ] && return 0
  local t=$SECONDS
  $PY -m orchestra.training.countdown_demos --problems "$DEMOS" --free 0.8 ${DEMO_WINDOW:+--window "$DEMO_WINDOW"} --seed $((7 + SEED)) --shard-size "$SHARD" --workers "$CORES" --out "$W/free" \
    2> "$W/start.log" || { echo "-- start failed: $(tail -n 1 "$W/start.log")"; return 1; }
  echo "-- start, data: $((SECONDS - t)) s"; t=$SECONDS
  $PY -m orchestra.training.sft --init "$MODEL" --data "$W/free" --lr 7e-4 $SFT --seed "$SEED" --out "$W/start" 2>> "$W/start.log" \
    || { echo "-- start failed: $(tail -n 1 "$W/start.log")"; return 1; }
  echo "-- start, training: $((SECONDS - t)) s"
}
go() { # METHOD STEPS SECONDS REWARD ARGS…
  local method=$1 steps=$2 limit=$3 reward=$4 t=$SECONDS
  shift 4
  [ "$START" = 1 ] && local MODEL="$W/start"
  # --foreground: the signal goes to the trainer alone, which finishes its step and saves; vLLM's processes must live until then.
  timeout --foreground -s INT -k 45 "$limit" $PY -m orchestra.training.grpo --model "$MODEL" --out "$W/$method" --method $method --reward="$reward" \
    --baseline $BASELINE --engine $ENGINE --window $WINDOW --temperature $TEMPERATURE --steps $steps \
    --seed $SEED --eval-every $EVERY --eval-problems $EVAL --save-every $EVERY "$@" $MORE 2> "$W/$method.log"
  echo "-- $method: rc $?, $((SECONDS - t)) s"
  [ -e "$W/$method/metrics.jsonl" ] || { tail -n 15 "$W/$method.log"; return; }
  grep evaluation "$W/$method/metrics.jsonl"
  $PY - "$W/$method/metrics.jsonl" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rows = [row for row in rows if "rollouts" in row]
keys = "reward accuracy work span children silent_share sampler_kl policy_kl ratio_max clip_share grad_norm entropy sample_seconds learn_seconds sync_seconds".split()
if not rows:
    sys.exit("no step was taken: give it more seconds (FORK_S, SERIAL_S)")
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
check() { # Does a reload take? Perturbed weights, so that old ones cannot be mistaken for new. Only vLLM has a copy of its own. CHECK=0 leaves it out.
[ "${CHECK:-1}" = 1 ] && [ "$ENGINE" = vllm ] || return 0
cat > "$W/reload_check.py" <<'PYTHON'
import asyncio, sys, time
from pathlib import Path
import torch
from orchestra.engine import Request, Sampling
from orchestra.engine.vllm import VllmEngine
from orchestra.engine.weights import update_weights
from orchestra.training.grpo.policy import load_policy, save_policy

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
}
serial() { go serial $SERIAL_STEPS $SERIAL_S "$SERIAL_REWARD" $SERIAL_SIZES $SERIAL_MORE; }
fork() { go fork $FORK_STEPS $FORK_S "$FORK_REWARD" $FORK_SIZES $FORK_MORE; }

case $STEP in
  start) start || exit 1 ;;
  check) check ;;
  serial) start || exit 1; serial ;;
  fork) start || exit 1; fork ;;
  all) start || exit 1; check; serial; fork ;;
  *) echo "start, check, serial, fork or all, got $STEP"; exit 2 ;;
esac
rm -rf "$W"/*/sampler
echo "done in $SECONDS s"
