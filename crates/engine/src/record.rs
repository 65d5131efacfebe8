//! The run's record on the controller: what must survive it so that a host can still be confirmed or undone, and the
//! run gone on with.
//!
//! One file a run, `runs/RUN.jsonl` below the state directory, 0600 in a 0700 folder. Its first line says what the run
//! was to do, then comes a line for each host that will be begun, all synced before the first `begin` is sent; then
//! every event, each made durable as it comes.

mod before;
mod left;
mod log;
mod read;

pub use before::{Before, Earlier};
pub use left::Torn;
pub(crate) use log::RunLog;
pub use read::{Progress, RecordError, RunRecord};

use crate::local_change::LocalEntry;
use crate::rollout::Signals;
use serde::{Deserialize, Serialize};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::Event;
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::proof::Proof;
use snapback_core::rollout::Course;
use snapback_core::undo::LastResort;
use snapback_core::way::{Become, Way};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The version of the record. Fields are only ever added within a version.
pub const RECORD_VERSION: u32 = 1;

/// What stands behind a run's id in the id of the transactions that undo what it has confirmed. No ULID has this letter,
/// so nobody takes it for another run, and it sorts behind it.
pub(crate) const UNDO: &str = "U";

/// What a run was to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`RECORD_VERSION`].
    pub v: u32,
    /// The run's id.
    pub run: String,
    /// The fleet's name.
    pub fleet: String,
    /// `user@controller`.
    pub owner: String,
    /// What the run was for; may be empty.
    pub comment: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its hosts, in order: the course names them by their positions.
    pub hosts: Vec<HostName>,
    /// Its batches and rules.
    pub course: Course,
    /// `--var`: given again when the run is gone on with.
    pub vars: Vec<(String, String)>,
    /// The run that it goes on with, if it does.
    pub continues: Option<String>,
    /// What that had come to, where both count as one.
    #[serde(default)]
    pub before: Before,
}

/// One line of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first line.
    Run(RunHeader),
    /// A host that may be begun from here on.
    Host(HostRecord),
    /// Something happened.
    Event(Event),
    /// A command of a local change.
    Local(LocalEntry),
    /// A confirmed host that may be begun to be undone from here on.
    Undo(UndoRecord),
    /// The hosts of a batch are about to be confirmed.
    Promise(Promise),
}

/// What is kept of a host that was confirmed and is undone again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// The run that it is taken back to before.
    pub to: String,
    /// Why.
    pub cause: String,
    /// The transaction that does it.
    #[serde(flatten)]
    pub host: HostRecord,
}

