//! Which fleet, which of its hosts, which run.

use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};

/// Which fleet, and which of its hosts.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct FleetArgs {
    /// The fleet file
    #[arg(value_name = "FLEET", default_value = "./fleet.toml")]
    pub(crate) fleet: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// Which hosts, with which variables.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SelectArgs {
    /// Only these hosts: names, globs, tag:x, group:x, joined by !, && and ||
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) limit: Option<String>,
    /// Set a variable; wins over the fleet file
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,
}

/// Which pending transactions.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct PendingArgs {
    /// The fleet file, or the id of a run: then its record says which hosts and how they are reached
    #[arg(value_name = "FLEET|RUN", default_value = "./fleet.toml")]
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// The record of a run that another machine has started; `-` is standard input, and $DEPLOY_RECORD may hold its
    /// text
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Which run of which fleet.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// The fleet file [default: ./fleet.toml], the id of a run [default: the last one], or both
    #[arg(value_name = "FLEET|RUN", num_args = 0..=2)]
    pub(crate) words: Vec<String>,
    /// Set a variable, where the fleet file needs one
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,
}

/// A fleet file, hosts of it, or both.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct HostsArgs {
    /// Hosts, or the fleet file [default: ./fleet.toml], or both
    #[arg(value_name = "FLEET|HOST")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

impl HostsArgs {
    /// The fleet file.
    pub(crate) fn fleet(&self) -> PathBuf {
        PathBuf::from(self.words.iter().find(|word| is_file(word)).map_or("./fleet.toml", String::as_str))
    }

    /// Whether a host was named.
    pub(crate) fn names_any(&self) -> bool {
        self.words.iter().any(|word| !is_file(word))
    }

    /// Which of its hosts: those that were named, within `--limit`.
    pub(crate) fn select(&self) -> SelectArgs {
        let hosts: Vec<&str> = self.words.iter().map(String::as_str).filter(|word| !is_file(word)).collect();
        let hosts = (!hosts.is_empty()).then(|| hosts.join(" || "));
        let limit = match (hosts, self.select.limit.clone()) {
            (Some(hosts), Some(limit)) => Some(format!("({hosts}) && ({limit})")),
            (hosts, limit) => hosts.or(limit),
        };
        SelectArgs { limit, vars: self.select.vars.clone() }
    }
}

/// Whether a word names a file: no host is called so.
fn is_file(word: &str) -> bool {
    word.contains('/') || Path::new(word).extension().is_some_and(|end| end == "toml")
}

impl RunArgs {
    /// The fleet file.
    pub(crate) fn fleet(&self) -> PathBuf {
        let fleet = self.words.iter().find(|word| !is_run(word));
        PathBuf::from(fleet.map_or("./fleet.toml", String::as_str))
    }

    /// The run, if one was named.
    pub(crate) fn run(&self) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|word| is_run(word))
    }

    /// As other commands name it.
    pub(crate) fn select(&self) -> SelectArgs {
        SelectArgs { limit: None, vars: self.vars.clone() }
    }
}

/// A ULID: nobody calls a fleet file so.
pub(super) fn is_run(word: &str) -> bool {
    word.len() == 26 && word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

pub(super) fn parse_var(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_a_fleet() {
        let words = |words: &[&str]| {
            let run = RunArgs { words: words.iter().map(|w| (*w).to_owned()).collect(), vars: Vec::new() };
            (run.fleet().display().to_string(), run.run().map(str::to_owned))
        };
        let id = "01JQ8ZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(words(&[]), ("./fleet.toml".to_owned(), None));
        assert_eq!(words(&["shop.toml"]), ("shop.toml".to_owned(), None));
        assert_eq!(words(&[id]), ("./fleet.toml".to_owned(), Some(id.to_owned())));
        assert_eq!(words(&[id, "shop.toml"]), ("shop.toml".to_owned(), Some(id.to_owned())));
    }
}
