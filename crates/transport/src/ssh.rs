//! One ssh process, and the certainty that it ends.

use crate::options::SetupError;
use crate::program::Version;
use crate::run_dir::RunDir;
use crate::spawner::Spawner;
use crate::ssh_log::SshLog;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use snapback_core::way::PASSWORD_VARIABLE;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a process may take to end when asked to, and its last messages to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every ssh of a run is started with.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) dir: RunDir,
    pub(crate) version: Version,
    pub(crate) program: PathBuf,
    spawner: Spawner,
}

impl Launcher {
    pub(crate) fn new(program: PathBuf, run_base: Option<&Path>) -> Result<Self, SetupError> {
        let version = Version::ask(&program)?;
        Ok(Self { dir: RunDir::make(run_base)?, version, program, spawner: Spawner::start()? })
    }

    /// Starts an ssh whose standard error, and output unless it is a master's, we read.
    pub(crate) async fn start(
        self: &Arc<Self>,
        wrapper: &Path,
        arguments: Vec<OsString>,
        piped: bool,
    ) -> io::Result<Ssh> {
        let told = Told::open(self.dir.fresh("log"))?;
        let ours = || if piped { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(&self.program);
        command.arg("-F").arg(wrapper).arg("-E").arg(&told.path).args(arguments);
        // Messages are matched by their text, some of which is the C library's.
        command.env_remove(PASSWORD_VARIABLE).env("LC_ALL", "C").env("SSH_ASKPASS_REQUIRE", "never");
        command.stdin(ours()).stdout(ours()).stderr(Stdio::piped());
        let child = self.spawner.spawn(command).await?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Ssh { child, group, told, _launcher: Arc::clone(self) })
    }
}

/// A running ssh with everything it has started (jump hosts are dialled by processes of their own). Dropping it
/// kills them all.
#[derive(Debug)]
pub(crate) struct Ssh {
    pub(crate) child: Child,
    /// The process group, until it has been seen to end.
    group: Option<Pid>,
    told: Told,
    /// Our child gets a signal when the spawner's thread ends, so that must outlive it.
    _launcher: Arc<Launcher>,
}

impl Ssh {
    /// Returns what ssh has told, to be watched.
    pub(crate) fn log(&self) -> watch::Receiver<SshLog> {
        self.told.log.clone()
    }

    /// Waits until it has ended by itself and all it told has been read.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.kill_group();
        self.told.finish().await;
        Ok(status)
    }

    /// Ends it and waits until nothing of it is left.
    pub(crate) async fn stop(mut self) {
        if let Some(leader) = self.group {
            // An error means that it has ended.
            let _ = kill(leader, Signal::SIGTERM);
        }
        if timeout(PATIENCE, self.ended()).await.is_err() {
            self.kill_group();
            let _ = timeout(PATIENCE, self.child.wait()).await;
        }
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // An error means that all of it has ended.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// What an ssh tells over a named pipe. It closes all descriptors that it inherits, so it must have a name.
#[derive(Debug)]
struct Told {
    path: PathBuf,
    /// Keeps the pipe from ending before ssh has opened it.
    held_open: Option<File>,
    log: watch::Receiver<SshLog>,
    reading: JoinHandle<()>,
}

impl Told {
    fn open(path: PathBuf) -> io::Result<Self> {
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let reader = pipe::OpenOptions::new().open_receiver(&path)?;
        let held_open = File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&path)?;
        let (sender, log) = watch::channel(SshLog::default());
        let reading = tokio::spawn(read(reader, sender));
        Ok(Self { path, held_open: Some(held_open), log, reading })
    }

    /// Waits until everything that was written has been read.
    async fn finish(&mut self) {
        if self.held_open.take().is_some() {
            // Whatever else may still hold the pipe open isn't worth more.
            let _ = timeout(PATIENCE, &mut self.reading).await;
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.reading.abort();
        // An error means that the whole directory has gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn read(reader: pipe::Receiver, log: watch::Sender<SshLog>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        // What a host makes ssh say mustn't fill our memory.
        match (&mut reader).take(64 * 1024).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => log.send_modify(|log| log.hear(&String::from_utf8_lossy(&line))),
        }
    }
}
