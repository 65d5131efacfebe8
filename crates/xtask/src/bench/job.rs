//! The job that is measured: a small tree of configuration, one handler, one check.

use anyhow::{Context, Result};
use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// Where the files go.
pub(crate) const DEST: &str = "/etc/bench";

/// What runs when files changed.
pub(crate) const HANDLER: &str = "date +%s%N >/run/bench.reloaded";

/// What must hold afterwards.
pub(crate) const CHECK: &str = "test -s /run/bench.reloaded";

/// The number of files, the stamp aside, and the bytes in each.
const FILES: usize = 40;
const FILE_SIZE: usize = 5_000;

/// A job for some hosts, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Job {
    /// The tree that travels.
    pub(crate) tree: PathBuf,
    /// The names of the hosts.
    pub(crate) hosts: Vec<String>,
    /// How many hosts at once.
    pub(crate) parallel: usize,
    /// The program to measure.
    pub(crate) deploy: PathBuf,
    /// The fleet file as anybody would write it.
    pub(crate) as_shipped: PathBuf,
    /// The fleet file that asks for the same key exchange on both connections.
    pub(crate) same_kex: PathBuf,
    version: Cell<u32>,
}

impl Job {
    /// Writes down the job.
    pub(crate) fn new(folder: PathBuf, hosts: usize, parallel: usize, deploy: PathBuf) -> Result<Self> {
        let job = Self {
            tree: folder.join("tree"),
            hosts: (1..=hosts).map(|number| format!("host{number}")).collect(),
            parallel,
            deploy,
            as_shipped: folder.join("as-shipped.toml"),
            same_kex: folder.join("same-kex.toml"),
            version: Cell::new(0),
        };
        fs::create_dir_all(&job.tree).context("can't make the tree")?;
        fs::write(&job.as_shipped, job.fleet_file(""))?;
        fs::write(&job.same_kex, job.fleet_file("kex = \"default\"\n"))?;
        Ok(job)
    }

    /// Changes every file, and returns the stamp by which a host shows that it has them.
    pub(crate) fn renew(&self) -> Result<String> {
        self.version.set(self.version.get() + 1);
        let stamp = format!("version {}\n", self.version.get());
        for file in 0..FILES {
            let mut text = String::new();
            while text.len() < FILE_SIZE {
                // Writing to a String can't fail.
                let _ = writeln!(text, "setting_{file}_{} = {}", text.len(), self.version.get());
            }
            text.truncate(FILE_SIZE);
            fs::write(self.tree.join(format!("part-{file:02}.conf")), text)?;
        }
        fs::write(self.tree.join("stamp"), &stamp)?;
        Ok(stamp)
    }

    fn fleet_file(&self, confirm: &str) -> String {
        let mut text = format!(
            "[[changes]]\nname = \"config\"\nkind = \"files\"\nhandlers = ['{HANDLER}']\n\
             [[changes.files]]\nsource = \"tree/\"\ndest = \"{DEST}/\"\n\
             [[checks]]\nname = \"reloaded\"\nwhere = \"remote\"\nrun = '{CHECK}'\n\
             [confirm]\nsettle = \"0s\"\n{confirm}\
             [rollout]\nparallel = {0}\nconnect_parallel = {0}\n",
            self.parallel
        );
        for host in &self.hosts {
            // Writing to a String can't fail.
            let _ = writeln!(text, "[hosts.{host}]");
        }
        text
    }
}
