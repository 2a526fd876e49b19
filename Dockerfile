# Two images of one build; modules and settings come from outside, nothing secret is in a layer.
#   functions (the default)  the app on the Azure Functions host:        docker build -t dispatcher .
#   standalone               the app on the small host of host/:          docker build -t dispatcher --target standalone .
# Only what every builder knows is used, BuildKit or not: `az acr build` has the older one.
# Node 22: 20 gets no security fixes since April 2026, and both bases have it.

FROM node:22-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY build.js tsconfig.json host.json LICENSE ./
COPY functions functions/
COPY host host/
COPY shared shared/
COPY tools tools/
RUN npm run build

FROM node:22-bookworm-slim AS standalone
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dispatcher-standalone" \
      org.opencontainers.image.description="One Kubernetes Job per Azure Service Bus message, on a small host of its own." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The heap's limits are those of the README's figures: without them Node takes more than it needs. Override them for more open runs. Two arenas are
# plenty for a process that works in one thread; with one for each, glibc keeps some 15 MiB of freed memory more.
ENV MALLOC_ARENA_MAX=2 \
    NODE_ENV=production \
    NODE_OPTIONS="--max-old-space-size=96 --max-semi-space-size=8" \
    MODULES_DIR=/etc/dispatcher/modules
WORKDIR /app
COPY --from=build /src/package.json /src/host.json /src/LICENSE /src/dist/third-party-notices.txt ./
COPY --from=build /src/dist/functions/index.js dist/functions/
COPY --from=build /src/dist/host/main.js dist/host/
COPY --from=build /src/dist/tools/*.js dist/tools/
# `node` of the base, by number: a kubelet can't tell that a name is not root.
USER 1000:1000
EXPOSE 8080
# No shell in between: the signal that asks it to drain reaches the host itself.
ENTRYPOINT ["node", "dist/host/main.js", "--app", "dist/functions/index.js", "--host-json", "host.json", "--address", "0.0.0.0", "--port", "8080"]

FROM mcr.microsoft.com/azure-functions/node:4-node22 AS functions
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dispatcher" \
      org.opencontainers.image.description="One Kubernetes Job per Azure Service Bus message, on the Azure Functions host." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# - The base listens on port 80 as root. A port over 1,024 needs no root. Nor does a directory under /tmp: the host keeps its keys in the storage account, and
#   tells by a file that they changed, which it would write beside its own program. All else that it writes is under /tmp by default (its logs, FunctionsData).
# - Without DRAIN_ON_APP_STOPPING the host ends on SIGTERM with its listeners still taking messages.
# - Its console is off by default. The limits of the heap, and of arenas, are the README's, for the worker, which runs the app.
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    FUNCTIONS_SECRETS_PATH=/tmp/Functions/Secrets \
    MALLOC_ARENA_MAX=2 \
    languageWorkers__node__arguments="--max-old-space-size=96 --max-semi-space-size=8" \
    MODULES_DIR=/etc/dispatcher/modules
WORKDIR /home/site/wwwroot
COPY --from=build /src/package.json /src/host.json /src/LICENSE /src/dist/third-party-notices.txt ./
COPY --from=build /src/dist/functions/index.js dist/functions/
COPY --from=build /src/dist/tools/*.js dist/tools/
# `app` of .NET's images.
USER 1654:1654
EXPOSE 8080
# The base's start script would install certificates as root first, which nothing here needs; the host as the first process gets the signal itself.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
