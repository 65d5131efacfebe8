//! Every key there is: what is understood, and what the design has but this version doesn't.
//!
//! This is the one table. A key that is in neither list is unknown; one in `later` is refused as not yet
//! supported; none is ever ignored, save those that begin with `x-`.

/// The keys of one kind of table.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The table as it is written, for messages and for the page that documents it.
    pub(crate) title: &'static str,
    /// The keys that are understood.
    pub(crate) now: &'static [&'static str],
    /// The keys that are refused as not yet supported.
    pub(crate) later: &'static [&'static str],
}

/// The top of the file.
pub(crate) const TOP: Keys = Keys {
    title: "the fleet file",
    now: &[
        "name",
        "include",
        "protected_paths",
        "defaults",
        "groups",
        "hosts",
        "changes",
        "checks",
        "confirm",
        "rollout",
        "hooks",
        "history",
    ],
    later: &["inventory", "secrets"],
};

/// `[defaults]`.
pub(crate) const DEFAULTS: Keys = Keys {
    title: "[defaults]",
    now: &[
        "become",
        "proxy_jump",
        "ssh_config",
        "known_hosts",
        "port",
        "user",
        "address",
        "identity_file",
        "connect_timeout",
        "host_key",
        "protected",
        "tags",
        "vars",
        "was",
    ],
    later: &[],
};

/// `[hosts."..."]`: the same keys.
pub(crate) const HOST: Keys = Keys { title: "[hosts.\"...\"]", now: DEFAULTS.now, later: DEFAULTS.later };

/// `[groups.NAME]`: the keys of a host and `on`.
pub(crate) const GROUP: Keys = Keys {
    title: "[groups.NAME]",
    now: &[
        "on",
        "become",
        "proxy_jump",
        "ssh_config",
        "known_hosts",
        "port",
        "user",
        "address",
        "identity_file",
        "connect_timeout",
        "host_key",
        "protected",
        "tags",
        "vars",
        "was",
    ],
    later: &[],
};

/// `was = { ... }`.
pub(crate) const WAS: Keys = Keys {
    title: "was",
    now: &["address", "port", "user", "identity_file", "proxy_jump", "host_key"],
    later: &[],
};

/// `[[changes]]` of the kind `files`.
pub(crate) const FILES: Keys = Keys {
    title: "[[changes]] of the kind \"files\"",
    now: &["name", "on", "kind", "where", "allow", "files", "validate", "handlers", "timeout"],
    later: &["secrets"],
};

/// `[[changes]]` of the kind `script`.
pub(crate) const SCRIPT: Keys = Keys {
    title: "[[changes]] of the kind \"script\"",
    now: &[
        "name",
        "on",
        "kind",
        "where",
        "allow",
        "facts",
        "unless",
        "apply",
        "rollback",
        "after",
        "watch",
        "irreversible",
        "timeout",
    ],
    later: &["secrets"],
};

/// `[[changes.files]]`.
pub(crate) const FILE: Keys = Keys {
    title: "[[changes.files]]",
    now: &[
        "source",
        "content",
        "symlink_to",
        "dest",
        "template",
        "mode",
        "dir_mode",
        "owner",
        "group",
        "purge",
    ],
    later: &[],
};

/// `{ file = "..." }` where a command is expected.
pub(crate) const COMMAND: Keys = Keys { title: "a command", now: &["file"], later: &[] };

/// `[[checks]]`.
pub(crate) const CHECK: Keys = Keys {
    title: "[[checks]]",
    now: &[
        "name",
        "on",
        "where",
        "run",
        "use",
        "with",
        "interval",
        "timeout",
        "min_healthy_time",
        "healthy_deadline",
        "failure_limit",
        "required",
        "baseline",
    ],
    later: &["secrets"],
};

/// `with` of `use = "http"`.
pub(crate) const HTTP: Keys = Keys {
    title: "`with` of use = \"http\"",
    now: &["url", "connect_to", "status", "contains", "headers"],
    later: &[],
};

/// `with` of `use = "tcp"`.
pub(crate) const TCP: Keys = Keys { title: "`with` of use = \"tcp\"", now: &["host", "port"], later: &[] };

/// `with` of `use = "ssh"`.
pub(crate) const SSH: Keys = Keys { title: "`with` of use = \"ssh\"", now: &[], later: &[] };

