# Changes the folder $1 as the standard input says. $2 is which of the files behind it keeps what was sent, 0 for the first that can be
# written. The numbers are lengths of what comes first: the record until all has arrived, and from then on, and names of folders
# to open, files and links to remove, and folders to remove if they are empty. Behind all of them comes an archive.
LC_ALL=C
export LC_ALL
umask 077
target=$1 chosen=$2 one=$3 two=$4 three=$5 before=$6 after=$7 open=$8
shift 8
unlink=$1 rmdir=$2 archive=$3
# A machine's agent does it through no link, whoever exchanges names meanwhile. What follows is for where there is none.
if [ -n "${SANDBOXER_AGENT-}" ]; then
  exec "$SANDBOXER_AGENT" agent --unpack "$target" --beside "$one" -- \
    "$chosen" "$before" "$after" "$open" "$unlink" "$rmdir" "$archive"
fi
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
# So many bytes of the standard input, and not one more: what is behind them is somebody else's.
exactly() {
  if [ "$whole" = 0 ]; then head -c "$1"; return; fi
  if [ "$1" -ge 65536 ]; then dd bs=65536 count=$(($1 / 65536)) iflag=fullblock 2>/dev/null || return; fi
  if [ $(($1 % 65536)) -gt 0 ]; then dd bs=$(($1 % 65536)) count=1 iflag=fullblock 2>/dev/null; fi
}
# A new file, through no link that stands there.
keep() {
  rm -f "$record.new" || return 1
  set -C
  exactly "$1" >"$record.new" || return 1
  set +C
  [ "$(wc -c <"$record.new")" -eq "$1" ]
}
may_hold() {
  [ -d "${1%/*}" ] && [ ! -h "${1%/*}" ] && (set -C && rm -f "$1.new" && : >"$1.new") 2>/dev/null && rm -f "$1.new"
}
# Some read ahead, and others cannot be told not to.
whole=0
if dd bs=1 count=1 iflag=fullblock </dev/null >/dev/null 2>&1; then whole=1; fi
if [ -h "$target" ]; then fail "$target is a link"; fi
mkdir -p "$target" || exit 1
case $chosen in
  1) record=$one ;;
  2) record=$two ;;
  3) record=$three ;;
  *)
    record=
    for candidate in "$one" "$two" "$three"; do
      if may_hold "$candidate"; then
        record=$candidate
        break
      fi
    done
    ;;
esac
[ -n "$record" ] || fail "$target: Permission denied"
if [ "$before" -gt 0 ]; then
  keep "$before" || fail "$record: cannot be written"
  mv -f "$record.new" "$record" || exit 1
fi
if [ "$after" -gt 0 ]; then keep "$after" || fail "$record: cannot be written"; fi
inside=0
if [ "$record" = "$three" ]; then inside=1; fi
case $record in /*) ;; *) record=$(pwd -P)/$record ;; esac
cd -P "$target" || exit 1
if [ "$open" -gt 0 ]; then exactly "$open" | xargs -0 chmod u+rwx || exit 1; fi
if [ "$unlink" -gt 0 ]; then exactly "$unlink" | xargs -0 rm -f || exit 1; fi
# One in which the sandbox has made something stays.
if [ "$rmdir" -gt 0 ]; then exactly "$rmdir" | xargs -0 rmdir 2>/dev/null; fi
if [ "$archive" = 1 ]; then
  command -v tar >/dev/null 2>&1 || fail 'tar is missing'
  tar -xopf - || exit 1
fi
if [ "$after" -gt 0 ]; then mv -f "$record.new" "$record" || exit 1; fi
# A repository that came only now is a better place: there nobody sees it.
if [ "$inside" = 1 ] && [ -f "$record" ] && [ -d .git ] && [ ! -h .git ]; then
  mv -f "$record" .git/sandboxer-sync 2>/dev/null || exit 0
fi
