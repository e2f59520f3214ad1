# Tells what stands in the folder $1: fields, each with a zero byte behind it. Then comes the first of the other files that
# is there: what an earlier sync had sent. Everything is found from the folder itself, so that nobody can exchange it meanwhile.
LC_ALL=C
export LC_ALL
target=$1 count=0 found=0
shift
for record; do
  count=$((count + 1))
  # One that cannot be replaced is of no use.
  if [ -f "$record" ] && [ ! -h "$record" ] && [ -r "$record" ] && [ -w "${record%/*}" ]; then
    exec 3<"$record"
    found=$count
    break
  fi
done
if [ -h "$target" ]; then
  printf 'link\0'
elif cd -P "$target" 2>/dev/null; then
  printf 'folder\0%s\0' "$found"
  if find . -maxdepth 0 -printf '' 2>/dev/null; then
    printf 'fields\0'
    find . -mindepth 1 -printf '%y\0%m\0%s\0%T@\0%P\0%l\0' 2>/dev/null
    printf 'end\0'
  elif stat -c '%f %s %Y %n' . >/dev/null 2>&1; then
    printf 'lines\0'
    find . ! -name . -exec stat -c '%f %s %Y %n' {} + 2>/dev/null
    printf '\0'
  else
    printf 'nothing\0'
  fi
  [ "$found" = 0 ] || cat <&3
elif [ -e "$target" ]; then
  printf 'other\0'
else
  printf 'absent\0'
fi
