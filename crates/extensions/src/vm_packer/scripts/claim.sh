# Makes the folder $1/$2 with the standard input as its mark, at once or not at all; says `stands` where something stands there.
# $3 is the name it has until then, $4 its mode, $5 that of the folders above it that lack.
base=$1 name=$2 new=$3
umask "$5"
mkdir -p "$base" || exit 22
umask 077
if [ -e "$base/$name" ] || [ -h "$base/$name" ]; then
  printf 'stands\n'
  exit 0
fi
rm -rf "$base/$new" && mkdir "$base/$new" && cat >"$base/$new/.sandboxer" || exit 22
[ -s "$base/$new/.sandboxer" ] && chmod 644 "$base/$new/.sandboxer" && chmod "$4" "$base/$new" || exit 22
mv "$base/$new" "$base/$name" || exit 22
# Had somebody made one meanwhile, ours would be in it.
if [ -e "$base/$name/$new" ]; then
  rm -rf "${base:?}/$name/$new"
  printf 'stands\n'
  exit 0
fi
printf 'made\n'
