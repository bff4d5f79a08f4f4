# Runs the bundled sample and checks that a worker pool starts and stops; called at the end of the image build, without a network.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python -c "from pathlib import Path; from gristmill.pipelines.sample.build import build; build(Path('sample'))"
gristmill run sample/recipe.yaml --work work --workers 1 --until mix
gristmill ledger work

timeout 60 python -m gristmill.runners.worker_pool --port 0 >pool &
pool=$!
until grep --quiet "listening on" pool; do
    kill -0 "$pool"
    sleep 1
done
kill "$pool"
