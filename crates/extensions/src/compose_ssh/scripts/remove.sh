# Removes a sandbox: whatever bears its labels or its project's, then its folder. The same words remove it when its lease
# runs out. Every line says what was removed. 20: it is another owner's. 21: the engine does not answer.
cli=$1 docker_host=$2 folder=$3 owner=$4 mark=$5 project=$6
export LC_ALL=C
if [ -n "$docker_host" ]; then export "DOCKER_HOST=$docker_host"; fi
if [ -e "$folder/owner" ] && [ "$(cat "$folder/owner")" != "$owner" ]; then exit 20; fi
cd / || exit
# The project's label stands on images, too, and so on containers that somebody runs by hand of one that was built here: they
# are none of ours.
each() {
  case $1 in
    images) "$cli" "$@" --filter "label=sandboxer.built=$mark" || return ;;
    *) "$cli" "$@" --filter "label=sandboxer.compose=$mark" || return ;;
  esac
  case $1 in network | volume) "$cli" "$@" --filter "label=com.docker.compose.project=$project" ;; esac
}
# all KIND LISTING... : what is listed, each once.
all() { found=$(each "$@") || exit 21; printf '%s\n' "$found" | sort -u; }
# rid KIND ITEM COMMAND...: removes the item by the command.
rid() {
  kind=$1 item=$2
  shift 2
  if "$cli" "$@" "$item" >/dev/null; then printf '%s %s\n' "$kind" "$item"; fi
}
images=
if [ -d "$folder" ]; then
  # Of use when containers have left files that only they may remove.
  "$cli" ps -a --filter "label=sandboxer.compose=$mark" --format '{{.Image}}' >>"$folder/images"
  images=$(sort -u "$folder/images")
fi
# What was asked for just before may come to life meanwhile.
for round in 1 2 3; do
  containers=$(all ps -aq --no-trunc) || exit
  [ -n "$containers" ] || break
  for container in $containers; do rid container "$container" rm -f -v; done
done
if [ "$cli" = podman ] && podman pod exists "pod_$project"; then rid pod "pod_$project" pod rm -f; fi
networks=$(all network ls -q) || exit
for network in $networks; do rid network "$network" network rm; done
volumes=$(all volume ls -q) || exit
for volume in $volumes; do rid volume "$volume" volume rm -f; done
if [ -e "$folder" ]; then
  if ! rm -rf -- "$folder" 2>/dev/null; then
    if [ "$cli" = podman ]; then podman unshare rm -rf -- "$folder"; fi
    for image in $images; do
      [ -d "$folder/work" ] || break
      "$cli" run --rm --pull never --network none --user 0 --entrypoint rm --label "sandboxer.compose=$mark" \
        -v "$folder/work:/sandboxer" "$image" -rf -- /sandboxer >/dev/null 2>&1
      rm -rf -- "$folder" 2>/dev/null
    done
    rm -rf -- "$folder"
  fi
  [ -e "$folder" ] || printf 'folder %s\n' "$folder"
fi
# The last one takes along what the first one made.
above=${folder%/*}
case $above in
  */.local/share/sandboxer/compose)
    for part in compose sandboxer share .local; do
      rmdir "$above" 2>/dev/null || break
      above=${above%/*}
    done
    ;;
esac
images=$(all images -q --no-trunc) || exit
for image in $images; do rid image "$image" rmi -f; done
exit 0
