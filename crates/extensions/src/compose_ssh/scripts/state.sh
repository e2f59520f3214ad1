# How a sandbox is: what its folder says of it, NUL, and what the engine says of its containers.
cli=$1 docker_host=$2 folder=$3 owner=$4 mark=$5
if [ -n "$docker_host" ]; then export "DOCKER_HOST=$docker_host"; fi
if [ -d "$folder" ]; then
  [ "$(cat "$folder/owner" 2>/dev/null)" = "$owner" ] || exit 20
  if [ -e "$folder/handle" ]; then cat "$folder/handle" || exit; else printf '{}'; fi
fi
printf '\000'
containers=$("$cli" ps -aq --no-trunc --filter "label=sandboxer.compose=$mark") || exit 21
if [ -z "$containers" ]; then printf '[]'; else "$cli" inspect --type container $containers || exit 22; fi
