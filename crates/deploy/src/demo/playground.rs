//! The private fleet: its folder, keys, hosts and client files.

use super::caretaker::Caretaker;
use super::fleet_files;
use super::host::{DemoHost, Visitor, free_ports};
use super::programs::Programs;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A path that sshd, ssh, a shell and a fleet file all read as it stands.
const LONGEST_FOLDER: usize = 40;

/// Three hosts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Playground {
    pub(crate) hosts: [DemoHost; 3],
    pub(crate) dir: PathBuf,
    pub(crate) visitor: Visitor,
    /// Where app3 will be sent to listen by mistake.
    pub(crate) wrong_port: u16,
    /// Things worth saying about how it was set up.
    pub(crate) notes: Vec<String>,
    ssh: PathBuf,
    /// Dropped last: it ends what is left and removes the folder.
    _caretaker: Caretaker,
}

impl Playground {
    /// Makes the folder, the keys and the fleet files, and starts the hosts.
    pub(crate) fn open(keep: bool) -> Result<Self> {
        let programs = Programs::find()?;
        let dir = make_folder()?;
        let mut caretaker = Caretaker::start(&dir, keep)?;
        let visitor = Visitor { user: user_name()?, public_key: make_key(&programs, &dir.join("user_key"))? };
        make_key(&programs, &dir.join("strange_key"))?;
        let mut start = |name: &str| {
            let folder = dir.join(name);
            fs::create_dir(&folder)?;
            make_key(&programs, &folder.join("host_key"))?;
            let full = format!("{name}.example.org");
            DemoHost::start(&full, &folder, &programs, &visitor, &mut caretaker)
        };
        let notes = make_privilege_separation_folder(&programs, &dir)?;
        let hosts = [start("app1")?, start("app2")?, start("app3")?];
        let wrong_port = free_ports().find(|port| hosts.iter().all(|host| host.port != *port));
        let wrong_port = wrong_port.context("no port of 127.0.0.1 is free")?;
        let playground =
            Self { hosts, dir, visitor, wrong_port, notes, ssh: programs.ssh, _caretaker: caretaker };
        playground.write_client_files()?;
        Ok(playground)
    }

    /// Returns the public key that nobody here can log in with.
    pub(crate) fn strange_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("strange_key.pub"))?.trim_end().to_owned())
    }

    /// Logs in with a plain `ssh`, as anybody would, and returns what a command prints there.
    pub(crate) async fn log_in(&self, host: &DemoHost, command: &str) -> Result<String> {
        let output = tokio::process::Command::new(&self.ssh)
            .arg("-F")
            .arg(self.dir.join("ssh_config"))
            .args(["-o", "BatchMode=yes", &host.name, command])
            .kill_on_drop(true)
            .output()
            .await
            .context("ssh could not be started")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let log = fs::read_to_string(self.dir.join(short(host)).join("sshd.log")).unwrap_or_default();
            bail!("ssh to {} failed: {}\nits sshd says:\n{}", host.name, said.trim_end(), log.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn write_client_files(&self) -> Result<()> {
        let mut known = String::new();
        let mut config = String::new();
        for host in &self.hosts {
            let key = fs::read_to_string(self.dir.join(short(host)).join("host_key.pub"))?;
            known.push_str(&format!("[127.0.0.1]:{} {key}", host.port));
            config.push_str(&format!("Host {}\n  HostName 127.0.0.1\n  Port {}\n", host.name, host.port));
        }
        config.push_str(&format!(
            "Host *\n  User {user}\n  IdentityFile {dir}/user_key\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {dir}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
            user = self.visitor.user,
            dir = self.dir.display(),
        ));
        fs::write(self.dir.join("known_hosts"), known)?;
        fs::write(self.dir.join("ssh_config"), config)?;
        fleet_files::write(self)
    }
}

/// The host's folder.
fn short(host: &DemoHost) -> &str {
    host.name.split('.').next().unwrap_or_default()
}

/// In the usual place for such things, unless its name is too long or too odd for all who have to read it.
fn make_folder() -> Result<PathBuf> {
    let usual = std::env::temp_dir();
    let plain = |path: &Path| {
        path.to_str().is_some_and(|text| {
            text.len() <= LONGEST_FOLDER
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        })
    };
    let place = if usual.is_absolute() && plain(&usual) { usual } else { PathBuf::from("/tmp") };
    let place = place.canonicalize().unwrap_or(place);
    let folder = tempfile::Builder::new().prefix("snapback-demo-").tempdir_in(&place);
    let folder = folder.with_context(|| format!("no folder can be made in {}", place.display()))?;
    Ok(folder.keep())
}

fn user_name() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("`id` could not be started")?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || name.is_empty() {
        bail!("whoever runs the demo has no account on this machine, and sshd lets nobody else in");
    }
    Ok(name)
}

/// Makes a key pair and returns the public half.
fn make_key(programs: &Programs, path: &Path) -> Result<String> {
    let output = Command::new(&programs.keygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f"])
        .arg(path)
        .output()
        .context("ssh-keygen could not be started")?;
    if !output.status.success() {
        bail!("ssh-keygen failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(fs::read_to_string(path.with_extension("pub"))?.trim_end().to_owned())
}

/// As root sshd refuses to start without a folder that is compiled into it and usually made when its service starts.
/// It is left there: a service that starts meanwhile would need it.
fn make_privilege_separation_folder(programs: &Programs, dir: &Path) -> Result<Vec<String>> {
    let key = dir.join("strange_key");
    let config = dir.join("empty_sshd_config");
    fs::write(&config, "")?;
    let tried = Command::new(&programs.sshd).arg("-t").arg("-f").arg(&config).arg("-h").arg(&key).output()?;
    fs::remove_file(&config)?;
    let said = String::from_utf8_lossy(&tried.stderr);
    let Some((_, rest)) = said.split_once("Missing privilege separation directory: ") else {
        return Ok(Vec::new());
    };
    let folder = rest.lines().next().unwrap_or_default().trim();
    fs::create_dir_all(folder).with_context(|| format!("{folder} can't be made, and sshd needs it"))?;
    Ok(vec![format!("sshd needs the empty folder {folder} when root starts it; it was missing, and stays.")])
}
