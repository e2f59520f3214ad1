# What is left of a sandbox, one thing a line, and `looked` at the end. 20: it is another owner's. 21: the engine does not
# answer.
cli=$1 docker_host=$2 folder=$3 owner=$4 mark=$5 project=$6
if [ -n "$docker_host" ]; then export "DOCKER_HOST=$docker_host"; fi
if [ -e "$folder/owner" ] && [ "$(cat "$folder/owner")" != "$owner" ]; then exit 20; fi
left() {
  kind=$1
  shift
  found=$(each "$@") || exit 21
  for item in $found; do printf '%s %s\n' "$kind" "$item"; done
}
each() {
  case $1 in
    images) "$cli" "$@" --filter "label=sandboxer.built=$mark" || return ;;
    *) "$cli" "$@" --filter "label=sandboxer.compose=$mark" || return ;;
  esac
  case $1 in network | volume) "$cli" "$@" --filter "label=com.docker.compose.project=$project" ;; esac
}
left container ps -aq --no-trunc
left network network ls -q
left volume volume ls -q
left image images -q --no-trunc
if [ -e "$folder" ] || [ -L "$folder" ]; then printf 'folder %s\n' "$folder"; fi
printf 'looked\n'
