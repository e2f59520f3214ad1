# For each path: what it really is, what kind of thing is there, and its contents when they are wanted; each ended by NUL.
wanted=$1 largest=$2
shift 2
for path; do
  # Of a path that is not there, what its deepest folder really is.
  there=$path rest=
  while [ ! -e "$there" ] && [ ! -L "$there" ] && [ "$there" != / ] && [ -n "$there" ]; do
    rest=/${there##*/}$rest there=${there%/*}
  done
  # The dot keeps line feeds at the end of a name.
  real=$(readlink -f -- "${there:-/}" && printf .) || real=
  real=${real%.}
  real=${real%?}
  if [ -z "$real" ]; then kind=lost rest=; elif [ -n "$rest" ]; then kind=none; elif [ -d "$path" ]; then kind=folder; elif [ -f "$path" ]; then kind=file; else kind=other; fi
  printf '%s\000%s%s\000%s\000' "$path" "$real" "$rest" "$kind"
  if [ "$wanted" = contents ] && [ "$kind" = file ]; then head -c "$largest" -- "$path" | tr -d '\000'; fi
  printf '\000'
done
