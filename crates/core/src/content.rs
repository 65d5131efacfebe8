//! The bytes of files, kept apart from the jobs that name them by hash.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A SHA-256 in lower-case hexadecimal, 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sha256Hex(pub String);

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory: rendered templates and small files. Shared between hosts.
    Bytes(Arc<[u8]>),
    /// On the controller's disk; streamed when it travels. The length is in bytes.
    File {
        /// The file to read.
        path: PathBuf,
        /// Its length when it was hashed, in bytes.
        len: u64,
    },
}

impl Content {
    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All contents of a run by hash; each is kept once however many hosts want it.
pub type Contents = BTreeMap<Sha256Hex, Content>;
