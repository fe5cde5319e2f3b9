#!/usr/bin/env bash
# serve.sh PORT [FLAG...]: one replica of the real vLLM on loopback, in the foreground. The flags are those of "vllm serve".
#
#   VLLM_HOME   where install.sh put it (default ~/.cache/vllm_prober/vllm)
#   VLLM_CORE   the processor core that the model computes on (default 0)
set -euo pipefail

port=${1:?a port is needed: serve.sh PORT [FLAG...]}
shift
home=${VLLM_HOME:-$HOME/.cache/vllm_prober/vllm}
[ -f "$home/installed" ] || {
  echo "serve.sh: there is no vLLM in $home; $(dirname "$0")/install.sh puts it there" >&2
  exit 1
}

# One core and one gibibyte of KV cache are plenty for the model, and leave room for a second replica and the prober.
export VLLM_CPU_OMP_THREADS_BIND=${VLLM_CORE:-0} VLLM_CPU_KVCACHE_SPACE=1
export VLLM_WORKER_MULTIPROC_METHOD=spawn
# Nothing is to be downloaded, and nothing to be told to anyone.
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1

# The weights are random: what is measured is the server, not the sense of its answers. Blocks of 32 tokens, the smallest
# that vLLM takes on a processor, let its prefix cache work on prompts as short as the tests'.
exec "$home/venv/bin/vllm" serve "$home/model" --served-model-name tiny --host 127.0.0.1 --port "$port" \
  --load-format dummy --dtype bfloat16 --enforce-eager --max-model-len 2048 --block-size 32 "$@"
