# One image for every service: which one a container runs is its argument, the gateway unless told otherwise.
#   docker build --tag holdfast .
#   docker run … holdfast services/reservation-worker/src/main.ts
# Node runs the sources as they are, in the shape of the workspace: it strips no types below node_modules.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required=false \
    npm install --global "$(node --print 'require("./package.json").packageManager')"
COPY infra/local/package.json infra/local/
COPY packages/access-token/package.json packages/access-token/
COPY packages/bench/package.json packages/bench/
COPY packages/client/package.json packages/client/
COPY packages/load/package.json packages/load/
COPY packages/contracts/package.json packages/contracts/
COPY packages/db/package.json packages/db/
COPY packages/domain/package.json packages/domain/
COPY packages/event-queue/package.json packages/event-queue/
COPY packages/runtime/package.json packages/runtime/
COPY packages/system-tests/package.json packages/system-tests/
COPY packages/testkit/package.json packages/testkit/
COPY packages/webhooks/package.json packages/webhooks/
COPY services/expiry-worker/package.json services/expiry-worker/
COPY services/gateway/package.json services/gateway/
COPY services/migrator/package.json services/migrator/
COPY services/reservation-worker/package.json services/reservation-worker/
COPY services/waitlist-worker/package.json services/waitlist-worker/
COPY services/webhook-worker/package.json services/webhook-worker/
# The services and what they need at work: no package that only tests and the local start use.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required=false \
    --mount=type=cache,id=pnpm,target=/pnpm/store \
    pnpm install --prod --frozen-lockfile --store-dir=/pnpm/store --package-import-method=copy \
      --filter-prod='{./services/*}...'

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="A reservation engine for scarce tickets" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app ./
COPY LICENSE ./
COPY docs docs
COPY packages packages
COPY services services
USER node
EXPOSE 3000 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--max-semi-space-size=64", "--no-allocation-site-pretenuring", "--invocation-count-for-turbofan=500"]
CMD ["services/gateway/src/main.ts"]
