# Ends a sandbox where no agent can run: $1 is its name, $2 its folder, $3 what its mark begins with, $4 the name it had before. What is left
# is for the next look to find.
LC_ALL=C
export LC_ALL
if [ -d "$2" ] && [ ! -h "$2" ] && [ -f "$2/.sandboxer" ] && [ ! -h "$2/.sandboxer" ]; then
  IFS= read -r line <"$2/.sandboxer"
  [ "$line" = "$3" ] || exit 0
elif [ -e "$2" ] || [ -h "$2" ]; then
  exit 0
fi
folder=$(cd -P "$2" 2>/dev/null && pwd -P)
own() {
  tr '\000' '\n' <"/proc/$1/environ" 2>/dev/null | grep -qx "SANDBOXER_SANDBOX=$name" && return 0
  [ -n "$folder" ] || return 1
  case $(readlink "/proc/$1/cwd" 2>/dev/null) in "$folder" | "$folder"/*) return 0 ;; esac
  return 1
}
name=$1
for signal in TERM KILL KILL KILL; do
  found=0
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    if [ "$pid" != "$$" ] && [ "$pid" != "$PPID" ] && own "$pid"; then
      found=1
      kill -s "$signal" "$pid" 2>/dev/null
    fi
  done
  if [ "$found" = 0 ]; then break; fi
  sleep 1
done
rm -rf "$4" "$2"
