# Sourced by run: says what the demo needs and will do, and stops with the other way where it cannot work.

other_way="use a cluster that you have: make demo CONTEXT=name (a context of kubectl, Kubernetes 1.33 or later; REGISTRY=… beside it unless it is of kind, k3d or minikube)."

needs_linux() {
  [ "$(uname -s)" = Linux ] ||
    fail "Images and clusters are made on Linux alone: run this in a Linux virtual machine, or build the images on one (make images) and install charts/kubefront, whose README says how."
}

preflight_own_cluster() {
  [ "$(id -u)" = 0 ] || fail "Starting a cluster on this machine needs root (sudo make demo); without it, $other_way"
  local missing
  missing=$(.ci/prepare --list build cluster)
  if [ -n "$missing" ] && ! command -v apt-get >/dev/null; then
    fail "This machine lacks: ${missing//$'\n'/; }. Install that and try again, or $other_way"
  fi
  say "A real Kubernetes of one node starts on this machine, in namespaces of its own: no Docker, no registry." \
    "It adds one network interface and one control group; \`make demo-down\` removes all of it."
  if [ -n "$missing" ]; then
    say "To be installed first:"
    sed 's/^/     /' <<<"$missing"
  else
    say "To be installed first: nothing."
  fi
  say "Disk:   $(free_disk) GiB free for $KUBEFRONT_CACHE; needed: 10 GiB when everything has to be built, below 1 GiB after that." \
    "Memory: $(free_memory) GiB available; needed: 2 GiB." \
    "Time:   $(expected_time)"
  [ "$(free_memory)" -ge 2 ] || fail "That is too little memory for a cluster; $other_way"
  built_before || [ "$(free_disk)" -ge 10 ] || fail "That is too little disk: set KUBEFRONT_CACHE to another place, or $other_way"
}

preflight_context() {
  local tool version namespace found
  for tool in kubectl helm; do
    command -v $tool >/dev/null || fail "$tool is not in PATH: install it (https://kubernetes.io/docs/tasks/tools, https://helm.sh/docs/intro/install)."
  done
  kubectl config get-contexts "$CONTEXT" >/dev/null 2>&1 ||
    fail "kubectl knows no context \"$CONTEXT\". It knows: $(kubectl config get-contexts -o name | paste -sd ' ')"
  images_go_by=$(image_way) || exit 1
  version=$(kubectl --context "$CONTEXT" version -o json 2>/dev/null | sed -n '/serverVersion/,$ s/.*"gitVersion": "v\([0-9.]*\).*/\1/p') ||
    fail "The cluster of context \"$CONTEXT\" does not answer: kubectl --context $CONTEXT version"
  [ "$(printf '%s\n1.33\n' "$version" | sort -V | head -n 1)" = 1.33 ] ||
    fail "The cluster of context \"$CONTEXT\" is Kubernetes $version; Kubefront needs 1.33 or later."
  for namespace in kubefront-system demo; do
    found=$(kubectl --context "$CONTEXT" get namespace "$namespace" --ignore-not-found -o jsonpath='{.metadata.name} {.metadata.labels.cdn\.kubefront\.io/demo}') ||
      fail "The cluster of context \"$CONTEXT\" does not say whether it has a namespace $namespace."
    [[ $found = "" || $found = "$namespace true" ]] ||
      fail "That cluster has a namespace $namespace which is not this demo's: the demo would take it over, and demo-down would delete it."
  done
  say "In the cluster of context \"$CONTEXT\" (Kubernetes $version) this makes the namespaces kubefront-system and demo, and" \
    "Kubefront's two CRDs and cluster roles; \`make demo-down CONTEXT=$CONTEXT\` removes them." \
    "Images are built here ($(.ci/prepare --list build | paste -sd ';' | sed 's/^$/nothing/') to be installed first) and reach its nodes so: $images_go_by"
}

built_before() { [ -d "$CARGO_TARGET_DIR/$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')/release" ] && ls "$KUBEFRONT_CACHE"/cluster/*/bin/kubelite >/dev/null 2>&1; }

free_disk() {
  local place=$KUBEFRONT_CACHE
  until [ -d "$place" ]; do place=$(dirname "$place"); done
  df --output=avail -B 1G "$place" | tail -n 1 | tr -d ' '
}

free_memory() { awk '/MemAvailable/ {print int($2 / 1024 / 1024)}' /proc/meminfo; }

expected_time() {
  if built_before; then
    echo "one to two minutes: everything has been built before."
  else
    echo "about half an hour with 2 cores, once: Kubernetes, the operator and the edge are built from source."
  fi
}
