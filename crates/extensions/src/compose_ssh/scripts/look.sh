# What the machine has: its home, and the first compose tool whose engine answers. Every line is a word and the rest.
say() { printf '%s %s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ')"; }
# docker_of TOOL VERSION: TOOL works if its engine answers.
docker_of() {
  say has docker
  if said=$(docker version --format '{{.Server.Version}}' 2>&1); then
    say "$1" "$2"
    say engine "$said"
    exit 0
  fi
  say down "$said"
}
export LC_ALL=C
say home "$HOME"
say docker_host "$DOCKER_HOST"
if command -v docker >/dev/null 2>&1; then
  if version=$(docker compose version --short 2>/dev/null); then
    docker_of plugin "$version"
  elif version=$(docker-compose version --short 2>/dev/null); then
    docker_of standalone "$version"
  else
    if docker version >/dev/null 2>&1; then say has docker; fi
    say lacks 'docker is there, and has no compose'
  fi
fi
if command -v podman >/dev/null 2>&1; then
  say has podman
  if ! version=$(podman-compose --version 2>/dev/null); then
    say lacks 'podman is there, and podman-compose is not'
  elif ! podman-compose config --help >/dev/null 2>&1; then
    # What runs is what the tool itself resolved, and this one tells nobody.
    say lacks 'podman-compose is there, and too old: it has no `config`'
  elif said=$(podman version --format '{{.Version}}' 2>&1); then
    say podman "$version"
    say engine "$said"
    exit 0
  else
    say down "$said"
  fi
fi
exit 0