/// The hosts of a batch are about to be confirmed, all of them: written before the first is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The number of the batch.
    pub batch: usize,
    /// Its hosts that were changed.
    pub hosts: Vec<HostName>,
}

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
            local: Vec::new(),
            changes: Vec::new(),
            checks: Vec::new(),
            confirm: reach.confirm,
            proof: Proof::default(),
            keep: 1,
            protected: false,
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
    let host = |line| match serde_json::from_str(line) {
        Ok(Entry::Host(record)) => Some(record),
        Ok(Entry::Undo(undo)) => Some(undo.host),
        _ => None,
    };
    text.lines().filter_map(host).collect()
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
    pub fn hosts_of(&self, run: &str) -> io::Result<Vec<HostRecord>> {
        let given: Vec<_> = self.given.iter().filter(|record| record.run == run).cloned().collect();
        if !given.is_empty() {
            return Ok(given);
        }
        if !is_run(run) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // What a run undoes has the run's own record.
        let of_undo = run.strip_suffix(UNDO).filter(|_| !self.path(run).exists());
        let text = std::fs::read_to_string(self.path(of_undo.unwrap_or(run)))?;
        Ok(parse(&text).into_iter().filter(|record| record.run == run).collect())
    }

    /// Makes a run's record, durably, and goes on writing it.
    ///
    /// # Errors
    /// What the file system says; nothing may be begun then.
    pub(crate) fn begin(&self, run: &str, first: &[Entry]) -> io::Result<RunLog> {
        RunLog::create(&self.folder, run, first)
    }

    /// Goes on writing the record of a run whose controller is gone.
    ///
    /// # Errors
    /// When somebody is at work on the run; else what the file system says.
    pub(crate) fn reopen(&self, run: &str) -> io::Result<RunLog> {
        RunLog::reopen(&self.folder.join(format!("{run}.jsonl")))
    }

    /// Returns the folder for what a run's local changes write to `$DEPLOY_OUTPUT`.
    pub(crate) fn local_folder(&self, run: &str) -> PathBuf {
        let path = self.folder.join(format!("{run}.local"));
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Returns what a run can be told through the state directory.
    #[must_use]
    pub fn signals(&self, run: &str) -> Signals {
        Signals::beside(&self.folder, run)
    }

    /// Returns what is recorded of a host in a run.
    ///
    /// # Errors
    /// `NotFound` when there is no record of the run; otherwise what the file system says.
    pub fn find(&self, run: &str, host: &HostName) -> io::Result<Option<HostRecord>> {
        if !is_run(run) {
            return Ok(None);
        }
        Ok(self.hosts_of(run)?.into_iter().find(|record| record.host == *host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::event::EventKind;
    use snapback_core::outcome::HostResult;
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

    fn header(v: u32, fleet: &str) -> RunHeader {
        RunHeader {
            v,
            run: "01RUN".to_owned(),
            fleet: fleet.to_owned(),
            owner: "me@here".to_owned(),
            comment: String::new(),
            at_ms: 0,
            hosts: vec![record("a").host, record("b").host, record("c").host],
            course: Course::in_one_batch(3),
            vars: Vec::new(),
            continues: None,
            before: Before::default(),
        }
    }

    fn begun(dir: &Path, run: &str, header: RunHeader) -> (Records, RunLog) {
        let records = Records::in_state_dir(&dir.join("state"));
        let first = [Entry::Run(header), Entry::Host(record("a")), Entry::Host(record("b"))];
        let log = records.begin(run, &first).unwrap();
        (records, log)
    }

    fn ended(host: &str, result: HostResult) -> Entry {
        let (cause, state, next) = (String::new(), String::new(), String::new());
        let (health, failing) = (None, Vec::new());
        let kind = EventKind::HostFinished { result, cause, state, next, health, failing };
        Entry::Event(Event { v: 1, at_ms: 1, run: "01RUN".to_owned(), host: Some(record(host).host), kind })
    }

    #[test]
    fn what_was_written_is_found_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let (records, _log) = begun(dir.path(), "01RUN", header(1, "shop"));
        assert_eq!(records.find("01RUN", &record("b").host).unwrap(), Some(record("b")));
        assert_eq!(records.find("01RUN", &HostName::parse("c").unwrap()).unwrap(), None);
        let mode = |p: &str| dir.path().join(p).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("state/runs"), mode("state/runs/01RUN.jsonl")), (0o700, 0o600));
    }

    #[test]
    fn what_is_left_of_a_run_is_read_back_and_a_torn_line_is_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let (records, log) = begun(dir.path(), "01RUN", header(1, "shop"));
        log.append(&ended("a", HostResult::Confirmed));
        log.append(&ended("b", HostResult::RolledBack));
        assert_eq!(records.open("shop", None).unwrap().progress(), Progress::Running);
        log.close().unwrap();
        let path = dir.path().join("state/runs/01RUN.jsonl");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, br#"{"entry":"event","v":1,"at_ms":1,"ho"#).unwrap();
        let read = records.open("shop", Some("01RUN")).unwrap();
        assert_eq!(read.progress(), Progress::Died);
        assert_eq!(read.not_done(), [record("b").host, record("c").host]);
        assert_eq!(read.hosts, [record("a"), record("b")]);
    }

    #[test]
    fn a_record_of_another_fleet_a_newer_one_and_none_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (records, _shop) = begun(dir.path(), "01RUN", header(1, "shop"));
        let told = |records: &Records, fleet: &str, run| records.open(fleet, run).unwrap_err().to_string();
        assert_eq!(
            told(&records, "farm", Some("01RUN")),
            "run 01RUN is one of the fleet 'shop', not of 'farm'"
        );
        assert!(
            told(&records, "farm", None).starts_with("there is no record of a run of the fleet 'farm' in ")
        );
        assert!(told(&records, "shop", Some("../x")).starts_with("there is no record of run ../x in "));
        let (records, _newer) = begun(dir.path(), "02RUN", header(2, "shop"));
        let newer = "the record of run 02RUN has version 2, and this deploy knows up to 1";
        assert_eq!(told(&records, "shop", None), newer);
        assert_eq!(told(&records, "shop", Some("02RUN")), newer);
        std::fs::write(dir.path().join("state/runs/03RUN.jsonl"), "what?\n").unwrap();
        assert!(told(&records, "shop", Some("03RUN")).starts_with("the record of run 03RUN can't be read: "));
    }

    #[test]
    fn what_was_to_be_undone_is_due_and_counts_as_no_failure_before() {
        let dir = tempfile::tempdir().unwrap();
        let (records, log) = begun(dir.path(), "01RUN", header(1, "shop"));
        log.append(&ended("a", HostResult::Confirmed));
        log.append(&ended("b", HostResult::Confirmed));
        let cause = "check 'shop' failed while baking".to_owned();
        let kind = EventKind::GoingBack { to: "01RUN".to_owned(), cause: cause.clone() };
        let host = Some(record("a").host);
        log.append(&Entry::Event(Event { v: 1, at_ms: 1, run: "01RUN".to_owned(), host, kind }));
        log.append(&ended("a", HostResult::RollbackFailed));
        log.append(&ended("c", HostResult::RolledBack));
        log.close().unwrap();
        let before = records.open("shop", None).unwrap().before(&[], &[]);
        let due: Vec<_> = before.confirmed.into_iter().map(|earlier| (earlier.host, earlier.due)).collect();
        assert_eq!(due, [(record("a").host, Some(cause)), (record("b").host, None)]);
        assert_eq!(before.failed, 1, "c alone: a is judged by what becomes of it now");
    }

    #[test]
    fn the_token_of_an_undo_is_found_by_its_own_id_and_by_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (records, log) = begun(dir.path(), "01RUN", header(1, "shop"));
        let host = HostRecord { run: "01RUNU".to_owned(), token: "other".to_owned(), ..record("a") };
        log.append(&Entry::Undo(UndoRecord {
            to: "01RUN".to_owned(),
            cause: String::new(),
            host: host.clone(),
        }));
        log.close().unwrap();
        assert_eq!(records.find("01RUN", &record("a").host).unwrap(), Some(record("a")));
        assert_eq!(records.find("01RUNU", &record("a").host).unwrap(), Some(host));
        assert_eq!(records.find("01RUNU", &record("b").host).unwrap(), None);
    }

    #[test]
    fn a_run_is_recorded_once() {
        let dir = tempfile::tempdir().unwrap();
        let (records, _log) = begun(dir.path(), "01RUN", header(1, "shop"));
        assert!(records.begin("01RUN", &[]).is_err());
    }

    #[test]
    fn a_run_that_is_a_path_is_not_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::in_state_dir(dir.path());
        assert_eq!(records.find("../../etc/passwd", &record("a").host).unwrap(), None);
    }
}
