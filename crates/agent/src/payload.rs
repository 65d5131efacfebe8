//! What is sent to the target: a tar archive with the job as small files, and the new files in place below it.
//!
//! Values travel as files of the archive and are read as data; none is ever pasted into a script.

use crate::bundle::agent;
use crate::hash::sha256_hex;
use crate::inspect::Inspected;
use snapback_core::change::{
    Change, ChangeKind, Command, EntryKind, FileEntry, FilesChange, RevertChange, ScriptChange,
};
use snapback_core::check::{Check, Probe, Where};
use snapback_core::content::{Content, Contents, Sha256Hex};
use snapback_core::job::{HostJob, RunSpec};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// What a transaction is told about itself.
#[derive(Clone, Debug, Default)]
pub struct TxSpec {
    /// SHA-256 of the token and a newline: the target never sees the token before the confirmation.
    pub token_hash: String,
    /// The digest of the plan that was agreed to.
    pub plan_digest: String,
    /// The state digest of the inspection that the plan was made from.
    pub state_digest: String,
    /// For how long an inspection takes the host's lease, if anything would change; zero: not at all.
    pub lease: Duration,
    /// A required check that is red doesn't undo at once: the host waits for a person until its deadline.
    pub red_waits: bool,
}

/// Why a payload can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// A job names content that is not there: a bug of whoever made the job.
    #[error("the content {0} of the job is missing")]
    MissingContent(Sha256Hex),
    /// A path can't be put into an archive.
    #[error("the archive could not be written: {0}")]
    Archive(#[from] io::Error),
}

/// Returns the payload of `inspect`: the job without the files' content.
///
/// # Errors
/// [`PayloadError`] when the job is inconsistent.
pub fn for_inspect(
    run: &RunSpec,
    job: &HostJob,
    contents: &Contents,
    install: bool,
) -> Result<Vec<Content>, PayloadError> {
    for_inspect_and_lease(run, job, contents, (install, Duration::ZERO))
}

/// Returns the payload of an `inspect` that takes the host's lease for so long as well, if anything would change.
///
/// # Errors
/// [`PayloadError`] when the job is inconsistent.
pub fn for_inspect_and_lease(
    run: &RunSpec,
    job: &HostJob,
    contents: &Contents,
    (install, lease): (bool, Duration),
) -> Result<Vec<Content>, PayloadError> {
    let mut archive = Archive::new(contents);
    archive.job(run, job, &TxSpec { lease, ..TxSpec::default() })?;
    archive.finish(install)
}

/// Returns what the verb `lease` reads: whose it is, and what for.
#[must_use]
pub fn lease_text(run: &RunSpec) -> String {
    let pairs = whose(run).map(|(key, value)| format!("{key} {value}\n"));
    format!("{}end\n", pairs.concat())
}

/// Returns the payload of `begin`: the job and the content of what differs on this host.
///
/// # Errors
/// [`PayloadError`] when the job is inconsistent.
pub fn for_begin(
    run: &RunSpec,
    job: &HostJob,
    contents: &Contents,
    tx: &TxSpec,
    inspected: &Inspected,
) -> Result<Vec<Content>, PayloadError> {
    let mut archive = Archive::new(contents);
    archive.job(run, job, tx)?;
    for (n, change) in job.changes.iter().enumerate() {
        if let ChangeKind::Files(files) = &change.kind {
            for entry in inspected.differing_entries(n).filter_map(|e| files.entries.get(e)) {
                archive.tree_entry(n, entry)?;
            }
        }
    }
    archive.finish(false)
}

/// Returns how many bytes a payload has.
#[must_use]
pub fn size(parts: &[Content]) -> u64 {
    parts.iter().map(Content::len).sum()
}

/// From this length on, in bytes, content stays where it is, for all hosts that get it.
const WORTH_SHARING: usize = 2048;

/// An archive that is written to memory, except for content that is shared between hosts, and for the bytes of large
/// files, which are named and streamed.
struct Archive<'a> {
    contents: &'a Contents,
    parts: Vec<Content>,
    open: tar::Builder<Vec<u8>>,
}

impl<'a> Archive<'a> {
    fn new(contents: &'a Contents) -> Self {
        Self { contents, parts: Vec::new(), open: tar::Builder::new(Vec::new()) }
    }

