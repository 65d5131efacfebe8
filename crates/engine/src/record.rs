//! The run's record on the controller: what must survive it so that a host can still be confirmed or undone.
//!
//! One file a run, `runs/RUN.jsonl` below the state directory, 0600 in a 0700 folder: a line for each host that will
//! be begun, all synced before the first `begin` is sent.

use serde::{Deserialize, Serialize};
use snapback_core::host::HostName;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
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
}

/// Where records are kept.
#[derive(Clone, Debug)]
pub struct Records {
    folder: PathBuf,
}

impl Records {
    /// Returns the records below a state directory. Nothing is made before something is written.
    #[must_use]
    pub fn in_state_dir(state: &Path) -> Self {
        Self { folder: state.join("runs") }
    }

    /// Writes a run's record and makes it durable.
    ///
    /// # Errors
    /// What the file system says; nothing may be begun then.
    pub fn write(&self, run: &str, hosts: &[HostRecord]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(format!("{run}.jsonl"));
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
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
        if !run.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let file = File::open(self.folder.join(format!("{run}.jsonl")))?;
        for line in BufReader::new(file).lines() {
            // A line that a crash cut short was never acted upon.
            if let Ok(record) = serde_json::from_str::<HostRecord>(&line?)
                && record.host == *host
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
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
