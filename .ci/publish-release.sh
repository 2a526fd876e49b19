#!/usr/bin/env bash
# Pushes the images FUNCTIONS and STANDALONE, and makes a release on GitHub of the tag GITHUB_REF_NAME, with all that is
# in release/. Its notes say by which digest each image is imported, and on which bases it stands.
set -euo pipefail
cd "$(dirname "$0")/.."

# Pushes an image, and adds its name with the digest that it has in the registry to release/images.txt.
push() {
  local digest
  docker push --quiet "$1"
  digest=$(docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}')
  echo "${1%:*}@$digest" >> release/images.txt
}
push "$FUNCTIONS"
push "$STANDALONE"
cat >> notes.md << TEXT

### Images

\`infra/deploy.sh\` imports one with \`--from\`: first that on the Azure Functions host, then that on the small host.

$(sed 's/^/    /' release/images.txt)

They stand on these bases:

$(sed 's/^/    /' release/base-images.txt)
TEXT

(cd release && sha256sum -- * > ../SHA256SUMS && mv ../SHA256SUMS .)
# A version with a hyphen, such as 1.2.3-rc.1, does not become the latest.
case $GITHUB_REF_NAME in *-*) kind=--prerelease ;; *) kind=--latest ;; esac
gh release create "$GITHUB_REF_NAME" --verify-tag --title "$GITHUB_REF_NAME" --notes-file notes.md "$kind" release/*