    fn job(&mut self, run: &RunSpec, job: &HostJob, tx: &TxSpec) -> Result<(), PayloadError> {
        let checks: Vec<_> = job.checks.iter().filter(|c| c.runs == Where::Remote).collect();
        self.text("job/spec", &spec_text(run, job, tx, checks.len()))?;
        self.text("job/vars", &vars_text(job))?;
        for (n, change) in job.changes.iter().enumerate() {
            self.change(n, change)?;
        }
        self.optional_command("job/failsafe", job.last_resort.failsafe.as_ref())?;
        for (n, check) in checks.into_iter().enumerate() {
            self.check(n, check)?;
        }
        Ok(())
    }

    fn change(&mut self, n: usize, change: &Change) -> Result<(), PayloadError> {
        let (kind, timeout) = match &change.kind {
            ChangeKind::Files(files) => ("files", files.timeout),
            ChangeKind::Script(script) => ("script", script.timeout),
            ChangeKind::Revert(revert) => ("revert", revert.timeout),
        };
        let spec =
            format!("kind {kind}\nname {}\ntimeout {}\n", one_line(&change.name), whole_seconds(timeout));
        self.text(&format!("job/c/{n}/spec"), &spec)?;
        // The snapshot's folder travels along: a process less on the target.
        self.folder(&format!("job/c/{n}/snap/"))?;
        match &change.kind {
            ChangeKind::Files(files) => self.files(n, files),
            ChangeKind::Script(script) => self.script(n, script),
            ChangeKind::Revert(revert) => self.revert(n, revert),
        }
    }

    fn revert(&mut self, n: usize, revert: &RevertChange) -> Result<(), PayloadError> {
        self.text(&format!("job/c/{n}/to"), &format!("{}\n", revert.to))?;
        if revert.alone { self.text(&format!("job/c/{n}/alone"), "") } else { Ok(()) }
    }

    fn files(&mut self, n: usize, files: &FilesChange) -> Result<(), PayloadError> {
        let manifest: String =
            files.entries.iter().enumerate().map(|(e, entry)| manifest_line(e, entry)).collect();
        self.text(&format!("job/c/{n}/manifest"), &manifest)?;
        self.text(&format!("job/c/{n}/purge"), &lines(&files.purge))?;
        let mut names = Vec::new();
        for handler in &files.handlers {
            let name = sha256_hex(handler_key(handler).as_bytes())[..16].to_owned();
            self.command(&format!("job/h/{name}"), handler)?;
            self.text(&format!("job/h/{name}.title"), &format!("{}\n", one_line(&handler.summary())))?;
            names.push(name);
        }
        self.text(&format!("job/c/{n}/handlers"), &lines(&names))?;
        self.optional_command(&format!("job/c/{n}/cmd.validate"), files.validate.as_ref())
    }

    fn script(&mut self, n: usize, script: &ScriptChange) -> Result<(), PayloadError> {
        let folder = format!("job/c/{n}");
        self.text(&format!("{folder}/watch"), &lines(&script.watch))?;
        self.command(&format!("{folder}/cmd.apply"), &script.apply)?;
        self.optional_command(&format!("{folder}/cmd.facts"), script.facts.as_ref())?;
        self.optional_command(&format!("{folder}/cmd.unless"), script.unless.as_ref())?;
        self.optional_command(&format!("{folder}/cmd.rollback"), script.rollback.as_ref())
    }

    fn check(&mut self, n: usize, check: &Check) -> Result<(), PayloadError> {
        let pace = &check.pace;
        let spec = format!(
            "name {}\ninterval {}\ntimeout {}\nmin_healthy_time {}\nhealthy_deadline {}\nfailure_limit {}\nrequired {}\nbaseline {}\n",
            one_line(&check.name),
            centiseconds(pace.interval),
            whole_seconds(pace.timeout),
            centiseconds(pace.min_healthy_time),
            centiseconds(pace.healthy_deadline),
            pace.failure_limit,
            u8::from(check.required),
            u8::from(check.baseline),
        );
        self.text(&format!("job/k/{n}/spec"), &spec)?;
        match &check.probe {
            Probe::Run(command) => self.command(&format!("job/k/{n}/cmd"), command),
            // Built-in checks on the target come later; the fleet file refuses them until then.
            Probe::Http(_) | Probe::Tcp { .. } => self.text(&format!("job/k/{n}/cmd.sh"), "exit 126\n"),
        }
    }

    fn optional_command(&mut self, path: &str, command: Option<&Command>) -> Result<(), PayloadError> {
        command.map_or(Ok(()), |c| self.command(path, c))
    }

