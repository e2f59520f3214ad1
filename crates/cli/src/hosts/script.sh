# Read by the shell of the machine that is asked, behind a line that sets N. Every line of the answer begins with N, which
# nobody else knows, so that what a login's own files print is not taken for an answer.
{
LC_ALL=C
export LC_ALL
say() { printf '\n%s %s %s\n' "$N" "$1" "$(printf '%s' "$2" | tr '\n\r\t' '   ' | cut -c 1-200)"; }
has() { command -v "$1" >/dev/null 2>&1; }
free() { df -Pk "$1" 2>/dev/null | awk 'END { print $4 }'; }
limited() { if has timeout; then timeout 10 "$@"; else "$@"; fi; }

say began "$(date +%s)"
say system "$(uname -s)"
say machine "$(uname -m)"
say distribution "$( (. /etc/os-release && printf '%s %s' "$ID" "$VERSION_ID") 2>/dev/null)"
say user "$(id -un)"
say shell "$SHELL"
say home "$HOME"
say home_free "$(free "$HOME")"
say tmp_free "$(free /tmp)"

place=$(mktemp -d "$HOME/.sandboxer-check.XXXXXX" 2>/dev/null)
if [ -z "$place" ]; then
    say home_runs unwritable
else
    if printf '#!/bin/sh\nexit 0\n' 2>/dev/null >"$place/program"; then
        chmod 700 "$place/program"
        if "$place/program" >/dev/null 2>&1; then say home_runs yes; else say home_runs no; fi
    else
        say home_runs unwritable
    fi
    rm -rf "$place"
fi

engine() {
    if ! has "$1"; then
        say engine_fault "there is no command $1"
    elif answer=$(limited "$@" 2>&1); then
        say engine "$(printf '%s\n' "$answer" | tail -n 1)"
    else
        say engine_fault "$(printf '%s\n' "$answer" | grep -v '^ *$' | head -n 1)"
    fi
}
if has docker && version=$(limited docker compose version --short 2>/dev/null) && [ -n "$version" ]; then
    say compose "docker compose"
    say compose_version "$version"
    engine docker version --format '{{.Server.Version}}'
elif has docker-compose && version=$(limited docker-compose version --short 2>/dev/null) && [ -n "$version" ]; then
    say compose docker-compose
    say compose_version "$version"
    engine docker version --format '{{.Server.Version}}'
elif has podman-compose; then
    say compose podman-compose
    say compose_version "$(limited podman-compose --version 2>/dev/null | sed -n 's/^podman-compose version:* *//p' | head -n 1)"
    engine podman info --format '{{.Version.Version}}'
fi

daemon=$(command -v sshd 2>/dev/null || echo /usr/sbin/sshd)
say startups "$("$daemon" -T 2>/dev/null | awk '$1 == "maxstartups" { print $2 }')"
say ended "$(date +%s)"
exit 0
} </dev/null
