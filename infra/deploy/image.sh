# shellcheck shell=bash
# Puts the image into the registry. deploy.sh sources this file.

# Imports or builds the image, or makes sure that it is there. Sets $tag.
put_image() {
  local registry=${outputs[registryName]} repository=${outputs[imageRepository]}
  local name=${repository#*/}
  if [[ -n $from ]]; then
    import_image
  elif [[ $build == true ]]; then
    build_image
  else
    az acr repository show --name "$registry" --image "$name:$tag" --output none ||
      fail "the image $repository:$tag could not be found; az says why above.
List the tags that the registry has: az acr repository show-tags --name $registry --repository $name
Then run this command again with one of them, or with --from or --build"
  fi
}

import_image() {
  local digest=${from##*:}
  tag=sha256-${digest:0:12}
  say "Importing $from as $repository:$tag"
  # Importing the same image again changes nothing. Without --force it would fail.
  az acr import --name "$registry" --source "$from" --image "$name:$tag" --force --output none ||
    fail "the image could not be imported; az says why above.
If it was not found, compare $from with what the release prints.
If its registry wants a login, import it with one, then run this command with --tag $tag in place of --from:
az acr import --name $registry --source $from --image $name:$tag --username NAME --password TOKEN"
}

build_image() {
  build_tag
  say "Building $repository:$tag"
  az acr build --registry "$registry" --image "$name:$tag" --target "$image" --file "$root/Dockerfile" "$root" ||
    fail "the image could not be built in registry $registry; az says why above.
If it says TasksOperationsNotAllowed, your subscription may not build there. Import a released image with --from, or
build on this machine:
  az acr login --name $registry
  docker build --platform linux/amd64 --target $image --tag $repository:$tag $root
  docker push $repository:$tag
If it says toomanyrequests, Docker Hub sends no more base images to Azure for now. Build on this machine as above, or
copy the base into a registry of yours, and add: --build-arg NODE_BASE=IMAGE
Then run this command with --tag $tag in place of --build"
}

# Sets $tag to the commit, or to the commit and the time, unless it was given. The two images of a commit differ in it.
build_tag() {
  if [[ -n $tag ]]; then
    return
  fi
  tag=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || tag=$(date -u +%Y%m%d%H%M%S)
  local kind=''
  [[ $image == functions ]] || kind=-$image
  # A new image needs a new tag, because the nodes do not pull a tag that they have already. So the time is added if files
  # have changed that the image is built from, and a values file is none of them. It is also added if the registry has an
  # image of the same files, because the new one may stand on a newer base.
  local -a inputs
  mapfile -t inputs < <(sed -n 's/^!//p' "$root/.dockerignore")
  if [[ -n $(git -C "$root" status --porcelain -- Dockerfile .dockerignore "${inputs[@]}" 2>/dev/null) ]] ||
    az acr repository show --name "$registry" --image "$name:$tag$kind" --output none 2>/dev/null; then
    tag+=-$(date -u +%Y%m%d%H%M%S)
  fi
  tag+=$kind
}
