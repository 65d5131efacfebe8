//! What a command prints, line by line, in little memory.

use crate::local_check::tail::clean;
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How many bytes of a line are kept.
const BYTES: usize = 4096;

/// How many lines are told: a command that prints without end must not fill the run's record.
const MOST: usize = 2000;

/// How much is read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Cuts a stream into lines and tells each.
pub(super) struct Lines<'t> {
    tell: &'t mut (dyn FnMut(&str) + Send),
    unfinished: Vec<u8>,
    told: usize,
    /// The last line that isn't blank.
    last: String,
}

impl<'t> Lines<'t> {
    pub(super) fn new(tell: &'t mut (dyn FnMut(&str) + Send)) -> Self {
        Self { tell, unfinished: Vec::new(), told: 0, last: String::new() }
    }

    /// Reads until the stream ends or breaks.
    pub(super) async fn follow(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            self.push(&chunk[..n]);
            // A flood is always ready: without this, the timers beside it would never get their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Returns the last line that isn't blank, safe for a terminal.
    pub(super) fn finish(mut self) -> String {
        if !self.unfinished.is_empty() {
            self.end_line();
        }
        clean(self.last.trim())
    }

    fn push(&mut self, mut rest: &[u8]) {
        while let Some(newline) = memchr(b'\n', rest) {
            self.extend(&rest[..newline]);
            self.end_line();
            rest = &rest[newline + 1..];
        }
        self.extend(rest);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = BYTES.saturating_sub(self.unfinished.len());
        self.unfinished.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.unfinished).into_owned();
        self.unfinished.clear();
        match self.told {
            told if told < MOST => (self.tell)(&line),
            MOST => (self.tell)("(more lines follow, and are not kept)"),
            _ => {}
        }
        self.told += 1;
        if !line.trim().is_empty() {
            self.last = line;
        }
    }
}
