//! Writing a run's record: line by line, in order, durable as fast as the disk is.

use super::Entry;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::iter;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A run's record that is being written. The file is locked as long as this lives, so that others can tell a run that
/// goes on from one whose controller is gone.
#[derive(Debug)]
pub(crate) struct RunLog {
    sender: Sender<Line>,
    writer: JoinHandle<io::Result<()>>,
}

/// A line on its way to the disk.
#[derive(Debug)]
struct Line {
    text: Vec<u8>,
    /// Who waits until it is there; dropped unsent if it can't be written.
    written: Option<oneshot::Sender<()>>,
}

impl RunLog {
    /// Makes the record with its first lines, durably, and goes on writing beside the run.
    ///
    /// # Errors
    /// What the file system says; nothing may be begun then.
    pub(crate) fn create(folder: &Path, run: &str, first: &[Entry]) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("{run}.jsonl"));
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut text = Vec::new();
        for entry in first {
            text.append(&mut line(entry)?);
        }
        file.write_all(&text)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Self::writing(file)
    }

    /// Goes on with a record that nobody writes.
    ///
    /// # Errors
    /// When somebody does; else what the file system says.
    pub(super) fn reopen(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // A line that a crash cut short must not swallow the next one.
        file.write_all(b"\n")?;
        Self::writing(file)
    }

    fn writing(file: File) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let writer = std::thread::Builder::new()
            .name("run-record".to_owned())
            .spawn(move || write_on(file, &receiver))?;
        Ok(Self { sender, writer })
    }

    /// Hands a line over; it is on disk a moment later.
    pub(crate) fn append(&self, entry: &Entry) {
        if let Ok(line) = line(entry) {
            // A writer that has failed says so at the end; no host waits for it.
            let _ = self.sender.send(Line { text: line, written: None });
        }
    }

    /// Hands a line over; the receiver hears when it is on disk, or is dropped when it can't be.
    ///
    /// # Errors
    /// When it is no line, or the writer has failed.
    pub(crate) fn append_durably(&self, entry: &Entry) -> io::Result<oneshot::Receiver<()>> {
        let (written, heard) = oneshot::channel();
        let line = Line { text: line(entry)?, written: Some(written) };
        self.sender.send(line).map_err(|_| io::Error::other("the writer of the record has failed"))?;
        Ok(heard)
    }

    /// Waits until all is on disk.
    ///
    /// # Errors
    /// When something could not be written.
    pub(crate) fn close(self) -> io::Result<()> {
        drop(self.sender);
        self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer of the record has failed")))
    }
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// Lines that came while the disk was busy go with one sync.
fn write_on(mut file: File, lines: &Receiver<Line>) -> io::Result<()> {
    while let Ok(first) = lines.recv() {
        let (mut text, mut waiting) = (Vec::new(), Vec::new());
        for mut line in iter::once(first).chain(lines.try_iter()) {
            text.append(&mut line.text);
            waiting.extend(line.written);
        }
        file.write_all(&text)?;
        file.sync_data()?;
        for written in waiting {
            // Whoever doesn't wait any more doesn't need to hear.
            let _ = written.send(());
        }
    }
    Ok(())
}
