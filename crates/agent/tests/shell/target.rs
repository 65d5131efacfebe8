//! A target: a state directory, a folder for what is changed, and connections to it.

use crate::job::Work;
use snapback_agent::answer::{Answer, parse};
use snapback_agent::call::{Sent, command_line};
use snapback_agent::inspect::Inspected;
use snapback_agent::journal::Entry;
use snapback_agent::payload::{TxSpec, for_begin, for_inspect};
use snapback_agent::sha256_hex;
use snapback_core::content::Content;
use snapback_core::way::Become;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The agent knows a connection by the name of the process that serves it. Copied by another process: while one
/// thread has a program open for writing, no other can start it.
static SSHD: LazyLock<PathBuf> = LazyLock::new(|| {
    let sshd = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sshd");
    if !sshd.exists() {
        let own = sshd.with_extension(std::process::id().to_string());
        assert!(Command::new("cp").arg("/bin/dash").arg(&own).status().unwrap().success());
        fs::rename(own, &sshd).unwrap();
    }
    sshd
});

static NEXT: AtomicUsize = AtomicUsize::new(1);

pub fn next() -> usize {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A host, as far as the agent can tell.
pub struct Target {
    pub shell: &'static str,
    root: tempfile::TempDir,
}

impl Target {
    pub fn new(shell: &'static str) -> Self {
        Self::below(shell, &std::env::temp_dir())
    }

    /// A target whose folders lie below another one than that for temporary files.
    pub fn below(shell: &'static str, folder: &Path) -> Self {
        let root = tempfile::Builder::new().prefix("snapback-shell.").tempdir_in(folder).unwrap();
        for folder in ["state", "dest", "jobs"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { shell, root }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// The folder that changes are made in.
    pub fn dest(&self, name: &str) -> String {
        let dest = self.root.path().join("dest");
        if name.is_empty() { dest.display().to_string() } else { dest.join(name).display().to_string() }
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = PathBuf::from(self.dest(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> Option<String> {
        fs::read(self.dest(name)).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    /// A file of a transaction's record.
    pub fn tx(&self, tx: &str, name: &str) -> PathBuf {
        self.state().join("tx").join(tx).join(name)
    }

    pub fn connect(&self) -> Connection<'_> {
        Connection::open(self, &self.state())
    }

    /// A connection to a host whose state lies elsewhere.
    pub fn connect_with_state(&self, state: &Path) -> Connection<'_> {
        Connection::open(self, state)
    }

    /// One call over a connection of its own.
    pub fn call(&self, sent: Sent, verb: &[&str], stdin: &[u8]) -> Answers {
        self.connect().call(sent, verb, stdin)
    }

    pub fn verb(&self, verb: &[&str]) -> Answers {
        self.call(Sent::Plain, verb, b"")
    }

    /// Inspects over a connection of its own; sends the agent if it is asked for.
    pub fn inspect(&self, work: &Work) -> (Inspected, Answers) {
        self.connect().inspect(work)
    }

    /// Asks the remote checks over a connection of its own; the agent is installed first.
    pub fn probe(&self, work: &Work) -> Answers {
        let connection = self.connect();
        connection.inspect(work);
        let payload = for_inspect(&work.run, &work.job, &work.contents, false).unwrap();
        connection.call(Sent::Payload, &["probe"], &bytes(&payload))
    }

    /// Inspects, then begins over the same connection, and hears the journal until `ready` or the end.
    pub fn begin(&self, work: &Work) -> Begun {
        let connection = self.connect();
        let (inspected, _) = connection.inspect(work);
        connection.begin(work, &inspected)
    }

    /// Inspects and begins, without waiting for an answer.
    pub fn begin_unheard<'a>(&'a self, connection: &Connection<'a>, work: &Work) -> (Begun, PathBuf) {
        let (inspected, _) = connection.inspect(work);
        let (mut begun, payload) = Begun::plan(self, work, &inspected);
        let job = connection.start(Sent::Payload, &["begin", &begun.tx], &payload, "n");
        begun.answers = Answers::default();
        (begun, job)
    }

    /// Every process that carries the transaction's mark, or whose command line names the state directory.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let state = self.state().display().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = line.contains(&state) || String::from_utf8_lossy(&environ).contains(&state);
            let connection = line.starts_with(&SSHD.display().to_string());
            if ours && !connection && !line.is_empty() {
                found.push((pid, line));
            }
        }
        found
    }

    /// Waits until nothing of the agent runs any more.
    pub fn settle(&self) {
        let left = || self.processes();
        // Whoever tidies up after thousands of files takes its time on a busy machine.
        let start = Instant::now();
        while !left().is_empty() && start.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(left().is_empty(), "processes are left: {:?}", left());
    }

    pub fn pid(&self, tx: &str, who: &str) -> Option<u32> {
        let text = fs::read_to_string(self.tx(tx, who)).ok()?;
        text.split_whitespace().next()?.parse().ok()
    }
}

impl Target {
    /// Tells what the records say, for whoever reads of a failure.
    fn explain(&self) {
        for record in fs::read_dir(self.state().join("tx")).into_iter().flatten().flatten() {
            let names: Vec<_> =
                fs::read_dir(record.path()).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
            let journal = fs::read_to_string(record.path().join("journal")).unwrap_or_default();
            eprintln!("{}: {}: {names:?}\n{journal}", self.shell, record.path().display());
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.explain();
        }
        // Nothing that a failed test left may outlive it; the pids are of processes that name our own folder.
        for (pid, _) in self.processes() {
            signal(pid, "KILL");
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("/bin/kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
}

pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits for something that must come within 20 seconds.
pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A connection: a process named sshd that runs one command after another, like the channels of one connection.
pub struct Connection<'a> {
    target: &'a Target,
    server: Child,
}

const SERVE: &str = r#"while read -r j; do /bin/sh -c "$(cat "$j/cmd")" <"$j/in" >"$j/out" 2>"$j/err"; echo $? >"$j/rc"; done"#;

impl<'a> Connection<'a> {
    fn open(target: &'a Target, state: &Path) -> Self {
        let server = Command::new(SSHD.as_path())
            .args(["-c", SERVE])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("SNAPBACK_STATE", state)
            // Whatever machine this is: no unit and no boot hook of it.
            .env("SNAPBACK_GUARD", "bare")
            .env("SNAPBACK_SH", target.shell)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { target, server }
    }

    /// Starts a command and returns the folder that its answer will be in.
    pub fn start(&self, sent: Sent, verb: &[&str], stdin: &[u8], nonce: &str) -> PathBuf {
        self.start_line(&command_line(Become::None, nonce, sent, verb), stdin)
    }

    pub fn start_line(&self, line: &str, stdin: &[u8]) -> PathBuf {
        let job = self.target.path().join(format!("jobs/{}", next()));
        fs::create_dir(&job).unwrap();
        fs::write(job.join("cmd"), line).unwrap();
        fs::write(job.join("in"), stdin).unwrap();
        let mut pipe = self.server.stdin.as_ref().unwrap();
        writeln!(pipe, "{}", job.display()).unwrap();
        job
    }

    pub fn call(&self, sent: Sent, verb: &[&str], stdin: &[u8]) -> Answers {
        let nonce = format!("n{}", next());
        let job = self.start(sent, verb, stdin, &nonce);
        finish(&job);
        Answers::read(&job, &nonce)
    }

    pub fn verb(&self, verb: &[&str]) -> Answers {
        self.call(Sent::Plain, verb, b"")
    }

    pub fn inspect(&self, work: &Work) -> (Inspected, Answers) {
        let ask = |sent, install| {
            let payload = for_inspect(&work.run, &work.job, &work.contents, install).unwrap();
            self.call(sent, &["inspect", "texts"], &bytes(&payload))
        };
        let mut answers = ask(Sent::Payload, false);
        if answers.all == [Answer::NeedAgent] {
            answers = ask(Sent::Install, true);
        }
        let mut inspected = Inspected::new(&work.job);
        for answer in &answers.all {
            if let Answer::Inspect(line) = answer {
                inspected.hear(line);
            }
        }
        (inspected, answers)
    }

    pub fn begin(&self, work: &Work, inspected: &Inspected) -> Begun {
        let (mut begun, payload) = Begun::plan(self.target, work, inspected);
        begun.answers = self.call(Sent::Payload, &["begin", &begun.tx], &payload);
        begun
    }

    /// Confirms despite these checks.
    pub fn confirm_despite(&self, begun: &Begun, checks: &[&str]) -> Answers {
        let names: String = checks.iter().map(|name| format!("{name}\n")).collect();
        let verb = ["confirm", &begun.tx, &begun.digest, &checks.len().to_string()];
        self.call(Sent::Plain, &verb, format!("{}\n{names}", begun.token).as_bytes())
    }

    pub fn confirm(&self, begun: &Begun) -> Answers {
        self.call(
            Sent::Plain,
            &["confirm", &begun.tx, &begun.digest],
            format!("{}\n", begun.token).as_bytes(),
        )
    }
}

impl Connection<'_> {
    /// Ends it without waiting for what it still serves.
    #[allow(dead_code, reason = "the fault campaign leaves lines behind")]
    pub fn abandon(mut self) {
        let _ = self.server.kill();
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        // After a failure its command may hang; a connection that is closed doesn't wait for it either.
        if std::thread::panicking() {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

pub fn finish(job: &Path) {
    finish_within(job, Duration::from_secs(120));
}

pub fn finish_within(job: &Path, limit: Duration) {
    let start = Instant::now();
    while fs::read_to_string(job.join("rc")).unwrap_or_default().is_empty() {
        assert!(start.elapsed() < limit, "no answer: {:?}", fs::read_to_string(job.join("out")));
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn bytes(parts: &[Content]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Content::Bytes(bytes) => all.extend_from_slice(bytes),
            Content::File { path, .. } => all.extend_from_slice(&fs::read(path).unwrap()),
        }
    }
    all
}

/// What the agent answered.
#[derive(Debug, Default)]
pub struct Answers {
    pub all: Vec<Answer>,
    pub stderr: String,
}

impl Answers {
    pub fn read(job: &Path, nonce: &str) -> Self {
        let out = fs::read(job.join("out")).unwrap_or_default();
        let said = out.split(|b| *b == b'\n').filter_map(|line| parse(nonce, line));
        // Said first by every call, before anything that is asked for.
        let all = said.filter(|answer| !matches!(answer, Answer::Inside { .. })).collect();
        Self { all, stderr: fs::read_to_string(job.join("err")).unwrap_or_default() }
    }

    /// The answer came to its end, and no tool complained on the way.
    pub fn whole(&self) -> &Self {
        assert_eq!(self.all.last(), Some(&Answer::End), "{self:#?}");
        assert_eq!(self.stderr, "", "{self:#?}");
        self
    }

    pub fn journal(&self) -> Vec<&Entry> {
        self.all.iter().filter_map(|a| if let Answer::Journal(_, e) = a { Some(e) } else { None }).collect()
    }

    pub fn refused(&self) -> Option<&str> {
        self.all
            .iter()
            .find_map(|a| if let Answer::Refused { reason, .. } = a { Some(reason.as_str()) } else { None })
    }

    pub fn denied(&self) -> Option<&str> {
        self.all
            .iter()
            .find_map(|a| if let Answer::Denied { reason, .. } = a { Some(reason.as_str()) } else { None })
    }

    pub fn is_ready(&self) -> bool {
        self.journal().iter().any(|e| matches!(e, Entry::Ready { .. }))
    }

    pub fn is_confirmed(&self) -> bool {
        self.all.contains(&Answer::Confirmed)
    }

    /// Why it was rolled back, if it was.
    pub fn rolled_back(&self) -> Option<(&str, u64)> {
        self.journal().iter().find_map(|e| match e {
            Entry::RolledBack { cause, late_ms, .. } => Some((cause.as_str(), *late_ms)),
            _ => None,
        })
    }

    pub fn rollback_failed(&self) -> bool {
        self.journal().iter().any(|e| matches!(e, Entry::RollbackFailed { .. }))
    }
}

/// A transaction that was begun.
#[derive(Debug)]
pub struct Begun {
    pub tx: String,
    pub token: String,
    pub digest: String,
    pub answers: Answers,
}

impl Begun {
    pub fn plan(target: &Target, work: &Work, inspected: &Inspected) -> (Self, Vec<u8>) {
        let number = next();
        let token = format!("token-{}-{number}", target.shell.len());
        let digest = sha256_hex(format!("plan {number}").as_bytes());
        let spec = TxSpec {
            token_hash: sha256_hex(format!("{token}\n").as_bytes()),
            plan_digest: digest.clone(),
            state_digest: inspected.inspection.state_digest.clone(),
            red_waits: work.job.proof.red_waits(true),
            ..TxSpec::default()
        };
        let payload = for_begin(&work.run, &work.job, &work.contents, &spec, inspected).unwrap();
        let begun = Self { tx: format!("01TEST{number:020}"), token, digest, answers: Answers::default() };
        (begun, bytes(&payload))
    }

    /// Follows to the end over a new connection.
    pub fn follow(&self, target: &Target) -> Answers {
        target.verb(&["follow", &self.tx, "0", "done"])
    }
}
