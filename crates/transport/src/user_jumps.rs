//! The jump hosts that the user's own ssh configuration adds: which host must be up for which other.
//!
//! ssh is asked what holds for a host (`ssh -G`), some milliseconds for each. For thousands of hosts it is asked only
//! where the configuration has a `ProxyJump` that may mean one of them; else it was asked once.

use crate::command_line::way_options;
use crate::connector::SshConnector;
use crate::wrapper::Terms;
use futures::stream::{self, StreamExt};
use snapback_core::way::{PASSWORD_VARIABLE, Way};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// How many are asked about at once: it takes the processor and nothing else.
const AT_ONCE: usize = 4;

/// How long ssh may take: a `Match exec` may hang, and the connection will tell of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What ssh said of a host that isn't connected to.
struct Said {
    settings: String,
    told: String,
}

impl SshConnector {
    /// Returns the `ProxyJump` that the user's configuration has for each way that states none, as far as it may mean
    /// one of `names`; `None` for the others. What can't be found out is taken as none: connecting will tell why.
    ///
    /// A jump host in a `ProxyCommand` isn't seen.
    pub async fn jumps_of_user(&self, ways: &[&Way], names: &BTreeSet<&str>) -> Vec<Option<String>> {
        let mut relevant = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for way in ways.iter().filter(|way| way.proxy_jump.is_none()) {
            let config = self.config_of(way);
            if asked.insert(config) && self.may_jump(way, names).await {
                relevant.insert(config);
            }
        }
        let jumps = ways.iter().map(|way| {
            let asks = way.proxy_jump.is_none() && relevant.contains(self.config_of(way));
            async move { if asks { self.setting(way, "proxyjump").await } else { None } }
        });
        stream::iter(jumps).buffered(AT_ONCE).collect().await
    }

    fn config_of<'a>(&'a self, way: &'a Way) -> &'a Path {
        way.ssh_config.as_deref().unwrap_or(&self.user_config)
    }

    /// Whether a `ProxyJump` of the configuration that holds for this way may mean one of the names.
    async fn may_jump(&self, way: &Way, names: &BTreeSet<&str>) -> bool {
        let Some(said) = self.settings(way, way.host.as_str(), true).await else { return false };
        let mut jumps = BTreeSet::new();
        for file in files_read(&said.told) {
            // A file that can't be read is one that ssh didn't read either.
            let Ok(bytes) = tokio::fs::read(&file).await else { continue };
            jumps.extend(words_beside_jumps(&String::from_utf8_lossy(&bytes)));
        }
        for jump in &jumps {
            // What ssh puts in for a token may be any name.
            if jump.contains('%') || names.contains(jump.as_str()) {
                return true;
            }
            let said = self.settings(way, jump, false).await;
            let address = said.and_then(|said| value_of(&said.settings, "hostname"));
            if address.is_some_and(|address| names.contains(address.as_str())) {
                return true;
            }
        }
        false
    }

    async fn setting(&self, way: &Way, key: &str) -> Option<String> {
        value_of(&self.settings(way, way.host.as_str(), false).await?.settings, key)
    }

    /// Asks what would hold for a host, reached in this way; `aloud`: also what was read for it.
    async fn settings(&self, way: &Way, host: &str, aloud: bool) -> Option<Said> {
        let terms = Terms {
            config: self.config_of(way),
            known_hosts: way.known_hosts,
            connect_timeout: way.connect_timeout,
            cheap_kex: false,
        };
        let wrapper = self.wrappers.get(&self.launcher.dir, &terms).ok()?;
        let mut command = Command::new(&self.launcher.program);
        command.arg("-G").arg("-F").arg(wrapper).args(aloud.then_some("-v"));
        if host == way.host.as_str() {
            for option in way_options(way).ok()? {
                command.arg("-o").arg(option);
            }
        }
        command.arg("--").arg(host).env_remove(PASSWORD_VARIABLE).env("LC_ALL", "C");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        output.status.success().then(|| Said { settings: text(output.stdout), told: text(output.stderr) })
    }
}

/// The files that ssh says it has read, those that are included too.
fn files_read(told: &str) -> Vec<PathBuf> {
    let read = told.lines().filter_map(|line| line.split_once("Reading configuration data "));
    read.map(|(_, file)| PathBuf::from(file.trim())).collect()
}

/// Every word of the lines that speak of a jump: more than the hosts, and none of them missing.
fn words_beside_jumps(config: &str) -> BTreeSet<String> {
    let jumps = config.lines().filter_map(|line| {
        let at = line.to_ascii_lowercase().find("proxyjump")?;
        line.get(at + "proxyjump".len()..)
    });
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_%".contains(c);
    let words = jumps.flat_map(|line| line.split(move |c| !is_name(c)));
    words
        .filter(|word| !word.is_empty() && *word != "none" && !word.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

fn value_of(settings: &str, key: &str) -> Option<String> {
    let lines = settings.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.trim().to_owned())
        .find(|value| value != "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_jumps_are_found_however_they_are_written() {
        let config = "Host *\n  proxyjump=u@gw:22,\"ssh://b.example.org:1\"\nMatch all\n ProxyJump %h-gw # old\nUser x\n";
        let words: Vec<_> = words_beside_jumps(config).into_iter().collect();
        assert_eq!(words, ["%h-gw", "1", "22", "b.example.org", "gw", "old", "ssh", "u"]);
    }

    #[test]
    fn the_files_and_values_are_those_that_ssh_tells() {
        let told =
            "OpenSSH_9.2\ndebug1: Reading configuration data /home/a b/config\ndebug1: x line 1: Applying\n";
        assert_eq!(files_read(told), [PathBuf::from("/home/a b/config")]);
        let settings = "host web1\nhostname 10.0.0.1\nproxyjump none\n";
        assert_eq!(value_of(settings, "hostname").as_deref(), Some("10.0.0.1"));
        assert_eq!(value_of(settings, "proxyjump"), None);
    }
}