/// `[confirm]`.
pub(crate) const CONFIRM: Keys = Keys {
    title: "[confirm]",
    now: &[
        "timeout",
        "apply_timeout",
        "hard_cap",
        "settle",
        "kex",
        "failsafe",
        "failsafe_reboot",
        "mode",
        "probes",
        "via",
        "scope",
    ],
    later: &[],
};

/// `[rollout]`.
pub(crate) const ROLLOUT: Keys = Keys {
    title: "[rollout]",
    now: &[
        "canary",
        "serial",
        "bake_time",
        "auto_promote",
        "gate_timeout",
        "max_failures",
        "unreachable",
        "rollback_scope",
        "progress_deadline",
        "parallel",
        "connect_parallel",
    ],
    later: &[],
};

/// `[hooks]`.
pub(crate) const HOOKS: Keys = Keys {
    title: "[hooks]",
    now: &["pre_deploy", "post_deploy", "on_failure", "on_rollback", "timeout"],
    later: &[],
};

/// `[history]`.
pub(crate) const HISTORY: Keys = Keys { title: "[history]", now: &["keep"], later: &[] };

/// The kinds of change that the design has and this version doesn't.
pub(crate) const LATER_KINDS: &[&str] = &[
    "service", "package", "release", "sysctl", "nftables", "network", "ssh_keys", "sshd", "user", "nixos",
    "reboot",
];

/// The named checks that the design has and this version doesn't.
pub(crate) const LATER_CHECKS: &[&str] = &[
    "default",
    "default-route",
    "dns",
    "reach",
    "listening",
    "service-active",
    "no-failed-units",
    "disk-free",
    "time-synced",
    "process",
    "tls",
    "ping",
];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[&Keys] = &[
        &TOP, &DEFAULTS, &HOST, &GROUP, &WAS, &FILES, &SCRIPT, &FILE, &COMMAND, &CHECK, &HTTP, &TCP, &SSH,
        &CONFIRM, &ROLLOUT, &HOOKS, &HISTORY,
    ];

    /// Where the page explains the keys of a table: from this line to the next heading or table of keys.
    fn section(keys: &Keys) -> &'static str {
        let titled = |title: &str| keys.title.contains(title);
        match keys.title {
            "the fleet file" => "## The top of the file",
            "was" => "| key of `was` |",
            "[[changes.files]]" => "`[[changes.files]]` takes one of",
            "a command" => "## Commands",
            "[[checks]]" => "## Checks",
            "[confirm]" => "## Time limits",
            "[rollout]" => "## Rollout",
            "[hooks]" => "## Hooks",
            "[history]" => "## History",
            _ if titled("\"files\"") || titled("\"script\"") => "## Changes",
            _ if titled("\"http\"") => "`with` for `use = \"http\"`:",
            _ if titled("\"tcp\"") => "`with` for `use = \"tcp\"`:",
            _ => "## Hosts",
        }
    }

    #[test]
    fn every_key_of_every_table_is_explained_in_its_section_of_the_page() {
        let page = include_str!("../../../docs/fleet-toml.md");
        let mut missing = Vec::new();
        for keys in ALL {
            let (_, rest) =
                page.split_once(section(keys)).unwrap_or_else(|| panic!("no section for {}", keys.title));
            let end = rest.find("\n## ").unwrap_or(rest.len());
            for key in keys.now {
                let row = rest[..end]
                    .lines()
                    .any(|line| line.starts_with('|') && line.contains(&format!("`{key}`")));
                if !row {
                    missing.push(format!("{key} of {}", keys.title));
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_refused_for_now_is_listed_on_the_page() {
        let page = include_str!("../../../docs/fleet-toml.md");
        let (_, list) = page.split_once("## Not yet supported").unwrap();
        let later = ALL.iter().flat_map(|keys| keys.later).chain(LATER_KINDS).chain(LATER_CHECKS);
        let missing: Vec<&&str> = later.filter(|word| !list.contains(&format!("`{word}`"))).collect();
        assert_eq!(missing, Vec::<&&str>::new());
    }

    #[test]
    fn no_key_is_both_understood_and_refused_and_a_group_takes_what_a_host_takes() {
        for keys in ALL {
            assert!(keys.now.iter().all(|key| !keys.later.contains(key)), "{}", keys.title);
        }
        assert!(HOST.now.iter().all(|key| GROUP.now.contains(key)));
    }
}
