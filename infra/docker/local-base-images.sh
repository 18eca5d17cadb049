#!/usr/bin/env bash
# Makes the three images that Holdfast's containers build on, for machines that reach Debian's packages and npm but no
# image registry. They bear the names of the official images and keep to their contracts as far as Holdfast uses them.
# Not for production. Needs root, debootstrap and an installed workspace. See docs/operations.md, "Containers".
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

node_image=$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)
image_constant() { sed -n "s/^export const $1 = \"\(.*\)\";/\1/p" infra/local/src/store-settings.ts; }
postgres_image=$(image_constant POSTGRES_IMAGE)
redis_image=$(image_constant REDIS_IMAGE)
postgres_binaries=$(node --input-type=module --eval \
  'import { nativeFolder } from "./infra/local/src/postgres-binaries.ts"; console.log(nativeFolder())')

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# from_debian SUITE PACKAGE…: the root of a minimal Debian with these packages, without what only apt needs.
from_debian() {
  local suite=$1 root="$scratch/$1"
  shift
  echo "installing Debian $suite with $*"
  debootstrap --variant=minbase --include="$(IFS=,; echo "$*")" "$suite" "$root" > "$scratch/debootstrap.log" 2>&1 ||
    { tail -n 20 "$scratch/debootstrap.log"; return 1; }
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
}

# to_image ROOT NAME CHANGE…: a directory as an image.
to_image() {
  local root=$1 name=$2
  shift 2
  tar --create --numeric-owner --directory "$root" . | docker import "${@/#/--change=}" - "$name" > "$scratch/id"
  echo "$name  $(head -c 19 "$scratch/id")"
}

from_debian bookworm ca-certificates
node_root="$scratch/bookworm"
cp --dereference node_modules/node/bin/node "$node_root/usr/local/bin/node"
npm install --silent --global --prefix "$node_root/usr/local" npm@11
# What this machine trusts, npm in the image must trust, too: the way to npm may lead through a proxy.
cp /etc/ssl/certs/ca-certificates.crt "$node_root/etc/ssl/certs/"
chroot "$node_root" useradd --create-home --uid 1000 node
to_image "$node_root" "$node_image" 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
  'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' 'CMD ["node"]'

from_debian trixie redis-server postgresql-client-17
stores_root="$scratch/trixie"
install -d --owner="$(chroot "$stores_root" id -u redis)" "$stores_root/data"
to_image "$stores_root" "$redis_image" 'WORKDIR /data' 'VOLUME /data' 'EXPOSE 6379' \
  'CMD ["redis-server", "--protected-mode", "no"]'

cp --recursive "$postgres_binaries" "$stores_root/opt/postgresql"
install --mode=755 infra/docker/local-postgres-entrypoint.sh "$stores_root/usr/local/bin/docker-entrypoint.sh"
chroot "$stores_root" useradd --system --uid 999 --home-dir /var/lib/postgresql postgres
install -d --owner=999 --group=999 --mode=1777 "$stores_root/var/lib/postgresql" "$stores_root/run/postgresql"
to_image "$stores_root" "$postgres_image" 'ENV PATH=/opt/postgresql/bin:/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin' \
  'ENV PGDATA=/var/lib/postgresql/18/docker' 'VOLUME /var/lib/postgresql' 'EXPOSE 5432' \
  'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]'
