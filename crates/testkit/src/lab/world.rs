//! The lab as a whole, and its controller.

use super::error::LabError;
use super::host::LabHost;
use super::image::ensure_image;
use super::keys;
use super::kind::HostKind;
use super::network;
use super::paths::{LabPaths, cache, check_name, make_dir, read, write};
use super::start::HostPlan;
use super::sweep::{NOBODY, destroy, sweep, this_process, turn};
use crate::relay::Relay;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// A controller and its hosts. Dropping it takes all of it away, unless it was made to be kept.
#[derive(Debug)]
pub struct Lab {
    paths: LabPaths,
    hosts: Mutex<Vec<(String, HostKind)>>,
    end: End,
}

/// What happens when the value is dropped.
#[derive(Debug, PartialEq, Eq)]
enum End {
    TakeAway,
    Keep,
}

/// Numbers the labs of this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Gives the controller its `.ssh` folder and its list of names, in a mount namespace of its own: ssh asks the
/// list of users for the home folder, and doesn't look at `$HOME`.
const CONTROL: &str = r#"mount --bind "$HOME/.ssh" "$1" && mount --bind "$HOME/../etc-hosts" /etc/hosts || exit 125
shift
exec "$@""#;

impl Lab {
    /// Makes a lab without hosts, after taking away those whose owner was killed.
    pub fn new(name: &str) -> Result<Self, LabError> {
        let id = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::create(&id, &this_process(), End::TakeAway)
    }

    /// Makes a lab that outlives this process, until [`Lab::down`].
    pub fn keep(name: &str) -> Result<Self, LabError> {
        Self::create(name, NOBODY, End::Keep)
    }

    /// Finds a lab that was made with [`Lab::keep`].
    pub fn open(name: &str) -> Result<Self, LabError> {
        check_name(name)?;
        let paths = LabPaths::of(name);
        let list = read(&paths.state.join("hosts")).map_err(|_| LabError::Name {
            name: name.to_owned(),
            reason: "there is no such lab: start it with `cargo xtask lab up`".to_owned(),
        })?;
        let hosts = list.lines().filter_map(|line| line.split_once(' '));
        let hosts = hosts.filter_map(|(name, kind)| Some((name.to_owned(), kind.parse().ok()?)));
        Ok(Self { paths, hosts: Mutex::new(hosts.collect()), end: End::Keep })
    }

    fn create(id: &str, owner: &str, end: End) -> Result<Self, LabError> {
        check_name(id)?;
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        ensure_image(HostKind::Plain)?;
        let _turn = turn()?;
        sweep()?;
        let paths = LabPaths::of(id);
        if paths.state.exists() {
            let reason = "this lab is up already: take it away with `cargo xtask lab down`".to_owned();
            return Err(LabError::Name { name: id.to_owned(), reason });
        }
        make_dir(&paths.home())?;
        write(&paths.state.join("owner"), owner)?;
        write(&paths.state.join("cache"), cache().to_string_lossy().as_bytes())?;
        let lab = Self { paths, hosts: Mutex::default(), end };
        keys::create_client(&lab.paths)?;
        network::create(&lab.paths)?;
        lab.publish()?;
        Ok(lab)
    }

    /// Boots a host without an init system.
    pub fn plain_host(&self, name: &str) -> Result<LabHost, LabError> {
        self.host(name).boot()
    }

    /// Boots a host with systemd.
    pub fn systemd_host(&self, name: &str) -> Result<LabHost, LabError> {
        self.host(name).kind(HostKind::Systemd).boot()
    }

