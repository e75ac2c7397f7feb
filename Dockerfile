# One image for each service: docker build --build-arg SERVICE=patient --build-arg PORT=3002 .
# It holds the service, its migrations and the command line: docker run … IMAGE migrate status

FROM node:24-slim AS build
WORKDIR /app
# Empty: npm's own default. A company's mirror otherwise; where it asks for a token, name one that may only read.
ARG NPM_CONFIG_REGISTRY=
# Downloads by lockfile alone, so that this layer stays until a dependency changes. Only the store is kept: what is in it for other
# packages must not become part of an image.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY docker docker
RUN sh docker/pnpm.sh fetch --prod && rm -rf node_modules
COPY . .
ARG SERVICE
RUN sh docker/pnpm.sh install --prod --frozen-lockfile --offline --filter "${SERVICE}..."
# The other services' code has no business in this image.
RUN mv "services/${SERVICE}" /tmp/service && rm -rf services tooling docker && mkdir services && mv /tmp/service "services/${SERVICE}"

FROM node:24-slim
ARG SERVICE
ARG PORT
COPY --from=build /app /app
WORKDIR /app/services/${SERVICE}
# All interfaces: in a container, its own address is not the one that is asked for.
ENV HOST=0.0.0.0 PORT=${PORT} PATH=/app/services/${SERVICE}/node_modules/.bin:$PATH
# A number, since not every image names a user for it.
USER 1000:1000
EXPOSE ${PORT}
# Ready means: the schema is current. A first start with long migrations takes as long as they do.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# In exec form: a shell in between would keep SIGTERM to itself.
CMD ["node", "--conditions=@org/source", "src/main.ts"]
