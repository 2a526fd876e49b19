#!/usr/bin/env bash
# Packs chart and images of VERSION into release/. FUNCTIONS and STANDALONE name the images, which docker has.
set -euo pipefail
cd "$(dirname "$0")/.."

helm package keda --version "$VERSION" --app-version "$VERSION" --destination release
docker save "$FUNCTIONS" | gzip > "release/dispatcher-$VERSION-image.tar.gz"
docker save "$STANDALONE" | gzip > "release/dispatcher-standalone-$VERSION-image.tar.gz"
