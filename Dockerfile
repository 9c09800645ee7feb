# syntax=docker/dockerfile:1
# Two stages: one compiles, the other carries what runs and nothing else.
ARG BASE=node:lts-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build && npm prune --omit=dev

FROM ${BASE}
ENV NODE_ENV=production \
    BTCR2_CONFIG=/data/btcr2-aggregator.toml
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN ln -s /app/dist/main.js /usr/local/bin/btcr2-aggregator \
 && ln -s /app/dist/wallet/main.js /usr/local/bin/btcr2-wallet \
 && chmod +x dist/main.js dist/wallet/main.js \
 && groupadd --system --gid 10001 btcr2 \
 && useradd --system --uid 10001 --gid btcr2 --home-dir /data --create-home btcr2 \
 && chmod 700 /data
USER btcr2
VOLUME /data
STOPSIGNAL SIGTERM
# The control socket answers only while the daemon runs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["btcr2-aggregator", "status", "--json"]
ENTRYPOINT ["btcr2-aggregator"]
CMD ["run"]
