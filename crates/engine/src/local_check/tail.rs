//! The last lines of a stream of any length, in little memory.

use memchr::{memchr, memrchr_iter};
use snapback_core::event::visible;
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How many lines are kept.
const LINES: usize = 20;

/// How many characters of a line are kept.
const CHARS: usize = 500;

/// How many bytes of a line are looked at: enough for [`CHARS`] characters of four bytes and one cut short.
const BYTES: usize = 4 * CHARS + 4;

/// How much is read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Collects a stream and keeps its last lines.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<Vec<u8>>,
    unfinished: Vec<u8>,
}

impl Tail {
    /// Reads until the stream ends or breaks.
    pub(super) async fn follow(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            self.push(&chunk[..n]);
            // A flood is always ready: without this, the timers beside it would never get their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = match memrchr_iter(b'\n', bytes).nth(LINES) {
            // Lines that this very chunk pushes out again are never looked at: a flood of short ones stays cheap.
            Some(newline) => {
                self.unfinished.clear();
                &bytes[newline + 1..]
            }
            None => bytes,
        };
        while let Some(newline) = memchr(b'\n', rest) {
            self.extend_line(&rest[..newline]);
            self.end_line();
            rest = &rest[newline + 1..];
        }
        self.extend_line(rest);
    }

    /// Returns the lines, cleaned for a terminal.
    pub(super) fn into_lines(mut self) -> Vec<String> {
        if !self.unfinished.is_empty() {
            self.end_line();
        }
        self.lines.iter().map(|line| clean(&String::from_utf8_lossy(line))).collect()
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = BYTES.saturating_sub(self.unfinished.len());
        self.unfinished.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(std::mem::take(&mut self.unfinished));
    }
}

/// Returns a line as a person may see it: no control characters, cut at 500 characters.
pub(crate) fn clean(line: &str) -> String {
    let shown = visible(line.trim_end_matches('\r'));
    if shown.chars().nth(CHARS).is_none() {
        return shown;
    }
    let mut cut: String = shown.chars().take(CHARS - 1).collect();
    cut.push('…');
    cut
}

/// Returns the last line that isn't blank.
pub(super) fn last_line(lines: &[String]) -> Option<&str> {
    lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{Either, select};
    use std::pin::pin;
    use std::time::Duration;

    fn tail_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut tail = Tail::default();
        chunks.iter().for_each(|chunk| tail.push(chunk));
        tail.into_lines()
    }

    #[test]
    fn lines_are_put_together_from_any_chunks() {
        assert_eq!(tail_of(&[b"a", b"b\nc", b"\r\n", b"", b"\nd"]), ["ab", "c", "", "d"]);
        assert!(tail_of(&[]).is_empty());
    }

    #[test]
    fn only_the_last_twenty_are_kept() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let wanted: Vec<_> = (80..100).map(|n| n.to_string()).collect();
        assert_eq!(tail_of(&[text.as_bytes()]), wanted, "in one chunk");
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
        assert_eq!(tail_of(&chunks), wanted, "in many");
        assert_eq!(tail_of(&[text.trim_end().as_bytes()]), wanted, "without a last newline");
    }

    #[test]
    fn a_chunk_that_skips_lines_doesnt_glue_the_line_before_it_on() {
        let text: String = (0..21).map(|n| format!("{n}\n")).collect();
        let wanted: Vec<_> = (1..21).map(|n| n.to_string()).collect();
        assert_eq!(tail_of(&[b"old", text.as_bytes()]), wanted);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 4096]);
        }
        assert!(tail.unfinished.capacity() < 16 * 1024, "{}", tail.unfinished.capacity());
        let lines = tail.into_lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].chars().count(), 500);
        assert!(lines[0].ends_with("x…"));
    }

    #[test]
    fn wide_characters_are_never_torn_by_the_cut() {
        let lines = tail_of(&["€𝄞".repeat(1000).as_bytes()]);
        assert_eq!(lines[0].chars().count(), 500);
        assert!(!lines[0].contains('\u{fffd}'));
    }

    #[test]
    fn nothing_in_a_line_can_drive_a_terminal() {
        assert_eq!(tail_of(&[b"\x1b[2J\xff\n"]), ["\\x1b[2J\u{fffd}"]);
    }

    #[tokio::test]
    async fn a_stream_that_is_always_ready_leaves_others_their_turn() {
        let mut tail = Tail::default();
        let flood = pin!(tail.follow(tokio::io::repeat(b'x')));
        let beside = pin!(tokio::time::sleep(Duration::from_millis(20)));
        let ended = tokio::time::timeout(Duration::from_secs(5), select(flood, beside)).await;
        assert!(matches!(ended, Ok(Either::Right(_))));
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(&tail_of(&[b"a\n b \n \n\n"])), Some("b"));
        assert_eq!(last_line(&[]), None);
    }
}
