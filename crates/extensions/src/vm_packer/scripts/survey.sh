# Says what is known of the machine and of one sandbox's place on it, changes nothing. $1 is the folder of workspaces, where `~` may
# stand for the home; $2 the sandbox's own in it; $3 an account. Fields, each with a zero byte behind it; an answer without `whole` is none.
LC_ALL=C
export LC_ALL
home=$HOME
if [ -z "$home" ]; then home=$(cd && pwd); fi
case $1 in
  '~') base=$home ;;
  '~/'*) base=$home/${1#'~/'} ;;
  *) base=$1 ;;
esac
uid=$(id -u)
root=no
if [ "$uid" = 0 ]; then
  root=self
elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
  root=sudo
fi
become=sudo
if [ "$uid" = 0 ]; then
  become=su
  if command -v runuser >/dev/null 2>&1; then become=runuser; fi
fi
folder=$base/$2
standing=absent filled=no
if [ -h "$folder" ]; then
  standing=other
elif [ -d "$folder" ]; then
  standing=folder
  if [ -e "$folder/.filled" ]; then filled=yes; fi
elif [ -e "$folder" ]; then
  standing=other
fi
printf '%s\0' sandboxer-survey "$home" "$uid" "$root" "$become" "$base" "$standing" "$filled"
if [ "$standing" = folder ] && [ -f "$folder/.sandboxer" ] && [ ! -h "$folder/.sandboxer" ]; then
  head -c 4096 "$folder/.sandboxer" 2>/dev/null | tr -d '\000'
fi
printf '\0'
if [ -n "$3" ]; then
  while IFS= read -r line; do
    case $line in "$3":*) printf '%s' "$line" ;; esac
  done </etc/passwd
fi
printf '\0whole\0'