    /// Plans a host that isn't like the others.
    pub fn host(&self, name: &str) -> HostPlan<'_> {
        HostPlan::new(self, name)
    }

    /// Returns all hosts, in the order in which they were made.
    pub fn hosts(&self) -> Result<Vec<LabHost>, LabError> {
        let listed = self.listed();
        let numbered = listed.iter().zip(1..);
        numbered.map(|((name, kind), index)| LabHost::of(&self.paths, name, index, *kind)).collect()
    }

    /// Returns the ssh configuration by which all hosts are reached by name, as root or as `deploy@`.
    pub fn ssh_config(&self) -> PathBuf {
        self.home().join(".ssh/config")
    }

    /// Returns the controller's home folder, a place for fleet files too.
    pub fn home(&self) -> PathBuf {
        self.paths.home()
    }

    /// Starts a relay on the controller, on its loopback, to the sshd of a host: it delays, cuts and resets.
    ///
    /// # Panics
    /// When the controller's network can't be entered.
    pub fn relay_to(&self, host: &LabHost) -> Relay {
        let netns = format!("/run/netns/{}", self.paths.controller_netns());
        let to = SocketAddr::from((host.address(), 22));
        // A namespace belongs to a thread and to those that it starts: the relay's are all started by this one.
        let started = thread::spawn(move || {
            let namespace = File::open(netns).expect("the controller's network");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("to enter it");
            Relay::to(to)
        });
        started.join().expect("a relay")
    }

    /// Makes a command that runs on the controller: in its network, with its home, `.ssh` and `/etc/hosts`.
    /// The process that is spawned becomes the program, so its id and its exit code are the program's.
    pub fn controller_command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.paths.controller_netns()));
        command.args(["unshare", "--mount", "--propagation", "private", "sh", "-c", CONTROL, "control"]);
        command.arg(self.users_ssh_folder()).arg(program);
        command.env_clear().env("HOME", self.home()).env("LANG", "C.UTF-8").env("USER", "root");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.home());
        command
    }

    /// Takes the lab away.
    pub fn down(mut self) -> Result<(), LabError> {
        self.end = End::Keep;
        let _turn = turn()?;
        destroy(&self.paths)
    }

    /// Where everything is.
    pub(crate) fn paths(&self) -> &LabPaths {
        &self.paths
    }

    /// Gives a new host its number.
    pub(crate) fn reserve(&self, name: &str, kind: HostKind) -> Result<u16, LabError> {
        let mut hosts = self.listed();
        if hosts.iter().any(|(taken, _)| taken == name) {
            let reason = "this lab has a host of this name already".to_owned();
            return Err(LabError::Name { name: name.to_owned(), reason });
        }
        hosts.push((name.to_owned(), kind));
        // More than 65,535 namespaces don't fit on a machine.
        Ok(u16::try_from(hosts.len()).unwrap_or(u16::MAX))
    }

    /// Writes down which hosts there are, for ssh and for later commands.
    pub(crate) fn publish(&self) -> Result<(), LabError> {
        let hosts = self.listed();
        let mut list = String::new();
        let mut named = Vec::new();
        for ((name, kind), index) in hosts.iter().zip(1..) {
            // Writing to a String can't fail.
            let _ = writeln!(list, "{name} {kind}");
            // A host that is being made in another thread has no key yet; it publishes itself.
            if self.paths.host(name).root().join("etc/ssh/ssh_host_ed25519_key.pub").exists() {
                named.push((name.as_str(), index));
            }
        }
        write(&self.paths.state.join("hosts"), list)?;
        keys::write_config(&self.paths, &named)
    }

    fn listed(&self) -> MutexGuard<'_, Vec<(String, HostKind)>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `.ssh` folder of this user as the list of users has it; made if missing, since it is mounted over.
    fn users_ssh_folder(&self) -> PathBuf {
        let users = read(Path::new("/etc/passwd")).unwrap_or_default();
        let root = users.lines().find(|line| line.split(':').nth(2) == Some("0"));
        let folder = Path::new(root.and_then(|line| line.split(':').nth(5)).unwrap_or("/root")).join(".ssh");
        // If it can't be made, the mount fails and says so.
        let _ = make_dir(&folder);
        folder
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.end == End::TakeAway {
            // What can't be taken away now is swept by the next lab.
            let _ = turn().and_then(|_turn| destroy(&self.paths));
        }
    }
}
