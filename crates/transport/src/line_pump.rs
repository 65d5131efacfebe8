//! Output of a command, cut into lines as it comes.

use crate::seam::{Line, LineSender};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest line that is delivered whole.
const LONGEST: usize = 64 * 1024;

/// Delivers all lines until end of file; `also` sees each before it goes.
///
/// A slow receiver holds the reading up, and so in the end the command. One that has gone doesn't: the rest is
/// read and dropped, because a command that does its work mustn't die of nobody listening.
pub(crate) async fn pump<R: AsyncRead + Unpin>(
    reader: R,
    wrap: fn(Vec<u8>) -> Line,
    lines: &LineSender,
    mut also: impl FnMut(&[u8]),
) {
    let mut reader = BufReader::with_capacity(LONGEST, reader);
    let mut cutter = Cutter::default();
    loop {
        let chunk = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => chunk,
        };
        let (used, line) = cutter.take(chunk);
        reader.consume(used);
        if let Some(line) = line {
            also(&line);
            // An error means that the receiver has gone.
            let _ = lines.send(wrap(line)).await;
        }
    }
    if !cutter.held.is_empty() {
        also(&cutter.held);
        let _ = lines.send(wrap(cutter.held)).await;
    }
}

/// Cuts bytes at newlines, and at [`LONGEST`].
#[derive(Default)]
struct Cutter {
    held: Vec<u8>,
    /// The piece before was cut for its length, so a newline right after it ends that and no empty line.
    after_cut: bool,
}

impl Cutter {
    /// Takes bytes from the front of the chunk; returns how many, and the line that they complete.
    fn take(&mut self, chunk: &[u8]) -> (usize, Option<Vec<u8>>) {
        let room = LONGEST - self.held.len();
        let newline = chunk.iter().take(room + 1).position(|byte| *byte == b'\n');
        let end = newline.unwrap_or(chunk.len().min(room));
        self.held.extend_from_slice(&chunk[..end]);
        if newline.is_some() {
            let empty = self.held.is_empty() && std::mem::take(&mut self.after_cut);
            self.after_cut = false;
            let line = std::mem::take(&mut self.held);
            return (end + 1, (!empty).then_some(line));
        }
        if self.held.len() < LONGEST {
            return (end, None);
        }
        self.after_cut = true;
        (end, Some(std::mem::take(&mut self.held)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    async fn cut(bytes: &[u8]) -> Vec<Line> {
        let (sender, mut receiver) = mpsc::channel(16);
        pump(bytes, Line::Out, &sender, |_| {}).await;
        drop(sender);
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_keep_their_bytes_and_lose_their_newline() {
        let lines = cut(b"a\n\n\xff\r\nlast").await;
        assert_eq!(lines, [&b"a"[..], b"", b"\xff\r", b"last"].map(|line| Line::Out(line.to_vec())));
    }

    #[tokio::test]
    async fn a_line_without_end_comes_in_pieces() {
        for (length, pieces) in [
            (LONGEST - 1, vec![LONGEST - 1]),
            (LONGEST, vec![LONGEST]),
            (2 * LONGEST + 1, vec![LONGEST, LONGEST, 1]),
        ] {
            let mut bytes = vec![b'x'; length];
            bytes.extend_from_slice(b"\nnext\n");
            let mut lengths: Vec<_> = cut(&bytes).await.iter().map(length_of).collect();
            assert_eq!(lengths.pop(), Some(4));
            assert_eq!(lengths, pieces);
        }
    }

    fn length_of(line: &Line) -> usize {
        match line {
            Line::Out(bytes) | Line::Err(bytes) => bytes.len(),
        }
    }

    #[tokio::test]
    async fn a_receiver_that_has_gone_does_not_stop_the_reading() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut seen = 0;
        pump(&b"a\nb\nc\n"[..], Line::Out, &sender, |_| seen += 1).await;
        assert_eq!(seen, 3);
    }
}
