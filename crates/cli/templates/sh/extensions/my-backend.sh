#!/bin/sh
# A sandbox is a folder of its id below `config.root`, and in it an agent that runs commands. Each request has a process.
set -eu
request=$(cat)
answered=no folder=
[ -n "$request" ] || exit 0

ask() { printf %s "$request" | jq "$@"; }
answer() { # the other members of the answer, and more arguments of jq
    members=$1; shift
    line=$(ask -c "$@" "{jsonrpc: \"2.0\", id, $members}")
    answered=yes
    printf '%s\n' "$line"
    exit
}
refuse() { # one of JSON-RPC's own errors
    answer "error: {code: $1, message: \$message}" --arg message "$2"
}
fail() { # kind, retry, residue, message, and other members of `data`
    data="{kind: \"$1\", retry: \"$2\", residue: \"$3\"} + ${5:-null}"
    answer "error: {code: -32000, message: \$message, data: ($data)}" --arg message "$4"
}
# An answer is owed, too, when a command fails, and when a cancel comes, which is a SIGTERM for the whole group.
leave() {
    status=$?
    [ "$answered" = no ] || exit "$status"
    trap '' TERM
    residue=none
    [ -e "$folder" ] && residue=present
    [ "$status" = 143 ] && fail cancelled never "$residue" 'the call was cancelled'
    fail internal backoff unknown "a command ended with $status"
}
trap leave EXIT
trap 'exit 143' TERM

if [ "$(ask -s length 2> /dev/null)" != 1 ]; then
    request=null
    refuse -32700 'this is no JSON'
fi
words=$(ask -r '
    def text(word): try (word | if type == "string" then . else "" end) catch "";
    (type == "object" and .jsonrpc == "2.0" and (.method | type) == "string"
        and (if has("id") then .id | type == "string" else true end)) as $is_message |
    @sh "is_message=\($is_message) has_id=\(try has("id") catch true) protocol=\(try .params._meta.protocol catch null | tojson)",
    @sh "method=\(text(.method)) id=\(text(.params.sandbox_id)) owner=\(text(.params._meta.owner))",
    @sh "root=\(text(.params.config.root))"')
eval "$words"
if [ "$is_message" = false ]; then
    request=null
    refuse -32600 'this is no request'
fi
if [ "$has_id" = false ]; then # a notification
    answered=yes
    exit
fi
case $protocol in
1 | null) ;;
*) fail unsupported never none 'this extension does not speak that protocol' '{details: {protocols: [1]}}' ;;
esac
case $method in
describe)
    answer 'result: {id: .params._meta.ext, version: "0.1.0", protocols: [1], verbs: ["list", "status"],
        features: ["labels", "idempotent"]}' ;;
provision | wait_ready | teardown | status)
    case $id in '' | -* | *[!a-z0-9-]*) refuse -32602 '`sandbox_id` is no id' ;; esac ;;
list) ;;
*) refuse -32601 'there is no such method' ;;
esac
if [ "$method" = provision ]; then
    faults=$(ask -c '.params.inputs | [
        (keys[] | select(. != "note" and . != "size") | {field: ., message: "there is no such input"}),
        (select(has("note")) | .note | select(type != "string") | {field: "note", message: "it is a text"}),
        (select(has("size")) | .size | select(type != "number" or . != floor or . < 1 or . > 8)
            | {field: "size", message: "it is a whole number from 1 to 8"})]')
    [ "$faults" = '[]' ] || fail invalid_input after_fix none 'the inputs do not fit' "{fields: $faults}"
fi

