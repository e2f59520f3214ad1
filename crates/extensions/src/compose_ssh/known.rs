//! What is let through by its name.

/// Keys of a service that give it nothing of the machine, beside those that are looked into.
pub(super) const HARMLESS: &[&str] = &[
    "attach",
    "cap_drop",
    "command",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "develop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "init",
    "isolation",
    "labels",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "networks",
    "pids_limit",
    "platform",
    "ports",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "working_dir",
];

/// Keys of a build that give it nothing of the machine, beside those that are looked into.
pub(super) const HARMLESS_IN_BUILDS: &[&str] = &[
    "args",
    "dockerfile_inline",
    "extra_hosts",
    "isolation",
    "labels",
    "no_cache",
    "platforms",
    "provenance",
    "pull",
    "sbom",
    "shm_size",
    "tags",
    "target",
    "ulimits",
];

/// Keys of networks, volumes, secrets and configs that are only theirs.
pub(super) const HARMLESS_IN_RESOURCES: &[&str] =
    &["attachable", "content", "enable_ipv4", "enable_ipv6", "internal", "ipam", "labels", "name"];

/// Where engines write logs of their own.
pub(super) const LOGGING_DRIVERS: [&str; 5] = ["", "none", "local", "json-file", "journald"];
/// Notably not `path`, by which some engines write the log wherever it says.
pub(super) const LOGGING_OPTIONS: [&str; 10] = [
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "max-buffer-size",
    "max-file",
    "max-size",
    "mode",
    "tag",
];
/// What is built from where no file is named, as one tool or another has it, and what it leaves out of what it reads.
pub(super) const DOCKERFILES: [&str; 8] = [
    "Containerfile",
    "ContainerFile",
    "containerfile",
    "Dockerfile",
    "DockerFile",
    "dockerfile",
    ".containerignore",
    ".dockerignore",
];
