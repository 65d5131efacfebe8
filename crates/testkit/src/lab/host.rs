//! One host of a lab.

use super::cgroup::{HostCgroup, set_frozen};
use super::condition::{self, Condition};
use super::digest::TreeDigest;
use super::error::LabError;
use super::kind::HostKind;
use super::network;
use super::paths::{HostPaths, LabPaths, make_dir, write};
use super::program::run;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const BOOT_PLAIN: &str = include_str!("shell/boot-plain.sh");
const BOOT_SYSTEMD: &str = include_str!("shell/boot-systemd.sh");

/// How long a host may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host: namespaces, a root, and whatever runs in them. It ends with its lab, not with this value.
#[derive(Clone, Debug)]
pub struct LabHost {
    name: String,
    index: u16,
    kind: HostKind,
    lab: LabPaths,
    paths: HostPaths,
    cgroup: HostCgroup,
}

impl LabHost {
    /// Names the host `name` of a lab.
    pub(crate) fn of(lab: &LabPaths, name: &str, index: u16, kind: HostKind) -> Result<Self, LabError> {
        let cgroup = HostCgroup::of(&lab.id, name)?;
        Ok(Self { name: name.to_owned(), index, kind, lab: lab.clone(), paths: lab.host(name), cgroup })
    }

    /// Returns its name, which is also what to type after `ssh`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it runs as PID 1.
    pub fn kind(&self) -> HostKind {
        self.kind
    }

    /// Returns its address in the lab's network.
    pub fn address(&self) -> Ipv4Addr {
        network::address(self.index)
    }

    /// Returns the file in which the kernel counts the CPU time of all its processes, in the form of cgroups(7).
    pub fn cpu_stat(&self) -> PathBuf {
        self.cgroup.cpu_stat()
    }

    /// Returns its root, seen from the machine; readable while the host is off, too. What the host itself
    /// mounts (`/run`, and `/tmp` under systemd) isn't seen there.
    pub fn root(&self) -> PathBuf {
        self.paths.root()
    }

    /// Describes the trees at these absolute paths of the host.
    pub fn tree_digest(&self, paths: &[&str]) -> Result<TreeDigest, LabError> {
        TreeDigest::of(&self.root(), paths)
    }

    /// Starts it, and returns once its sshd answers.
    pub fn boot(&self) -> Result<(), LabError> {
        self.start()?;
        self.wait_until_reachable(PATIENCE)
    }

    /// Starts it without waiting.
    pub fn start(&self) -> Result<(), LabError> {
        let script = if self.kind == HostKind::Systemd { BOOT_SYSTEMD } else { BOOT_PLAIN };
        let file = self.paths.disk.join("boot.sh");
        write(&file, script)?;
        self.cgroup.create()?;
        make_dir(&self.cgroup.payload())?;
        let line = format!(
            r#"exec setsid --fork sh "$0" "$@" </dev/null >>"{}" 2>&1"#,
            self.paths.console().display()
        );
        let (script, cgroup, root) =
            (file.to_string_lossy(), self.cgroup.path().to_string_lossy(), self.root());
        let argv =
            ["sh", "-c", &line, &script, &cgroup, &root.to_string_lossy(), &self.name, &self.paths.netns];
        let last = match self.kind {
            HostKind::Systemd if self.paths.both_cgroups().exists() => "both",
            HostKind::Systemd => "unified",
            other => other.init(),
        };
        run(&[&argv[..], &[last]].concat()).map(drop)
    }

    /// Takes its power away: every process is killed at once, nothing is told, and it stays off.
    /// Its network loses what was set at run time, as it does on a real machine.
    pub fn power_cut(&self) -> Result<(), LabError> {
        self.cgroup.kill()?;
        network::reset(&self.paths, self.index)
    }

    /// Tells whether any of its processes lives.
    pub fn is_on(&self) -> Result<bool, LabError> {
        self.cgroup.is_populated()
    }

