# Makes the account $1 with the comment $2 and the home $3, where there is none of that name.
if ! grep -q "^$1:" /etc/passwd; then
  if command -v useradd >/dev/null 2>&1; then
    useradd --no-create-home --no-log-init --user-group --shell /bin/sh --home-dir "$3" --comment "$2" "$1" || exit 22
  elif command -v adduser >/dev/null 2>&1; then
    adduser -D -H -s /bin/sh -h "$3" -g "$2" "$1" || exit 22
  else
    printf 'neither useradd nor adduser is there\n' >&2
    exit 22
  fi
fi
grep -q "^$1:" /etc/passwd || exit 22
