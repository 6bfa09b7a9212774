# shellcheck shell=bash disable=SC2034,SC2154  # `root`, `program` and `work` are the sourcing script's
# What the tests with real cluster programs share: toy data and toy runs. Source it behind
# scripts/lib.sh; it runs nothing. `program` names the echopath, `work` a folder of its own.

toy_networks=(vae lidm lvdm reid)
if [ -e "$root/tests/fixtures/toy/classifier.json" ]; then toy_networks+=(classifier); fi

# toy_ranks NETWORK: of how many processes its batch script is.
toy_ranks() {
  case "$1" in
    reid | classifier) echo 1 ;;
    *) echo 4 ;;
  esac
}

# Phantom studies of 16 patients, as videos of 32×32 pixels.
toy_videos() {
  "$program" phantom --out "$work/phantom" --patients 16 --frames 24 --seed 1 --split 50,25,25 --quiet
  "$program" import "$work/phantom/Videos" --format video --labels "$work/phantom/FileList.csv" \
    --size 32 --mask none --out "$work/data" --quiet
}

# toy_latents RUN: the videos, encoded with the VAE that RUN trained.
toy_latents() {
  "$program" encode --data "$work/data" --model "$1/model" --out "$work/latents" --threads 1 --quiet
}

toy_config() { echo "$root/tests/fixtures/toy/$1.json"; }

# toy_options NETWORK [KEY=VALUE…]: sets the array `options` to what follows the config and the run
# directory in `echopath train NETWORK`.
toy_options() {
  local network="$1"
  shift
  options=(--device cpu --threads 1 --set training.batch_size=4)
  case "$network" in
    vae | classifier) options+=(--set "data.dataset=$work/data") ;;
    *) options+=(--set "data.latents=$work/latents") ;;
  esac
  case "$network" in
    lidm | lvdm)
      options+=(--set 'data.classes=["ASD","Non-ASD","PAH","Non-PAH"]'
        --set class_embedding.num_classes=4)
      ;;
    classifier) options+=(--set 'data.classes=["ASD","PAH"]') ;; # VAL has videos of both
  esac
  local pair
  for pair in "$@"; do options+=(--set "$pair"); done
}

# The steps of a run that is long enough to be interrupted.
toy_long=(training.steps=300 training.validate_every=100 training.checkpoint_every=50)

# with_launcher NETWORK RANKS RUN [KEY=VALUE…]: the same training by `--nproc`.
with_launcher() {
  local network="$1" ranks="$2" run="$3" options
  toy_options "$network" "${@:4}"
  "$program" train "$network" --config "$(toy_config "$network")" --out "$run" "${options[@]}" \
    --nproc "$ranks" >"$run.log" 2>&1 || fail "--nproc $ranks failed" "$(tail -5 "$run.log")"
}

# SHA-256 of the weights in a run's last checkpoint.
weights_of() {
  local newest
  newest="$(find "$1/checkpoints" -path '*/step-*/weights.safetensors' 2>/dev/null | sort | tail -1)"
  [ -n "$newest" ] || fail "$1 holds no checkpoint"
  sha256sum <"$newest" | cut -c 1-64
}

# require_equal WHAT RUN OTHER: the weights of both are the same to the bit, and it says so.
require_equal() {
  local one other
  one="$(weights_of "$2")" || exit 1
  other="$(weights_of "$3")" || exit 1
  [ "$one" = "$other" ] || fail "$1: the weights are $one, not $other"
  echo "ok: $1: weights ${one:0:16}…"
}

# Options of small videos; the model, classes, w, seed and --out come with the command.
toy_sampling=(--steps 2 --blocks 1 --device cpu --threads 1)

# videos_of DIR: the SHA-256 of every video, by name.
videos_of() { (cd "$1/Videos" && sha256sum -- *) }

# require_same_videos WHAT DIR OTHER: both hold the same videos to the bit, and it says how many.
require_same_videos() {
  local one other
  one="$(videos_of "$2")" || fail "$1: $2 has no videos"
  other="$(videos_of "$3")" || fail "$1: $3 has no videos"
  [ "$one" = "$other" ] || fail "$1: the videos differ" "$(diff <(echo "$one") <(echo "$other") | head -4)"
  [ "$(grep -c . "$2/manifest.jsonl")" = "$(echo "$one" | grep -c .)" ] || fail "$1: the manifest lacks videos"
  echo "ok: $1: $(echo "$one" | grep -c .) videos, the same to the bit"
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
  local seconds="$1" what="$2" end
  shift 2
  end=$((SECONDS + seconds))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "$what did not happen within $seconds s"
    sleep 0.2
  done
}

# Whether a run has done some steps.
is_training() { [ -e "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -ge 20 ]; }
