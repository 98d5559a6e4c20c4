"""Where a cluster's files live; pure, so that the verbs and the engine agree without asking each other."""

from collections.abc import Mapping


def state_dir(name: str, env: Mapping[str, str], root: bool) -> str:
    """The default state directory of the cluster `name` ($XDG_STATE_HOME, or /var/lib for root)."""
    if base := env.get("XDG_STATE_HOME"):
        return f"{base}/clusterctl/{name}"
    if root:
        return f"/var/lib/clusterctl/{name}"
    return f"{env.get('HOME', '/')}/.local/state/clusterctl/{name}"


def config_candidates(env: Mapping[str, str]) -> tuple[str, ...]:
    """Where a configuration is looked for, in order, when none is named."""
    home = env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '/')}/.config"
    named = (env["CLUSTERCTL_CONFIG"],) if env.get("CLUSTERCTL_CONFIG") else ()
    return (
        *named,
        "./clusterctl.toml",
        f"{home}/clusterctl/clusterctl.toml",
        "/etc/clusterctl/clusterctl.toml",
    )


def socket_path(state: str) -> str:
    return f"{state}/clusterctl.sock"
