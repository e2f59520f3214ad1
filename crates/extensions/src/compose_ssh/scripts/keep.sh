# Keeps standard input as a file, at once or not at all.
umask 077
cat >"$1.new" && mv -f "$1.new" "$1"
