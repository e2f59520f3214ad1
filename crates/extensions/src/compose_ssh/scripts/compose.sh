# Runs a compose tool in a folder, with nothing of the login's surroundings that a compose file could ask for. What comes
# from standard input is kept in a file first, and a text in another one once it has succeeded, where these are named.
directory=$1 file=$2 last=$3 text=$4
shift 4
if [ -n "$file" ]; then
  (umask 077 && cat >"$file.new" && mv -f "$file.new" "$file") || exit 125
fi
cd "$directory" || exit 125
env -i "PATH=$PATH" "HOME=$HOME" ${USER:+"USER=$USER"} ${TMPDIR:+"TMPDIR=$TMPDIR"} \
  ${DOCKER_HOST:+"DOCKER_HOST=$DOCKER_HOST"} ${DOCKER_CONFIG:+"DOCKER_CONFIG=$DOCKER_CONFIG"} \
  ${DOCKER_CONTEXT:+"DOCKER_CONTEXT=$DOCKER_CONTEXT"} ${DOCKER_TLS_VERIFY:+"DOCKER_TLS_VERIFY=$DOCKER_TLS_VERIFY"} \
  ${DOCKER_CERT_PATH:+"DOCKER_CERT_PATH=$DOCKER_CERT_PATH"} ${DOCKER_BUILDKIT:+"DOCKER_BUILDKIT=$DOCKER_BUILDKIT"} \
  ${CONTAINER_HOST:+"CONTAINER_HOST=$CONTAINER_HOST"} ${CONTAINERS_CONF:+"CONTAINERS_CONF=$CONTAINERS_CONF"} \
  ${CONTAINERS_STORAGE_CONF:+"CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF"} \
  ${XDG_RUNTIME_DIR:+"XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR"} ${XDG_CONFIG_HOME:+"XDG_CONFIG_HOME=$XDG_CONFIG_HOME"} \
  ${XDG_DATA_HOME:+"XDG_DATA_HOME=$XDG_DATA_HOME"} ${DBUS_SESSION_BUS_ADDRESS:+"DBUS_SESSION_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS"} \
  LC_ALL=C.UTF-8 COMPOSE_EXPERIMENTAL_GIT_REMOTE=0 COMPOSE_EXPERIMENTAL_OCI_REMOTE=0 COMPOSE_MENU=0 \
  COMPOSE_DISABLE_ENV_FILE=0 COMPOSE_IGNORE_ORPHANS=1 COMPOSE_PATH_SEPARATOR=: "$@" || exit
if [ -n "$last" ]; then
  (umask 077 && printf '%s' "$text" >"$last.new" && mv -f "$last.new" "$last") || exit 125
fi
