# Makes the sandbox's folder, and says so, or finds that it is this very sandbox's. Reads what is kept of it from standard
# input.
# 20: it is another owner's. 21: it was made with other inputs. 22: it cannot be made.
folder=$1 owner=$2 digest=$3
umask 077
made=
# The end of another sandbox removes the folder above when it is empty.
for try in 1 2 3 4 5; do
  mkdir -p "${folder%/*}" || exit 22
  if mkdir "$folder" 2>/dev/null; then made=yes; fi
  [ -d "$folder" ] && break
done
if [ -n "$made" ]; then
  printf 'made\n'
  # Whose it is comes first, and at once: a folder without it was left by an attempt that died right there.
  printf '%s' "$owner" >"$folder/owner.new" && mv -f "$folder/owner.new" "$folder/owner" || exit 22
fi
[ -d "$folder" ] || exit 22
if [ -e "$folder/owner" ]; then
  [ "$(cat "$folder/owner")" = "$owner" ] || exit 20
else
  printf '%s' "$owner" >"$folder/owner.new" && mv -f "$folder/owner.new" "$folder/owner" || exit 22
fi
if [ -e "$folder/inputs" ]; then
  [ "$(cat "$folder/inputs")" = "$digest" ] || exit 21
else
  cat >"$folder/about.new" && mv -f "$folder/about.new" "$folder/about" || exit 22
  printf '%s' "$digest" >"$folder/inputs.new" && mv -f "$folder/inputs.new" "$folder/inputs" || exit 22
fi
umask 022
[ -d "$folder/work" ] || mkdir "$folder/work" || exit 22
exit 0
