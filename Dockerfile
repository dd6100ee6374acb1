# The image of Huiju. docker-compose.yml builds and runs it together with MongoDB; by itself, on the embedded store:
#   docker build --tag huiju .
#   docker run --init --read-only --cap-drop ALL --security-opt no-new-privileges --env HUIJU_ALLOW_PLAIN_HTTP=1 \
#     --env TMPDIR=/srv/huiju/data --publish 127.0.0.1:8080:8080 --volume huiju-data:/srv/huiju/data huiju

# The Node that package.json pins for development.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No dependency needs its install script: drivers carry their binaries, and the Node that is pinned is this image's.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY bin ./bin
COPY schemas ./schemas
COPY src ./src
RUN node bin/build.js && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Huiju" \
      org.opencontainers.image.description="An open STIX/TAXII 2.1 server and the sharing community around it" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/node:24.21.0-bookworm-slim"
COPY --from=build /build/node_modules /opt/huiju/node_modules
COPY --from=build /build/dist /opt/huiju/dist
COPY package.json LICENSE /opt/huiju/
COPY bin/huiju.js /opt/huiju/bin/
COPY docker/healthcheck.js /opt/huiju/docker/
# Where ./collections and ./data, the defaults, are looked for.
WORKDIR /srv/huiju
COPY collections ./collections
# The user `node` of the base image, by number, so that orchestrators can see that it is not root.
RUN ln -s /opt/huiju/bin/huiju.js /usr/local/bin/huiju && install -d -o 1000 -g 1000 -m 0700 data
USER 1000:1000
# Of a container only what is published is reached. Huiju wants TLS here, or to be told that it may do without.
# The options make uncached pages cheaper: short-lived buffers stay in the processor's cache, and are freed early.
ENV NODE_ENV=production HUIJU_HOST=0.0.0.0 NODE_OPTIONS="--max-semi-space-size=16 --expose-gc"
EXPOSE 8080
# Running requests finish; `docker stop` should wait 45 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --start-interval=2s --retries=3 \
  CMD ["node", "/opt/huiju/docker/healthcheck.js"]
CMD ["huiju", "serve"]