# The file says that the backend is there. A folder that is missing is a backend that does not answer, not one without boxes.
[ -r "$root/.backend" ] || fail unavailable backoff unknown "the backend \`$root\` does not answer"
root=$(cd "$root" && pwd -P)
folder=$root/$id
# One call at a time, so that two of one id make one box. The kernel drops the lock with this process.
exec 9< "$root/.backend"
flock 9
if [ "$method" = list ]; then
    request=$({
        printf '%s\n' "$request"
        for kept in "$root"/*/request; do [ ! -e "$kept" ] || cat "$kept"; done
    } | jq -cs --arg owner "$owner" '.[0] + {boxes: [.[1:][].params | select(._meta.owner == $owner)]}')
    answer 'result: {sandboxes: .boxes | map({sandbox_id, host, labels})}'
fi

# What is being made or removed: the folder itself is there with its labels, or not at all, wherever this process is killed.
unfinished=$root/.$id
# Whatever works in the folder, and the agent, by its arguments: in this order, since it leaves the folder once it has them.
processes() {
    {
        find /proc/[0-9]*/cwd -maxdepth 0 -printf '%h %l\n' 2> /dev/null | while read -r process place; do
            case $place in "$folder"/*) echo "$process" ;; esac
        done
        # The word comes by the standard input, so that whoever looks for it does not find itself.
        echo "unix:$folder/agent" | grep -lszxFf - /proc/[0-9]*/cmdline
    } | cut -d / -f 3
}
is_empty() { [ -z "$(processes)" ]; }

if [ -e "$folder" ] && [ "$(jq -r .params._meta.owner "$folder/request")" != "$owner" ]; then
    fail forbidden after_fix present 'it belongs to another owner'
fi
case $method in
provision)
    if [ ! -e "$folder" ]; then
        rm -rf "$unfinished"
        mkdir -p "$unfinished/workspace"
        ask -c 'del(.params.secrets)' > "$unfinished/request"
        mv -T "$unfinished" "$folder"
    elif [ "$(ask --slurpfile kept "$folder/request" '.params.inputs == $kept[0].params.inputs')" = false ]; then
        fail conflict after_fix present 'it exists with other inputs'
    fi
    # Also when it existed: whoever made it may have been killed before this line.
    if is_empty; then
        rm -f "$folder/agent"
        # In the folder from the first moment on, so that it is found wherever this process is killed; in a session of its
        # own before it is there, since the group of this process ends with it; and without the lock.
        (
            cd "$folder/workspace"
            exec setsid setsid --fork sandboxer agent --listen "unix:$folder/agent" < /dev/null > "$folder/log" 2>&1 9>&-
        )
    fi
    answer 'result: {handle: {sandbox_id: .params.sandbox_id, host: .params.host}}' ;;
wait_ready)
    [ -e "$folder" ] || fail not_found after_fix none 'there is no such sandbox'
    exec 9>&-
    until [ -S "$folder/agent" ]; do
        ! is_empty || fail not_ready never present "its agent has ended: $(tail -c 500 "$folder/log")"
        sleep 0.02
    done
    answer 'result: {reachability: {host: .params.handle.host, remote_dir: $dir, agent: $agent}}' \
        --arg dir "$folder/workspace" --arg agent "unix:$folder/agent" ;;
teardown)
    found=already_absent
    [ ! -e "$folder" ] || found=removed
    patience=100
    until is_empty; do
        found=removed
        # Asked to end, an agent ends its commands first.
        if [ "$patience" -gt 0 ]; then signal=TERM; else signal=KILL; fi
        for process in $(processes); do
            kill "-$signal" "$process" 2> /dev/null || [ ! -e "/proc/$process" ]
        done
        patience=$((patience - 1))
        sleep 0.02
    done
    if [ -e "$folder" ]; then
        rm -rf "$unfinished"
        mv -T "$folder" "$unfinished"
    fi
    rm -rf "$unfinished"
    answer "result: {report: {$found: [\$what], complete: true}}" --arg what "$folder and its agent" ;;
status)
    state=absent
    if [ -e "$folder" ]; then
        state=stopped
        is_empty || state=running
    fi
    answer 'result: {state: $state}' --arg state "$state" ;;
esac
