#!/usr/bin/env bash
# Starts the images dispatcher:ci and dispatcher-standalone:ci without root and with a read-only file system. The
# standalone one has to name the missing setting before it ends, and the host of the other one has to listen.
set -euo pipefail
readonly CONFINED=(--read-only --tmpfs /tmp --cap-drop ALL)

said=$(docker run --rm "${CONFINED[@]}" dispatcher-standalone:ci 2>&1) || true
echo "$said"
if [[ $said != *'ServiceBus is missing'* ]]; then
  echo "start-images: the standalone image does not say that the setting ServiceBus is missing; its output is above" >&2
  exit 1
fi

container=$(docker run --detach "${CONFINED[@]}" dispatcher:ci)
for ((seconds = 0; seconds < 120; seconds += 2)); do
  said=$(docker logs "$container" 2>&1)
  if grep -q 'Now listening on: .*:8080' <<< "$said"; then
    exit 0
  fi
  sleep 2
done
echo "$said"
echo "start-images: the Functions host does not listen on port 8080 after two minutes; its output is above" >&2
exit 1
