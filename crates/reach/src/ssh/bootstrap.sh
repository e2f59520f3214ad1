# Puts the agent on a machine where it lacks, and becomes a relay to it. Every line for the other side begins with the
# nonce, so that whatever else is printed harms nothing. Only `main` runs anything: a shell may read ahead, and nothing
# may stand behind the last line until it was answered.
say() { printf '\n%s %s\n' "$nonce" "$*"; }
# The step that failed, and the words of who failed.
fault() {
  if [ -n "$part" ]; then rm -f "$part"; fi
  say fault "$1" "$(printf '%s' "$2" | tr '\n\r' '  ')"
  exit 1
}
digest_of() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi
}
receive() {
  command -v sha256sum >/dev/null 2>&1 || command -v shasum >/dev/null 2>&1 || fault missing sha256sum
  command -v head >/dev/null 2>&1 || fault missing head
  said=$(mkdir -p "$folder" 2>&1) || fault folder "$said"
  trap 'rm -f "$part"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  part=$folder/.agent-$digest.$$
  said=$({ : >"$part"; } 2>&1) || fault write "$said"
  say need
  said=$({ head -c "$size" >"$part"; } 2>&1) || fault write "$said"
  [ "$(wc -c <"$part")" -eq "$size" ] || fault short ''
  found=$(digest_of "$part")
  [ "${found%% *}" = "$digest" ] || fault digest "$found"
  said=$(chmod 755 "$part" 2>&1) || fault write "$said"
  said=$("$part" agent --envd-version 2>&1 </dev/null) || fault run "$said"
  said=$(mv -f "$part" "$agent" 2>&1) || fault write "$said"
  part=
  trap - EXIT HUP INT TERM PIPE
}
main() {
  nonce=$1 digest=$2 size=$3 machine=$4 folder=$5 sockets=$6 sandbox=$7 protocol=$8 part=
  LC_ALL=C
  export LC_ALL
  umask 077
  found=$(uname -s)/$(uname -m)
  case $machine in any | "$found") ;; *) fault machine "$found" ;; esac
  if [ -z "$folder" ]; then
    if [ -z "${XDG_CACHE_HOME:-$HOME}" ]; then fault folder 'no HOME is set'; fi
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/sandboxer
  fi
  agent=$folder/agent-$digest
  [ -x "$agent" ] && [ "$(wc -c <"$agent")" -eq "$size" ] || receive
  name=$protocol${sandbox:+-$sandbox}
  socket=${sockets:-$folder/$(uname -n)}/$name.sock
  # An address of a socket has 108 bytes.
  if [ ${#socket} -gt 100 ]; then socket=/tmp/sandboxer-$(id -u)/$name.sock; fi
  say socket "$socket"
  unset LC_ALL
  exec "$agent" agent --relay "$socket" --mark "$nonce-mark" ${sandbox:+--sandbox "$sandbox"}
}
