#!/usr/bin/env bash
# R6, tried for real: builds the image, starts the system with three workers as docker-compose.yml has it, sells tickets
# in a rush, kills a worker, sells again, and takes everything away. The last line is PASS or FAIL. Needs Docker with
# Compose 2.20 or newer. Options for the build, where its network is special: BUILD_OPTIONS="--network host".
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

# A project, an image and ports of its own: a system that runs on this machine is not touched.
export COMPOSE_PROJECT_NAME=holdfast-try HOLDFAST_IMAGE=holdfast-try GATEWAY_PORT=0 POSTGRES_PORT=0
export HOLDFAST_MODE=local RATE_LIMITS=off
source infra/docker/local.env
export JWT_SECRET WEBHOOK_ENCRYPTION_KEY

finish() {
  local status=$?
  [ "$status" = 0 ] || docker compose logs --no-log-prefix --tail 20
  docker compose --progress quiet down --volumes --timeout 10
  if [ "$status" = 0 ]; then echo PASS; else echo FAIL; fi
}
trap finish EXIT
say() { echo "== $*"; }

rush() {
  export DATABASE_URL="postgresql://holdfast:$POSTGRES_PASSWORD@$(docker compose port postgres 5432)/holdfast"
  node infra/local/src/cli.ts demo --url "http://$(docker compose port gateway 3000)" --buyers 500 --tickets 150 --clients 100
}

running_workers() { docker compose ps --quiet --status running reservation-worker | wc -l; }

say "building the image"
# shellcheck disable=SC2086
docker build --quiet ${BUILD_OPTIONS:-} --tag "$HOLDFAST_IMAGE" .

say "starting the system with three workers"
docker compose --progress quiet up --detach --wait --scale reservation-worker=3
[ "$(running_workers)" = 3 ]

say "a rush"
rush

say "a worker dies, and is started again"
worker=$(docker compose ps --quiet reservation-worker | head -n 1)
docker exec "$worker" node --eval 'process.kill(Number(process.argv[1]), "SIGKILL")' \
  "$(docker exec "$worker" cat /proc/1/task/1/children)"
rush
docker compose --progress quiet up --detach --wait --scale reservation-worker=3
[ "$(docker inspect --format '{{.RestartCount}}' "$worker")" = 1 ]
[ "$(running_workers)" = 3 ]

say "every service stops by itself within five seconds"
before=$SECONDS
docker compose --progress quiet stop gateway reservation-worker expiry-worker waitlist-worker webhook-worker
[ $((SECONDS - before)) -le 5 ]
for container in $(docker compose ps --all --quiet gateway reservation-worker expiry-worker waitlist-worker webhook-worker migrator); do
  [ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" = 0 ]
done
