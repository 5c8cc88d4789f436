# Sourced by run: brings the images to the nodes of a cluster that the user has.

# How images reach that cluster: kind, k3d, minikube, push, or nothing that works.
image_way() {
  case $CONTEXT in
    kind-*) command -v kind >/dev/null && { echo "kind load"; return; } ;;
    k3d-*) command -v k3d >/dev/null && { echo "k3d image import"; return; } ;;
    minikube) command -v minikube >/dev/null && { echo "minikube image load"; return; } ;;
  esac
  if [ -n "${REGISTRY:-}" ]; then
    local tool
    for tool in skopeo crane docker; do
      command -v $tool >/dev/null && { echo "$tool push to $REGISTRY"; return; }
    done
    fail "Nothing here can push images to $REGISTRY: install skopeo or crane."
  fi
  fail "Context \"$CONTEXT\" is not of kind, k3d or minikube (or their command is not in PATH): name a registry that its nodes pull from, make demo CONTEXT=$CONTEXT REGISTRY=registry.example.com/kubefront"
}

bring_images() {
  local name
  case $images_go_by in
    kind*) for name in edge operator origin; do run "kind load image-archive target/images/$name.tar --name ${CONTEXT#kind-}"; done ;;
    k3d*) run "k3d image import --cluster ${CONTEXT#k3d-} target/images/edge.tar target/images/operator.tar target/images/origin.tar" ;;
    minikube*) for name in edge operator origin; do run "minikube image load target/images/$name.tar"; done ;;
    skopeo*) for name in edge operator origin; do run "skopeo copy docker-archive:target/images/$name.tar docker://$REGISTRY/$name:dev"; done ;;
    crane*) for name in edge operator origin; do run "crane push target/images/$name.tar $REGISTRY/$name:dev"; done ;;
    docker*)
      for name in edge operator origin; do
        run "docker load --input target/images/$name.tar && docker tag kubefront.local/$name:dev $REGISTRY/$name:dev && docker push $REGISTRY/$name:dev"
      done
      ;;
  esac
}
