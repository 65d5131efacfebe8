//! Who cleans up behind the demo, even where the demo is killed.

use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = include_str!("caretaker.sh");

/// A shell that waits for the end of a pipe and then ends the hosts and removes their folder. Dropping this closes the
/// pipe and waits until all is gone; the kernel closes it for a demo that could not.
#[derive(Debug)]
pub(crate) struct Caretaker(Child);

impl Caretaker {
    /// Starts it, in a process group of its own: Ctrl-C is for the demo.
    pub(crate) fn start(dir: &Path, keep: bool) -> Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "caretaker"])
            .arg(dir)
            .arg(if keep { "keep" } else { "remove" })
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        child.map(Self).context("/bin/sh could not be started")
    }

    /// Puts an sshd into its care.
    pub(crate) fn take_over(&mut self, pid: u32) -> Result<()> {
        let pipe = self.0.stdin.as_mut().context("the caretaker's pipe is closed")?;
        writeln!(pipe, "{pid}").context("the caretaker has ended before its time")
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself, within seconds; there is nobody left to tell if it could not be waited for.
        let _ = self.0.wait();
    }
}
