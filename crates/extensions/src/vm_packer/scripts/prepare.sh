# An empty folder $1/work for whoever fills it: the user with the number $2.
umask 077
rm -rf "$1/work" && mkdir "$1/work" && chmod 700 "$1/work" || exit 22
[ "$(id -u)" = "$2" ] || chown "$2" "$1/work" || exit 22
