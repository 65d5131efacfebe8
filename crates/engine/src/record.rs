//! The run's record on the controller: what must survive it so that a host can still be confirmed or undone.
//!
//! One file a run, `runs/RUN.jsonl` below the state directory, 0600 in a 0700 folder: a line for each host that will
//! be begun, all synced before the first `begin` is sent.

use serde::{Deserialize, Serialize};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::proof::Proof;
use snapback_core::undo::LastResort;
use snapback_core::way::{Become, Way};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is kept of one host of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// The run, which is also the transaction's id on the target.
    pub run: String,
    /// The fleet.
    pub fleet: String,
    /// The host.
    pub host: HostName,
    /// What confirms. Only its hash is known to the target.
    pub token: String,
    /// The digest of the plan that was agreed to.
    pub plan_digest: String,
    /// How it is reached, so that the record alone is enough to confirm it.
    #[serde(default)]
    pub reach: Option<Reach>,
}

/// How a host of a run is reached, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The ways in.
    pub ways: Vec<Way>,
    /// How the agent becomes root.
    pub r#become: Become,
    /// The time limits.
    pub confirm: ConfirmPolicy,
}

impl HostRecord {
    /// Returns a job that changes nothing and reaches the host as the run did; nothing for a record without that.
    #[must_use]
    pub fn job(&self) -> Option<HostJob> {
        let reach = self.reach.clone()?;
        Some(HostJob {
            host: self.host.clone(),
            ways: reach.ways,
            r#become: reach.r#become,
            changes: Vec::new(),
            checks: Vec::new(),
            confirm: reach.confirm,
            proof: Proof::default(),
            last_resort: LastResort::default(),
            vars: BTreeMap::new(),
        })
    }
}

/// Whether this can be a run's id, and so the name of a file.
fn is_run(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Reads the lines of a record.
fn parse(text: &str) -> Vec<HostRecord> {
    // A line that a crash cut short was never acted upon.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Where records are kept.
#[derive(Clone, Debug)]
pub struct Records {
    folder: PathBuf,
    /// Records of another controller, handed over.
    given: Vec<HostRecord>,
}

impl Records {
    /// Returns the records below a state directory. Nothing is made before something is written.
    #[must_use]
    pub fn in_state_dir(state: &Path) -> Self {
        Self { folder: state.join("runs"), given: Vec::new() }
    }

    /// Adds what another controller has written: the text of a record file.
    pub fn give(&mut self, text: &str) {
        self.given.extend(parse(text));
    }

    /// Returns the file that a run's record is in.
    #[must_use]
    pub fn path(&self, run: &str) -> PathBuf {
        self.folder.join(format!("{run}.jsonl"))
    }

    /// Returns what is recorded of a run, host by host.
    ///
    /// # Errors
    /// `NotFound` when there is no record of the run; otherwise what the file system says.
    pub fn of_run(&self, run: &str) -> io::Result<Vec<HostRecord>> {
        let given: Vec<_> = self.given.iter().filter(|record| record.run == run).cloned().collect();
        if !given.is_empty() {
            return Ok(given);
        }
        if !is_run(run) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(parse(&std::fs::read_to_string(self.path(run))?))
    }

    /// Writes a run's record and makes it durable.
    ///
    /// # Errors
    /// What the file system says; nothing may be begun then.
    pub fn write(&self, run: &str, hosts: &[HostRecord]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path(run))?;
        let mut text = Vec::new();
        for host in hosts {
            serde_json::to_writer(&mut text, host)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }

    /// Returns what is recorded of a host in a run.
    ///
    /// # Errors
    /// `NotFound` when there is no record of the run; otherwise what the file system says.
    pub fn find(&self, run: &str, host: &HostName) -> io::Result<Option<HostRecord>> {
        if !is_run(run) {
            return Ok(None);
        }
        Ok(self.of_run(run)?.into_iter().find(|record| record.host == *host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn record(host: &str) -> HostRecord {
        HostRecord {
            run: "01RUN".to_owned(),
            fleet: "shop".to_owned(),
            host: HostName::parse(host).unwrap(),
            token: "secret".to_owned(),
            plan_digest: "d".to_owned(),
            reach: None,
        }
    }

    #[test]
    fn what_was_written_is_found_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::in_state_dir(&dir.path().join("state"));
        records.write("01RUN", &[record("a"), record("b")]).unwrap();
        assert_eq!(records.find("01RUN", &record("b").host).unwrap(), Some(record("b")));
        assert_eq!(records.find("01RUN", &HostName::parse("c").unwrap()).unwrap(), None);
        let mode = |p: &str| dir.path().join(p).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("state/runs"), mode("state/runs/01RUN.jsonl")), (0o700, 0o600));
    }

    #[test]
    fn a_run_that_is_a_path_is_not_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::in_state_dir(dir.path());
        assert_eq!(records.find("../../etc/passwd", &record("a").host).unwrap(), None);
    }
}
