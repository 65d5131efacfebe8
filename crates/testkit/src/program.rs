//! A program under test: in an empty environment, bounded in time, its output kept.

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often what is waited for is looked at.
const TICK: Duration = Duration::from_millis(5);

/// A program that is about to be started. Only `PATH` is kept of the environment, and there is nothing to read.
#[derive(Debug)]
pub struct Program {
    command: Command,
    limit: Duration,
    terminal: bool,
}

impl Program {
    /// Returns a program that must end within a minute.
    #[must_use]
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(path);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
        // Whatever a terminal sends to its foreground is not for it, and a signal to its group is for it alone.
        command.stdin(Stdio::null()).process_group(0);
        Self { command, limit: Duration::from_secs(60), terminal: false }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder that it starts in.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Sets the longest that it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Gives it a terminal of 80 columns and 24 lines to read from and to complain to.
    #[must_use]
    pub fn on_a_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let shown = format!("{:?}", self.command).rsplit('/').next().unwrap_or_default().to_owned();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let keyboard = self.terminal.then(|| self.give_terminal());
        let spawned = self.command.spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{shown} can't be started: {error}"));
        // Our copies of the terminal's other end, which would keep it from ever ending.
        drop(self.command);
        let out = Listener::to(child.stdout.take().expect("a pipe"));
        let err = match &keyboard {
            Some(screen) => Listener::to(screen.try_clone().expect("a descriptor")),
            None => Listener::to(child.stderr.take().expect("a pipe")),
        };
        Running { child, shown, out, err, keyboard, began: Instant::now(), limit: self.limit }
    }

    /// Returns our end of the terminal.
    fn give_terminal(&mut self) -> File {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(Some(&size), None).expect("a terminal");
        let theirs = ends.slave.try_clone().expect("a descriptor");
        self.command.stdin(ends.slave).stderr(theirs);
        File::from(ends.master)
    }

    /// Runs it to its end.
    #[must_use = "assert how it ended"]
    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// A program that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    out: Listener,
    err: Listener,
    keyboard: Option<File>,
    began: Instant,
    limit: Duration,
}

impl Running {
    /// Returns its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// Returns what it has said so far: standard output, then standard error.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}{}", self.out.text(), self.err.text())
    }

    /// Waits until it has said this.
    ///
    /// # Panics
    /// When it ends before it does, or its time is up.
    pub fn await_said(&mut self, text: &str) {
        while !self.said().contains(text) {
            if self.child.try_wait().expect("a child can be waited for").is_some() {
                let said = self.out.finish() + &self.err.finish();
                assert!(said.contains(text), "{} ended without saying {text:?}:\n{said}", self.shown);
                return;
            }
            self.mind_the_time(&format!("it never said {text:?}"));
        }
    }

    /// Waits until something holds while it runs.
    ///
    /// # Panics
    /// When it ends before, or its time is up.
    pub fn await_that(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        while !holds() {
            if self.child.try_wait().expect("a child can be waited for").is_some() && !holds() {
                let said = self.out.finish() + &self.err.finish();
                panic!("{} ended, and not: {what}\n{said}", self.shown);
            }
            self.mind_the_time(what);
        }
    }

    /// Types on its terminal.
    ///
    /// # Panics
    /// When it has none.
    pub fn types(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("a terminal");
        keyboard.write_all(text.as_bytes()).expect("it can be typed on");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it isn't there any more.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When its time is up.
    #[must_use = "assert how it ended"]
    pub fn end(mut self) -> Ended {
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None => self.mind_the_time("it did not end"),
            }
        };
        let took = self.began.elapsed();
        let (out, err) = (self.out.finish(), self.err.finish());
        Ended { shown: self.shown.clone(), status, out, err, took }
    }

    fn mind_the_time(&mut self, why: &str) {
        if self.began.elapsed() > self.limit {
            let said = self.said();
            panic!("{} took more than {:?}: {why}\n{said}", self.shown, self.limit);
        }
        thread::sleep(TICK);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    shown: String,
    status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Ended {
    /// Returns its exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts its exit code.
    ///
    /// # Panics
    /// When it was another.
    pub fn must_exit(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "signal {:?}; {self}", self.status.signal());
        self
    }

    /// Asserts that it said something, on either output.
    ///
    /// # Panics
    /// When it didn't.
    pub fn must_say(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "{text:?} isn't said; {self}");
        self
    }

    /// Asserts that it did not say something, on either output.
    ///
    /// # Panics
    /// When it did.
    pub fn must_not_say(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?} is said; {self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shown, status, took) = (&self.shown, &self.status, &self.took);
        write!(f, "{shown}: {status} after {took:?}\n--- stdout\n{}--- stderr\n{}---", self.out, self.err)
    }
}

/// Reads what a program writes.
#[derive(Debug)]
struct Listener {
    heard: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Listener {
    fn to(mut stream: impl Read + Send + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let reading = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
            }
        });
        Self { heard, reading: Some(reading) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Returns everything, unless something that outlived the program keeps its output open for seconds.
    fn finish(&mut self) -> String {
        let until = Instant::now() + Duration::from_secs(5);
        while self.reading.as_ref().is_some_and(|reading| !reading.is_finished()) && Instant::now() < until {
            thread::sleep(TICK);
        }
        self.text()
    }
}
