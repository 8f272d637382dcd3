#!/usr/bin/env bash
# Makes every golden file again, with Python 3.11 and what requirements.txt pins, in a virtual
# environment (the first argument, default: a temporary one). `git status` then tells what differs.
set -euo pipefail
cd "$(dirname "$0")"
venv="${1:-$(mktemp -d)/venv}"
if [ ! -x "$venv/bin/python" ]; then
    python3.11 -m venv "$venv"
    "$venv/bin/pip" install --quiet -r requirements.txt
fi
# One thread: sums of several are added in an order of their own.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
for script in classical spectra captures sequences pytorch s4_tf; do
    echo "== $script"
    "$venv/bin/python" "$script.py"
done
