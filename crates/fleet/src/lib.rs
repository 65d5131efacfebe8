//! Turns `fleet.toml` into one validated job for each host, or into everything that is wrong with it.
//!
//! [`load`] is the only way in, and the only part of the house that reads the user's files. It goes in three
//! steps: `file` reads what was written (typed, with places, includes merged), `hosts` works out which hosts
//! there are and what holds for each, `build` makes the jobs. Each of them takes problems down and goes on, so
//! that all are told at once; a [`Fleet`] exists only when there was none.

mod build;
mod file;
mod hosts;
mod keys;
mod nearest;
mod place;
mod problem;
mod reader;
mod starter;
mod store;
mod template;

pub use place::Place;
pub use problem::{Problem, Problems};
pub use reader::parse_duration;
pub use starter::starter;

use snapback_core::content::Contents;
use snapback_core::hook::Hooks;
use snapback_core::host::HostName;
use snapback_core::job::HostJob;
use snapback_core::rollout::Course;
use std::path::{Path, PathBuf};

/// What the command line adds to the fleet file.
#[derive(Clone, Debug, Default)]
pub struct LoadRequest {
    /// `--var k=v`: wins over everything in the file.
    pub vars: Vec<(String, String)>,
    /// `--limit`: a selector; only these hosts are worked on.
    pub limit: Option<String>,
    /// `--confirm`: who says that a host may be confirmed; wins over `[confirm] mode`.
    pub mode: Option<snapback_core::proof::Mode>,
    /// Only these hosts, by their exact names; those that the file doesn't name any more are noted.
    pub only: Option<Vec<HostName>>,
}

/// A fleet file that has been read, checked and worked out.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// `name`, or the file's stem: the key of records and locks.
    pub name: String,
    /// The folder of the fleet file, absolute: where local commands run.
    pub dir: PathBuf,
    /// One job for each host, in file order, after `--limit`.
    pub jobs: Vec<HostJob>,
    /// In which batches and by which rules the jobs are carried out.
    pub course: Course,
    /// What runs on the controller at the turns of a run.
    pub hooks: Hooks,
    /// The hosts that `--limit` left out.
    pub left_out: Vec<HostName>,
    /// Every content that a job names by hash.
    pub contents: Contents,
    /// How many hosts are worked on at once.
    pub parallel: usize,
    /// How many connections are opened at once.
    pub connect_parallel: usize,
    /// What a plan should say besides: nothing is wrong with it, but it may not be what was meant.
    pub notes: Vec<String>,
}

/// Loads a fleet file.
///
/// # Errors
/// [`Problems`]: all that is wrong with the file, what it includes, its sources and templates, and the request.
pub fn load(path: &Path, request: &LoadRequest) -> Result<Fleet, Problems> {
    build::load(path, request)
}
