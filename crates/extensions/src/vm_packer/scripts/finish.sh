# Gives what was filled to whom it is for: the account $2 of the folder $1, which gets the agent $3, too; nobody else where that is empty.
umask 077
# What was filled may have brought a mode of its own.
chmod 700 "$1/work" || exit 22
if [ -n "$2" ]; then
  # What was sent is remembered where the account can read and replace it.
  if [ -f "$1/.work.sandboxer-sync" ]; then
    place=$1/work/.sandboxer-sync
    if [ -d "$1/work/.git" ] && [ ! -h "$1/work/.git" ]; then place=$1/work/.git/sandboxer-sync; fi
    mv -f "$1/.work.sandboxer-sync" "$place" || exit 22
  fi
  chown -h -R "$2:$2" "$1/work" || exit 22
  if [ -n "$3" ]; then
    rm -f "$1/agent" && cp "$3" "$1/agent.new" && chmod 755 "$1/agent.new" && mv -f "$1/agent.new" "$1/agent" || exit 22
  fi
fi
: >"$1/.filled" && chmod 644 "$1/.filled" || exit 22
