#!/usr/bin/env bash
# Prints each base image of the Dockerfile with the digest that its tag has now, as a build argument:
#   NODE_BASE=node:24-bookworm-slim@sha256:...
# Needs docker with buildx.
set -euo pipefail
cd "$(dirname "$0")/.."

while IFS='=' read -r argument image; do
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
  if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
    echo "base-images: docker prints '$digest' for $image, which is no digest. Correct $argument in the Dockerfile" >&2
    exit 1
  fi
  printf '%s=%s@%s\n' "$argument" "$image" "$digest"
done < <(sed -n 's/^ARG \(.*_BASE=.*\)$/\1/p' Dockerfile)
