# One image for every service; the command names those that a container runs: `docker run IMAGE order`.
#
# They run from their TypeScript sources, as in every test: what was tested is what runs, stack traces name true lines, and
# no compiler is needed. Types are stripped and code is compiled once, while the image is built.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./
COPY packages/core/package.json packages/core/
COPY packages/logger/package.json packages/logger/
COPY packages/notify/package.json packages/notify/
COPY packages/order/package.json packages/order/
COPY packages/payment/package.json packages/payment/
COPY packages/pulsar/package.json packages/pulsar/
COPY examples/stack/package.json examples/stack/
RUN npm ci --workspace examples/stack --omit=dev --omit=optional --no-audit --no-fund
COPY third_party third_party
COPY packages packages
COPY examples/stack examples/stack
RUN mkdir -p /data node_modules/.cache && chown 1000:1000 /data node_modules/.cache
# What is compiled ahead is found by the user who compiled it.
USER 1000:1000
RUN node --conditions=paystream-source examples/stack/compile-ahead.ts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production PAYSTREAM_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app /app
COPY --from=build --chown=1000:1000 /data /data
USER 1000:1000
EXPOSE 3000 50051
# Says that the process answers: true also while a server that it needs is away, for a restart would not bring that back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "examples/stack/health.ts"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--conditions=paystream-source", "examples/stack/main.ts"]
