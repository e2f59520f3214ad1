#!/bin/sh
# A sandbox of `ext.my-backend` from its beginning to its end, in a state directory of its own. `sandboxer` must be on the path.
set -eu
cd "$(dirname "$0")/.."
SANDBOXER_STATE=$(mktemp -d)
export SANDBOXER_STATE
leave() { # whatever happened, nothing stays
    sandboxer --quiet rm --all || echo 'a sandbox was left behind' >&2
    rm -rf "$SANDBOXER_STATE"
}
trap leave EXIT
sandboxer() { command sandboxer --catalog . "$@"; }
same() { # what, expected, found
    [ "$2" = "$3" ] || { printf 'not ok: %s: expected `%s`, found `%s`\n' "$1" "$2" "$3" >&2; exit 1; }
    echo "ok: $1"
}

same 'the manifest and the profile' 'no faults' "$(sandboxer ext check my-backend)"

sandboxer --quiet create my-backend --name tried -i note=hello -i size=2 > /dev/null
same 'a command' hello "$(sandboxer exec tried -- sh -c 'echo hello > greeting; cat greeting')"
same 'its label' 1 "$(sandboxer ext call my-backend list --quiet | jq '.sandboxes | length')"

refused=0
sandboxer create my-backend -i size=9 2> /dev/null || refused=$?
same 'a wrong input' 4 "$refused"

id=$(sandboxer --json show tried | jq -r .sandbox_id)
sandboxer --quiet rm tried > /dev/null
same 'its folder' gone "$([ -e "boxes/$id" ] && echo there || echo gone)"
same 'its agent' gone "$(pgrep -f "boxes/$id/agent" > /dev/null && echo there || echo gone)"
