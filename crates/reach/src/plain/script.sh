# What a plain session needs of a machine. Names begin with an underscore, so that a command's environment may have any
# other. Nothing may stand behind the last line until it was answered: a shell may read ahead.
say() { printf '\n%s %s\n' "$_nonce" "$*"; }
fault() {
  say fault "$1"
  exit 1
}
main() {
  _nonce=$1 _verb=$2
  shift 2
  _left=$#
  while [ "$_left" -gt 0 ]; do
    # The dot keeps line feeds at the end.
    _value=$(printf '%b.' "$1")
    shift
    set -- "$@" "${_value%.}"
    _left=$((_left - 1))
  done
  # Here, too: what a login says on its standard error is nobody's.
  printf '\n%s begun\n' "$_nonce" >&2
  "do_$_verb" "$@"
  printf '\n%s exit %s\n' "$_nonce" "$?" >&2
  exit 0
}
do_exec() {
  _cwd=$1 _stdin=$2 _count=$3
  shift 3
  while [ "$_count" -gt 0 ]; do
    export "$1"
    shift
    _count=$((_count - 1))
  done
  if [ -n "$_cwd" ]; then cd -- "$_cwd" >/dev/null 2>&1 || fault directory; fi
  case $1 in
    */*)
      if [ ! -e "$1" ]; then fault command; fi
      if [ ! -x "$1" ] || [ -d "$1" ]; then fault executable; fi
      ;;
    *) command -v -- "$1" >/dev/null 2>&1 || fault command ;;
  esac
  if [ "$_stdin" = 0 ]; then exec </dev/null; fi
  /bin/sh -c 'printf "\n%s begun %s\n" "$0" "$$"; exec "$@"' "$_nonce" "$@"
}
do_read() {
  if [ ! -e "$1" ]; then fault absent; fi
  if [ -d "$1" ]; then fault folder; fi
  if [ ! -r "$1" ]; then fault denied; fi
  say begun
  cat <"$1"
}
# Where it is put, and its folder. What arrived is counted, and the caller decides.
do_put() {
  LC_ALL=C mkdir -p -- "$2" || return 1
  say begun
  LC_ALL=C cat >"$1" || return 1
  wc -c <"$1"
}
# From there to its name, with these permission bits or those that were.
do_commit() {
  if [ -d "$2" ]; then
    rm -f -- "$1"
    fault folder
  fi
  say begun
  _mode=$3
  if [ -z "$_mode" ] && [ -e "$2" ]; then _mode=$(stat -c %a -- "$2"); fi
  LC_ALL=C chmod -- "${_mode:-644}" "$1" && LC_ALL=C mv -f -- "$1" "$2"
}
do_simple() {
  LC_ALL=C
  export LC_ALL
  say begun
  case $1 in
    folder)
      if [ -e "$2" ]; then
        echo 'File exists' >&2
        return 1
      fi
      mkdir -p -- "$2"
      ;;
    rename) mv -f -T -- "$2" "$3" ;;
    remove) rm -rf -- "$2" ;;
    mode) chmod -- "$3" "$2" ;;
    symlink) ln -s -f -n -- "$3" "$2" ;;
    link) ln -f -T -- "$3" "$2" ;;
    signal) kill "-$3" "$2" ;;
  esac
}