    fn command(&mut self, path: &str, command: &Command) -> Result<(), PayloadError> {
        match command {
            Command::Inline(text) => self.text(&format!("{path}.sh"), &format!("{text}\n")),
            Command::File { content, .. } => self.content(&format!("{path}.run"), content, 0o700),
        }
    }

    fn tree_entry(&mut self, n: usize, entry: &FileEntry) -> Result<(), PayloadError> {
        let path = format!("job/c/{n}/tree{}", entry.dest);
        match &entry.what {
            EntryKind::Dir => Ok(()),
            EntryKind::File { content, .. } => self.content(&path, content, entry.mode),
            EntryKind::Symlink { target } => {
                let mut header = header(0, 0o777);
                header.set_entry_type(tar::EntryType::Symlink);
                Ok(self.open.append_link(&mut header, path, target)?)
            }
        }
    }

    fn text(&mut self, path: &str, text: &str) -> Result<(), PayloadError> {
        self.bytes(path, text.as_bytes(), 0o600)
    }

    fn folder(&mut self, path: &str) -> Result<(), PayloadError> {
        let mut header = header(0, 0o700);
        header.set_entry_type(tar::EntryType::Directory);
        Ok(self.open.append_data(&mut header, path, io::empty())?)
    }

    fn bytes(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<(), PayloadError> {
        Ok(self.open.append_data(&mut header(bytes.len() as u64, mode), path, bytes)?)
    }

    fn content(&mut self, path: &str, hash: &Sha256Hex, mode: u32) -> Result<(), PayloadError> {
        let content = self.contents.get(hash).ok_or_else(|| PayloadError::MissingContent(hash.clone()))?;
        match content {
            Content::Bytes(bytes) if bytes.len() < WORTH_SHARING => self.bytes(path, bytes, mode),
            _ => {
                // The header alone goes to memory; then the content is named, and its padding follows.
                let len = content.len();
                self.open.append_data(&mut header(len, mode), path, io::empty())?;
                self.flush();
                self.parts.push(content.clone());
                let padding = (512 - len % 512) % 512;
                self.parts.push(Content::Bytes(vec![0; usize::try_from(padding).unwrap_or(0)].into()));
                Ok(())
            }
        }
    }

    fn flush(&mut self) {
        let written = std::mem::take(self.open.get_mut());
        if !written.is_empty() {
            self.parts.push(Content::Bytes(written.into()));
        }
    }

    fn finish(mut self, install: bool) -> Result<Vec<Content>, PayloadError> {
        if install {
            self.bytes("agent.sh", &agent().text, 0o600)?;
        }
        self.text("payload.end", "")?;
        let last = self.open.into_inner()?;
        self.parts.push(Content::Bytes(last.into()));
        Ok(self.parts)
    }
}

/// Owner root by number and no name: every tar then takes the number, and the agent sets the real owner.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn spec_text(run: &RunSpec, job: &HostJob, tx: &TxSpec, checks: usize) -> String {
    let address = job.final_way().and_then(|w| w.address.as_deref()).unwrap_or(job.host.as_str());
    let confirm = &job.confirm;
    let pairs: [(&str, String); 18] = [
        ("digest", tx.plan_digest.clone()),
        ("token", tx.token_hash.clone()),
        ("state_digest", tx.state_digest.clone()),
        ("apply_timeout", whole_seconds(confirm.apply_timeout).to_string()),
        ("window", whole_seconds(confirm.window).to_string()),
        ("hard_cap", whole_seconds(confirm.hard_cap).to_string()),
        ("settle", whole_seconds(confirm.settle).to_string()),
        ("volatile", u8::from(run.volatile_guard).to_string()),
        ("failsafe_reboot", u8::from(job.last_resort.reboot).to_string()),
        ("changes", job.changes.len().to_string()),
        ("checks", checks.to_string()),
        ("host", job.host.to_string()),
        ("address", one_line(address)),
        ("run", run.run.clone()),
        ("fleet", run.fleet.replace(char::is_whitespace, "_")),
        ("keep", job.keep.to_string()),
        ("lease", tx.lease.as_secs().to_string()),
        ("red_waits", u8::from(tx.red_waits).to_string()),
    ];
    whose(run).iter().chain(&pairs).map(|(key, value)| format!("{key} {value}\n")).collect()
}

