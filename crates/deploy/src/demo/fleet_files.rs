//! The demo's fleet files: the shipped example as it is, and what it takes to reach these hosts.

use super::host::DemoHost;
use super::playground::Playground;
use anyhow::{Context, Result};
use std::fs;

/// The example that ships, unchanged.
const EXAMPLE: &str = include_str!("../../../../fleet.example.toml");
const EXAMPLE_NAME: &str = "fleet.example.toml";

/// The fleet file of the first act: the example and how its hosts are reached.
pub(crate) const ACT_ONE: &str = "fleet.toml";
/// That of the second act: the same with two slips in it, and less time to confirm.
pub(crate) const ACT_TWO: &str = "slips.toml";

const IMPATIENT_NAME: &str = "fleet.example.6s.toml";
const PATIENT: &str = "timeout = \"60s\"";
const IMPATIENT: &str = "timeout = \"6s\"";

/// Writes them all.
pub(super) fn write(playground: &Playground) -> Result<()> {
    let put = |name: &str, text: String| {
        fs::write(playground.dir.join(name), text).with_context(|| format!("{name} can't be written"))
    };
    put(EXAMPLE_NAME, EXAMPLE.to_owned())?;
    put(IMPATIENT_NAME, EXAMPLE.replacen(PATIENT, IMPATIENT, 1))?;
    let hosts = &playground.hosts;
    let right = |host: &DemoHost| reached(playground, host, host.port, &playground.visitor.public_key);
    let good: String = hosts.iter().map(right).collect();
    put(ACT_ONE, format!("include = [\"{EXAMPLE_NAME}\"]\n{good}"))?;
    let [app1, app2, app3] = hosts;
    let wrong_key = reached(playground, app2, app2.port, &playground.strange_key()?);
    let wrong_port = reached(playground, app3, playground.wrong_port, &playground.visitor.public_key);
    let slips = [right(app1), wrong_key, wrong_port].concat();
    put(ACT_TWO, format!("include = [\"{IMPATIENT_NAME}\"]\n{slips}"))
}

/// A host by its exact name, which refines the example's range: how it is reached, and what is its own. The port and
/// the key that sshd is given are values like any other, so they can be wrong.
fn reached(playground: &Playground, host: &DemoHost, ssh_port: u16, admin_key: &str) -> String {
    let dir = playground.dir.display();
    format!(
        r#"
[hosts."{name}"]
address = "127.0.0.1"
port = {port}
user = "{user}"
identity_file = "{dir}/user_key"
ssh_config = "{dir}/ssh_config"
become = "none"
[hosts."{name}".vars]
root = "{root}"
admin = "{user}"
admin_key = "{admin_key}"
ssh_port = {ssh_port}
reload_sshd = "{reload}"
"#,
        name = host.name,
        port = host.port,
        user = playground.visitor.user,
        root = host.root().display(),
        reload = host.reload(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_the_window_that_the_second_act_shortens_once() {
        assert_eq!(EXAMPLE.matches(PATIENT).count(), 1);
    }
}
