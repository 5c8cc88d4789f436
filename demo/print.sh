# Sourced by run and down: turns steps into an output that teaches. Every command is printed before it runs, exactly as it
# runs, and its time after it.

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

step_number=0
step() { # what happens now, and why
  step_number=$((step_number + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$1" "$plain"
}

say() { printf '   %s\n' "$@"; }

# Runs one command line in this shell, so that a variable it sets is there for the next.
run() {
  local began=${EPOCHREALTIME:-0} status=0 out printer
  printf '   $ %s\n' "$1"
  exec {out}> >(sed 's/^/     /')
  printer=$!
  # Closed for the command itself: what it leaves running, a cluster say, must not hold the printer open.
  eval "$1" >&"$out" 2>&1 {out}>&- || status=$?
  exec {out}>&-
  wait "$printer" 2>/dev/null || true # for the last lines of what was printed
  printf '   %s%s%s\n' "$dim" "$(seconds_since "$began")" "$plain"
  [ "$status" = 0 ] || fail "this command failed (exit status $status)."
}

seconds_since() { awk -v from="$1" -v to="${EPOCHREALTIME:-0}" 'BEGIN {printf "%.1f s", to - from}'; }

fail() {
  printf '\n%s%s%s\n' "$bold" "$1" "$plain" >&2
  exit 1
}
