#!/usr/bin/env bash
# Prepares the release of the tag GITHUB_REF_NAME. Refuses a wrong tag before anything is published. Writes the notes to
# notes.md and the bases of the images to release/base-images.txt. The outputs of the step are the version, the names of
# both images, and the bases.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${GITHUB_REF_NAME#v}
node .ci/release-notes.js "$version" > notes.md
mkdir release
.ci/base-images.sh > release/base-images.txt
# Names are in lower case, because a registry accepts no others.
{
  echo "version=$version"
  echo "functions=ghcr.io/${GITHUB_REPOSITORY,,}:$version"
  echo "standalone=ghcr.io/${GITHUB_REPOSITORY,,}:$version-standalone"
  cat release/base-images.txt
} >> "$GITHUB_OUTPUT"
