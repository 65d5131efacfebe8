//! What a command reads: pieces in memory and files, streamed.

use crate::seam::{Later, Piece, RunError};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};

const CHUNK: usize = 64 * 1024;

/// A file that is not what was promised.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}", path = path.display())]
pub(crate) struct BadSource {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl BadSource {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }

    fn length(path: &Path, is: u64, was: u64) -> Self {
        Self::new(path, format!("the file has {is} bytes now and had {was} when it was planned; run again"))
    }
}

impl From<BadSource> for RunError {
    fn from(bad: BadSource) -> Self {
        Self::Source { path: bad.path, reason: bad.reason }
    }
}

/// Why feeding ended early.
enum Stopped {
    /// The command reads no more. That is its own business: the exit status and the end mark tell.
    Unwanted,
    Bad(BadSource),
}

/// Looks at the files before anything is contacted.
pub(crate) async fn inspect(pieces: &[Piece]) -> Result<(), BadSource> {
    for piece in pieces {
        if let Piece::File { path, len } = piece {
            let meta = tokio::fs::metadata(path).await.map_err(|error| BadSource::new(path, error))?;
            if meta.len() != *len {
                return Err(BadSource::length(path, meta.len(), *len));
            }
        }
    }
    Ok(())
}

/// Writes all pieces, then closes the writer. Small ones are collected: each write would be a packet of its own.
pub(crate) async fn feed<W: AsyncWrite + Unpin>(writer: W, pieces: &[Piece]) -> Result<(), BadSource> {
    let mut writer = BufWriter::with_capacity(CHUNK, writer);
    for piece in pieces {
        let fed = match piece {
            Piece::Bytes(bytes) => write(&mut writer, bytes).await,
            Piece::File { path, len } => stream(&mut writer, path, *len).await,
            Piece::Later(later) => relay(&mut writer, later).await,
        };
        match fed {
            Ok(()) => {}
            Err(Stopped::Unwanted) => return Ok(()),
            Err(Stopped::Bad(bad)) => return Err(bad),
        }
    }
    // An error here means what `Unwanted` means.
    let _ = writer.shutdown().await;
    Ok(())
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> Result<(), Stopped> {
    for chunk in bytes.chunks(CHUNK) {
        writer.write_all(chunk).await.map_err(|_| Stopped::Unwanted)?;
    }
    Ok(())
}

/// Each as it comes: whoever reads it waits for it, and for what stands before it.
async fn relay<W: AsyncWrite + Unpin>(writer: &mut W, later: &Later) -> Result<(), Stopped> {
    writer.flush().await.map_err(|_| Stopped::Unwanted)?;
    while let Some(bytes) = later.next().await {
        write(writer, &bytes).await?;
        writer.flush().await.map_err(|_| Stopped::Unwanted)?;
    }
    Ok(())
}

async fn stream<W: AsyncWrite + Unpin>(writer: &mut W, path: &Path, len: u64) -> Result<(), Stopped> {
    let unreadable = |error: io::Error| Stopped::Bad(BadSource::new(path, error));
    let mut file = File::open(path).await.map_err(unreadable)?;
    let mut buffer = vec![0; CHUNK];
    let mut sent = 0;
    loop {
        let read = fill(&mut file, &mut buffer).await.map_err(unreadable)?;
        if read == 0 && sent == len {
            return Ok(());
        }
        sent += read as u64;
        if read == 0 || sent > len {
            return Err(Stopped::Bad(BadSource::length(path, sent, len)));
        }
        write(writer, &buffer[..read]).await?;
    }
}

/// Fills the buffer as far as the file goes: whole chunks cost fewer system calls and fewer ssh packets.
async fn fill<R: AsyncRead + Unpin>(reader: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8], len: u64) -> (tempfile::TempDir, Piece) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        (dir, Piece::File { path, len })
    }

    #[tokio::test]
    async fn a_file_of_the_promised_length_is_sent_whole() {
        let bytes = vec![7; 3 * CHUNK + 5];
        let (_dir, piece) = file(&bytes, bytes.len() as u64);
        inspect(std::slice::from_ref(&piece)).await.unwrap();
        let mut out = Vec::new();
        feed(&mut out, &[Piece::Bytes((*b"head").into()), piece]).await.unwrap();
        assert_eq!(&out[..4], b"head");
        assert_eq!(&out[4..], bytes);
    }

    #[tokio::test]
    async fn a_file_that_changed_its_length_is_an_error_naming_it() {
        for promised in [3, 5] {
            let (_dir, piece) = file(b"four", promised);
            assert!(inspect(std::slice::from_ref(&piece)).await.is_err());
            let bad = feed(&mut Vec::new(), &[piece]).await.unwrap_err();
            assert!(bad.path.ends_with("f") && bad.reason.contains(&promised.to_string()), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn what_comes_later_is_sent_at_once_and_what_stands_behind_it_waits() {
        let (sender, piece) = crate::seam::later();
        let (mut reader, writer) = tokio::io::duplex(64);
        let feeding =
            tokio::spawn(async move { feed(writer, &[piece, Piece::Bytes((*b"rest").into())]).await });
        sender.send(b"word\n".to_vec().into()).unwrap();
        let mut heard = [0; 5];
        reader.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"word\n");
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), reader.read_u8()).await;
        assert!(early.is_err(), "{early:?}");
        drop(sender);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rest");
        feeding.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_no_error() {
        let (reader, writer) = tokio::io::duplex(16);
        drop(reader);
        feed(writer, &[Piece::Bytes(vec![0; 1000].into())]).await.unwrap();
    }
}
