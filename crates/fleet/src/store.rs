//! The contents that hosts will want, each kept once and named by its hash.

use sha2::{Digest, Sha256};
use snapback_core::content::{Content, Contents, Sha256Hex};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files up to this size are kept in memory; larger ones are read again when they travel.
const IN_MEMORY: u64 = 1024 * 1024;

/// A content that has been taken in.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) hash: Sha256Hex,
    pub(crate) size: u64,
}

/// Takes contents in.
#[derive(Debug, Default)]
pub(crate) struct Store {
    contents: Contents,
    files: BTreeMap<PathBuf, Stored>,
}

impl Store {
    /// Takes in bytes.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) -> Stored {
        let stored = Stored { hash: hex(&Sha256::digest(bytes)), size: bytes.len() as u64 };
        self.contents.entry(stored.hash.clone()).or_insert_with(|| Content::Bytes(bytes.into()));
        stored
    }

    /// Takes in a file; one that is wanted twice is read once.
    pub(crate) fn add_file(&mut self, path: &Path) -> io::Result<Stored> {
        if let Some(stored) = self.files.get(path) {
            return Ok(stored.clone());
        }
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other(if meta.is_dir() {
                "it is a folder"
            } else {
                "it is not a regular file"
            }));
        }
        let stored = if meta.len() <= IN_MEMORY {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            self.add_bytes(&bytes)
        } else {
            let stored = hash_stream(&mut file)?;
            let path = crate::place::absolute(path);
            let content = Content::File { path, len: stored.size };
            self.contents.entry(stored.hash.clone()).or_insert(content);
            stored
        };
        self.files.insert(path.to_path_buf(), stored.clone());
        Ok(stored)
    }

    /// Returns all that was taken in.
    pub(crate) fn into_contents(self) -> Contents {
        self.contents
    }
}

fn hash_stream(file: &mut File) -> io::Result<Stored> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut block = vec![0; 64 * 1024];
    loop {
        let len = file.read(&mut block)?;
        if len == 0 {
            return Ok(Stored { hash: hex(&hasher.finalize()), size });
        }
        hasher.update(&block[..len]);
        size += len as u64;
    }
}

fn hex(digest: &[u8]) -> Sha256Hex {
    Sha256Hex(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_kept_once_and_large_files_stay_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (small, large) = (dir.path().join("small"), dir.path().join("large"));
        std::fs::write(&small, "abc").unwrap();
        std::fs::write(&large, vec![7_u8; 3 * 1024 * 1024]).unwrap();
        let mut store = Store::default();
        let of_bytes = store.add_bytes(b"abc");
        assert_eq!(of_bytes.hash.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(store.add_file(&small).unwrap().hash, of_bytes.hash);
        let big = store.add_file(&large).unwrap();
        assert_eq!(big.hash, hex(&Sha256::digest(vec![7_u8; 3 * 1024 * 1024])));
        let contents = store.into_contents();
        assert_eq!(contents.len(), 2);
        assert!(matches!(&contents[&big.hash], Content::File { path, len: 3_145_728 } if *path == large));
        assert!(matches!(&contents[&of_bytes.hash], Content::Bytes(bytes) if bytes.as_ref() == b"abc"));
    }
}