    /// Returns once its sshd answers the controller with its banner.
    pub fn wait_until_reachable(&self, patience: Duration) -> Result<(), LabError> {
        let (start, end) = (Instant::now(), Instant::now() + patience);
        while !self.answers_within(Duration::from_millis(500)) {
            let stillborn = start.elapsed() > Duration::from_secs(2) && !self.is_on()?;
            if stillborn || Instant::now() > end {
                return Err(self.late("an answer of its sshd", patience));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Tells whether its sshd answers the controller with its banner within this time.
    pub fn answers_within(&self, patience: Duration) -> bool {
        let address = SocketAddr::from((self.address(), 22));
        let netns = format!("/run/netns/{}", self.lab.controller_netns());
        // A namespace belongs to a thread: a thread of its own is entered, and ends there.
        let asked = thread::spawn(move || -> io::Result<bool> {
            let namespace = File::open(netns)?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let mut stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_read_timeout(Some(patience))?;
            let mut banner = [0; 4];
            stream.read_exact(&mut banner)?;
            Ok(&banner == b"SSH-")
        });
        matches!(asked.join(), Ok(Ok(true)))
    }

    /// Sets what the network does to it.
    pub fn network(&self, condition: Condition) -> Result<(), LabError> {
        condition::set(&self.lab, self.index, condition)
    }

    /// Drops everything to and from it, in the lab's network and not in the host.
    pub fn blackhole(&self) -> Result<(), LabError> {
        self.network(Condition::Blackhole)
    }

    /// Stops every process of it, as a hanging machine does; its kernel still answers pings.
    pub fn freeze(&self) -> Result<(), LabError> {
        set_frozen(&self.cgroup.payload(), true)
    }

    /// Continues what [`LabHost::freeze`] stopped.
    pub fn thaw(&self) -> Result<(), LabError> {
        set_frozen(&self.cgroup.payload(), false)
    }

    /// Stops the processes of one cgroup of the host, such as `system.slice/ssh.service`.
    pub fn freeze_cgroup(&self, path: &str) -> Result<(), LabError> {
        set_frozen(&self.cgroup.payload().join(path), true)
    }

    /// Continues what [`LabHost::freeze_cgroup`] stopped.
    pub fn thaw_cgroup(&self, path: &str) -> Result<(), LabError> {
        set_frozen(&self.cgroup.payload().join(path), false)
    }

    /// Stops one process, by its id inside the host.
    pub fn freeze_process(&self, pid: u32) -> Result<(), LabError> {
        self.exec_sh(&format!("kill -STOP {pid}")).map(drop)
    }

    /// Continues one process, by its id inside the host.
    pub fn thaw_process(&self, pid: u32) -> Result<(), LabError> {
        self.exec_sh(&format!("kill -CONT {pid}")).map(drop)
    }

    /// Writes into a folder of the host until its file system has no space left. `free_disk` undoes it.
    pub fn fill_disk(&self, folder: &str) -> Result<(), LabError> {
        let script =
            format!("cat /dev/zero >'{folder}/.filler' 2>/dev/null || true; sync '{folder}/.filler'");
        self.exec_sh(&script).map(drop)
    }

    /// Gives back the space that [`LabHost::fill_disk`] took.
    pub fn free_disk(&self, folder: &str) -> Result<(), LabError> {
        self.exec_sh(&format!("rm '{folder}/.filler'")).map(drop)
    }

    /// Its cgroup.
    pub(crate) fn cgroup(&self) -> &HostCgroup {
        &self.cgroup
    }

    /// The machine's id of its PID 1, which a host that is just booting may not have yet.
    pub(crate) fn first_process(&self) -> Result<u32, LabError> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(pid) = self.cgroup.first_process() {
                return Ok(pid);
            }
            if Instant::now() > end {
                return Err(self.late("a PID 1", Duration::from_secs(5)));
            }
            sleep(Duration::from_millis(2));
        }
    }

    fn late(&self, what: &str, patience: Duration) -> LabError {
        let console = fs::read(self.paths.console()).unwrap_or_default();
        let tail = &console[console.len().saturating_sub(2000)..];
        LabError::Late {
            host: self.name.clone(),
            what: what.to_owned(),
            seconds: patience.as_secs(),
            console: String::from_utf8_lossy(tail).into_owned(),
        }
    }
}
