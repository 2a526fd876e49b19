# Builds two images from one build stage. They hold no modules, no settings and no secrets; these come from outside.
#   functions (the default)  the app on the Azure Functions host:  docker build -t dispatcher .
#   standalone               the app on the small host of host/:   docker build -t dispatcher --target standalone .
# The bases are build arguments, so that another registry can stand in for Docker Hub. Their tags move; the release
# builds from the digests that they have then, and publishes these:  --build-arg NODE_BASE=node@sha256:...
# The file uses only what the builder before BuildKit knows, because `az acr build` has that one. Both images have Node
# 24, which gets security fixes until April 2028, and which the Functions host supports.

ARG NODE_BASE=node:24-bookworm-slim
ARG FUNCTIONS_BASE=mcr.microsoft.com/azure-functions/node:4-node24

FROM ${NODE_BASE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY build.js tsconfig.json host.json LICENSE ./
COPY cli cli/
COPY functions functions/
COPY host host/
COPY shared shared/
COPY ui ui/
RUN npm run build

FROM ${NODE_BASE} AS standalone
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dispatcher-standalone" \
      org.opencontainers.image.description="Runs one Kubernetes Job per Azure Service Bus message, on a small host of its own." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The limits of the heap are those with which the published figures were measured. Without them Node takes more than it
# needs. Override them for more open runs. Two arenas are enough for a process that works in one thread. Without that
# limit glibc keeps about 15 MiB more of freed memory. The trim threshold is glibc's own first value. glibc raises it
# when large blocks are freed, unless it is set, and then keeps about 20 MiB of them.
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    NODE_ENV=production \
    NODE_OPTIONS="--max-old-space-size=96 --max-semi-space-size=8" \
    MODULES_DIR=/etc/dispatcher/modules
WORKDIR /app
COPY --from=build /src/package.json /src/host.json /src/LICENSE /src/dist/third-party-notices.txt ./
COPY --from=build /src/dist/functions/index.js dist/functions/
COPY --from=build /src/dist/host/main.js dist/host/
COPY --from=build /src/dist/cli/*.js dist/cli/
COPY --from=build /src/dist/ui/* dist/ui/
# The user `node` of the base image, by number, because a kubelet cannot tell whether a name is root.
USER 1000:1000
EXPOSE 8080
# Starts the host without a shell, so that SIGTERM reaches the host itself, which then drains.
ENTRYPOINT ["node", "dist/host/main.js", "--app", "dist/functions/index.js", "--host-json", "host.json", "--address", "0.0.0.0", "--port", "8080"]

FROM ${FUNCTIONS_BASE} AS functions
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dispatcher" \
      org.opencontainers.image.description="Runs one Kubernetes Job per Azure Service Bus message, on the Azure Functions host." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# - ASPNETCORE_URLS moves the host to port 8080, because it runs without root here, and the base's port 80 needs root.
# - FUNCTIONS_SECRETS_PATH moves the files by which the host notices changed keys under /tmp. By default it writes them
#   beside its own program, which takes root. The keys themselves are in the storage account, and all other files that
#   it writes are under /tmp by default.
# - FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING lets the host stop its listeners first on SIGTERM. Without it, they take
#   messages until the process ends.
# - Logging__Console__IsEnabled turns the host's console log on, which is off by default.
# - MALLOC_* and the heap's limits are those of the standalone image, for the worker, which runs the app.
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    FUNCTIONS_SECRETS_PATH=/tmp/Functions/Secrets \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    languageWorkers__node__arguments="--max-old-space-size=96 --max-semi-space-size=8" \
    MODULES_DIR=/etc/dispatcher/modules
WORKDIR /home/site/wwwroot
COPY --from=build /src/package.json /src/host.json /src/LICENSE /src/dist/third-party-notices.txt ./
COPY --from=build /src/dist/functions/index.js dist/functions/
COPY --from=build /src/dist/cli/*.js dist/cli/
COPY --from=build /src/dist/ui/* dist/ui/
# The user `app` of .NET's images, by number.
USER 1654:1654
EXPOSE 8080
# Starts the host without the base's start script, which would install certificates as root that nothing here needs. As
# the first process, the host gets SIGTERM itself.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