/// Whose a run is, for whoever finds a host held by it.
fn whose(run: &RunSpec) -> [(&'static str, String); 4] {
    let word = |text: Option<&String>| match text {
        Some(text) if !text.is_empty() => text.replace(char::is_whitespace, "_"),
        _ => "-".to_owned(),
    };
    [
        ("owner", run.owner.replace(char::is_whitespace, "_")),
        ("branch", word(run.origin.branch.as_ref())),
        ("url", word(run.origin.url.as_ref())),
        ("comment", one_line(&run.comment)),
    ]
}

fn vars_text(job: &HostJob) -> String {
    job.vars.iter().map(|(name, value)| format!("{} {}\n", name.to_uppercase(), escaped(value))).collect()
}

/// Escapes what `printf %b` on the target reads back: backslash and newline. A carriage return would be lost to
/// nothing on the way, so it stays.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n")
}

/// `ENTRY TYPE RAWMODE OCTAL OWNER GROUP SIZE SUM/path`, see `agent-scripts/changes/files.sh`.
fn manifest_line(e: usize, entry: &FileEntry) -> String {
    let mode = entry.mode & 0o7777;
    let (letter, raw, size, sum) = match &entry.what {
        EntryKind::File { content, size, .. } => ('f', 0o100_000 | mode, *size, content.0.clone()),
        EntryKind::Dir => ('d', 0o040_000 | mode, 0, "-".to_owned()),
        EntryKind::Symlink { target } => {
            ('l', 0o120_777, 0, format!("L{}", sha256_hex(format!("{target}\n").as_bytes())))
        }
    };
    let owner = entry.owner.as_deref().unwrap_or("-");
    let group = entry.group.as_deref().unwrap_or("-");
    format!("{e} {letter} {raw:x} {mode:o} {owner} {group} {size} {sum}{}\n", entry.dest)
}

/// Handlers are the same when their text is.
fn handler_key(handler: &Command) -> String {
    match handler {
        Command::Inline(text) => format!("inline {text}"),
        Command::File { content, .. } => format!("file {content}"),
    }
}

fn lines(items: &[String]) -> String {
    let mut seen = BTreeSet::new();
    items.iter().filter(|item| seen.insert(item.as_str())).map(|item| format!("{item}\n")).collect()
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ").trim().to_owned()
}

/// Rounds up: a limit is never shorter than it was stated.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn centiseconds(duration: Duration) -> u128 {
    duration.as_millis().div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_newlines_and_backslashes_stay_one_line() {
        assert_eq!(escaped("a\\n\nb"), "a\\\\n\\nb");
    }

    #[test]
    fn limits_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
        assert_eq!(centiseconds(Duration::from_millis(501)), 51);
    }

    #[test]
    fn what_all_hosts_get_is_in_memory_once() {
        let (long, short) = (Sha256Hex("a".repeat(64)), Sha256Hex("b".repeat(64)));
        let bytes: std::sync::Arc<[u8]> = vec![b'x'; WORTH_SHARING].into();
        let contents = Contents::from([
            (long.clone(), Content::Bytes(bytes.clone())),
            (short.clone(), Content::Bytes((*b"short").into())),
        ]);
        let mut archive = Archive::new(&contents);
        archive.content("long", &long, 0o644).unwrap();
        archive.content("short", &short, 0o644).unwrap();
        let parts = archive.finish(false).unwrap();
        assert!(
            parts
                .iter()
                .any(|part| matches!(part, Content::Bytes(part) if std::sync::Arc::ptr_eq(part, &bytes)))
        );
        let whole: Vec<u8> = parts
            .iter()
            .flat_map(|part| match part {
                Content::Bytes(bytes) => bytes.to_vec(),
                Content::File { .. } => panic!("{part:?}"),
            })
            .collect();
        let mut archive = tar::Archive::new(whole.as_slice());
        let sizes: Vec<u64> = archive.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
        assert_eq!(sizes, [WORTH_SHARING as u64, 5, 0]);
    }

    #[test]
    fn a_large_file_is_named_and_not_read() {
        let hash = Sha256Hex("x".repeat(64));
        let contents =
            Contents::from([(hash.clone(), Content::File { path: "/nonexistent".into(), len: 1000 })]);
        let mut archive = Archive::new(&contents);
        archive.content("big", &hash, 0o644).unwrap();
        let parts = archive.finish(false).unwrap();
        assert!(matches!(parts[1], Content::File { len: 1000, .. }));
        assert_eq!(size(&parts) % 512, 0);
    }
}
