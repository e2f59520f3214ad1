# The folders of one owner: the id and what is kept of it, each ended by NUL. Then, after an empty field, the labels of
# that owner's containers, one object a line.
cli=$1 docker_host=$2 root=$3 owner=$4
if [ -n "$docker_host" ]; then export "DOCKER_HOST=$docker_host"; fi
for folder in "$root"/*; do
  [ -d "$folder" ] && [ "$(cat "$folder/owner" 2>/dev/null)" = "$owner" ] || continue
  printf '%s\000' "${folder##*/}"
  if [ -e "$folder/about" ]; then cat "$folder/about" || exit; fi
  printf '\000'
done
printf '\000'
containers=$("$cli" ps -aq --no-trunc --filter "label=sandboxer.owner=$owner" --filter label=sandboxer.compose) || exit 21
if [ -n "$containers" ]; then "$cli" inspect --type container --format '{{json .Config.Labels}}' $containers || exit 22; fi
