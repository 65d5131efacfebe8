//! The fleet file to begin with.

use snapback_core::host::HostName;

/// Returns the text of a short fleet file that runs as it stands, for `deploy init HOST...`.
///
/// Its change is harmless and easy to see: one text file that nothing reads.
#[must_use]
pub fn starter(hosts: &[HostName]) -> String {
    let example = || HostName::parse("app01.example.org").into_iter().collect();
    let hosts = if hosts.is_empty() { example() } else { hosts.to_vec() };
    let tables: String = hosts.iter().map(|host| format!("[hosts.\"{host}\"]\n")).collect();
    STARTER.replace("@HOSTS@\n", &tables)
}

const STARTER: &str = r#"# Try it:   deploy plan         what would change; nothing is touched
#           deploy fleet.toml   plan, ask, change; each host undoes it itself unless it can be reached again
# Every key: docs/fleet-toml.md

# The hosts, as you type them after `ssh`. Your own ssh configuration is used.
@HOSTS@

# What shall be so on each of them. This one puts a text file in place that nothing reads.
[[changes]]
name = "hello"
kind = "files"

[[changes.files]]
dest = "/etc/snapback-hello"
content = """
Hello, {{ host.name }}.
"""

# A host is only confirmed when its checks pass and a fresh ssh connection gets in.
[[checks]]
name = "hello"
run = "test -s /etc/snapback-hello"
"#;
