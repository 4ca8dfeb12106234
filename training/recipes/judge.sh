#!/usr/bin/env bash
# DeepPrune's claim on the GPU. Needs orchestra with the extras evals, vllm and train.
# All sizes are variables; the defaults are those for one H200. `TINY=1 judge.sh` is the same on a CPU in minutes.
# MODEL: models/countdown-6m; MATH: the pool of MATH outputs (import format; math_cot_100.jsonl.gz), left out when the file is not there.
set -u
PY=${PY:-python3}
W=${W:-${OUT:-.}/judge}
MODEL=${MODEL:-models/countdown-6m}
MATH=${MATH:-$HOME/math_cot_100.jsonl.gz}
mkdir -p "$W"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TOKENIZERS_PARALLELISM=false
if [ "${TINY:-0}" = 1 ]; then
  PROBLEMS=${PROBLEMS:-48}; TRACES=${TRACES:-8}; N=${N:-6}; RESAMPLES=${RESAMPLES:-5}; PROCESSES=${PROCESSES:-1}; FOLDS=${FOLDS:-2}
  SIZE="--questions 6 --test-questions 12 --batch 16 --steps 3 --log-every 1"; SMALL="--hidden 64 --layers 1"; MATHSIZE="--hidden 64 --layers 1 --vocabulary 512"
  PAIRS=16; CLAIM_TRACES=8; POOLARGS=""; MATHLEN="64"; MATHMAX=256
else
  PROBLEMS=${PROBLEMS:-500}; TRACES=${TRACES:-64}; N=${N:-16}; RESAMPLES=${RESAMPLES:-40}; PROCESSES=${PROCESSES:-6}; FOLDS=${FOLDS:-2}
  SIZE="--questions 128 --test-questions 256 --batch 512 --epochs 4 --log-every 20"; SMALL="--hidden 256 --layers 8"; MATHSIZE="--hidden 512 --layers 8 --vocabulary 4096 --batch 128 --epochs 8"
  PAIRS=512; CLAIM_TRACES=32; POOLARGS="--requests 1024 --at-once 16"; MATHLEN="64 128 256"; MATHMAX=1024
fi
HELD=$($PY -c "print(1 / $FOLDS)")
LENGTHS=${LENGTHS:-24 48}
POOL=${POOL:-$W/pool.jsonl.gz}
# On the GPU everything that is independent runs at once: small models leave it idle, and most of the time is Python's.
start() { if [ "${TINY:-0}" = 1 ]; then "$@"; else "$@" & fi; }
run() { local t=$SECONDS; echo "\$ $*"; "$@"; local rc=$?; echo "-- rc $rc, $((SECONDS - t)) s"; return $rc; }

# Temperature 2, vLLM's highest: below it nearly all traces of a problem are alike.
[ -e "$POOL" ] || run $PY -m orchestra.evals.pools --out "$POOL" --model "$MODEL" --problems $PROBLEMS --traces $TRACES --method serial --temperature 2 --texts --token-ids $POOLARGS
[ -e "$POOL" ] || exit 1

fold() { # NAME QUESTION POOL FOLD ARGS…
  local name=$1 question=$2 pool=$3 f=$4; shift 4
  run $PY -m orchestra.training.judge --pool "$pool" --question $question --even --held-out $HELD --fold $f --out "$W/$name-$f" $SIZE "$@" 2>> "$W/$name-$f.log" || tail -n 2 "$W/$name-$f.log"
  tail -n 1 "$W/$name-$f/metrics.jsonl"
}
claim() { # NAME POOL N ARGS…
  local name=$1 pool=$2 n=$3; shift 3
  run $PY -m orchestra.evals.benchmarks.judge_claim --pool "$pool" --judge $(dirname "$W/$name"-[0-9]/training.json) --n $n --pairs $PAIRS --resamples $RESAMPLES --processes $PROCESSES --out "$W/$name.json" "$@" | tee "$W/$name.txt"
}
for f in $(seq 0 $((FOLDS - 1))); do
  start fold countdown same_answer "$POOL" $f --init "$MODEL" --lengths $LENGTHS --max-length 256 --lr 3e-4
  start fold scratch same_answer "$POOL" $f --vocabulary 512 --lengths $LENGTHS --max-length 512 --lr 3e-4 $SMALL
  start fold scorer correct "$POOL" $f --init "$MODEL" --lengths $LENGTHS --max-length 256 --lr 3e-4
  [ -e "$MATH" ] && start fold math same_answer "$MATH" $f --lengths $MATHLEN --max-length $MATHMAX --lr 3e-4 $MATHSIZE
done
wait
start claim scorer "$POOL" $N --traces $CLAIM_TRACES
start claim countdown "$POOL" $N --traces $CLAIM_TRACES --tau 0.5 0.8 --largest 0 10
start claim scratch "$POOL" $N --traces $CLAIM_TRACES --tau 0.5 --largest 0
# Eight outputs a problem: there is no majority beyond eight, so reading is soon out of reach.
[ -e "$MATH" ] && start claim math "$MATH" 8 --tau 0.3 0.5 0.7 --largest 0
wait
echo "all done in $SECONDS s"
