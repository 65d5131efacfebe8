//! One of the demo's hosts: an sshd with a folder for a root.

use super::caretaker::Caretaker;
use super::programs::Programs;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an sshd may take to answer.
const START: Duration = Duration::from_secs(10);

/// How many ports are tried: between finding a free one and taking it, somebody else may.
const PORTS: usize = 20;

/// Who logs in, and what sshd lets in.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) user: String,
    pub(crate) public_key: String,
}

/// A host.
#[derive(Debug)]
pub(crate) struct DemoHost {
    /// As typed after `ssh`.
    pub(crate) name: String,
    /// Its folder.
    dir: PathBuf,
    pub(crate) port: u16,
    sshd: Child,
}

impl DemoHost {
    /// Starts the sshd of a host whose folder has a `host_key`.
    pub(crate) fn start(
        name: &str,
        dir: &Path,
        programs: &Programs,
        visitor: &Visitor,
        caretaker: &mut Caretaker,
    ) -> Result<Self> {
        lay_out(dir, visitor).with_context(|| format!("{} can't be written", dir.display()))?;
        for port in free_ports().take(PORTS) {
            fs::write(port_file(dir), format!("Port {port}\n"))?;
            let mut sshd = spawn(dir, programs, caretaker)?;
            if answers(&mut sshd, port, dir)? {
                return Ok(Self { name: name.to_owned(), dir: dir.to_path_buf(), port, sshd });
            }
        }
        bail!("no port of 127.0.0.1 could be had for {name}")
    }

    /// Returns what it has for `/`.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Returns the file with the keys that it lets in.
    pub(crate) fn keys_file(&self, user: &str) -> PathBuf {
        keys_file(&self.dir, user)
    }

    /// Returns the file that says which port it listens on.
    pub(crate) fn port_file(&self) -> PathBuf {
        port_file(&self.dir)
    }

    /// Returns the command that has its sshd read its configuration again.
    pub(crate) fn reload(&self) -> String {
        format!("kill -HUP {}", self.sshd.id())
    }
}

impl Drop for DemoHost {
    fn drop(&mut self) {
        // The caretaker would do it too; this way no zombie is left meanwhile. It may have ended by itself.
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn keys_file(dir: &Path, user: &str) -> PathBuf {
    dir.join("root/etc/ssh/authorized_keys").join(user)
}

/// The file that `fleet.example.toml` writes: what is in it at first is what comes back.
fn port_file(dir: &Path) -> PathBuf {
    dir.join("root/etc/ssh/sshd_config.d/50-example.conf")
}

fn lay_out(dir: &Path, visitor: &Visitor) -> std::io::Result<()> {
    for folder in ["root/etc/ssh/sshd_config.d", "root/etc/ssh/authorized_keys", "state"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(keys_file(dir, &visitor.user), format!("{}\n", visitor.public_key))?;
    fs::write(dir.join("root/etc/ssh/sshd_config"), server_config(dir))
}

/// The agent keeps this host's state in its own folder, and is told to do without systemd and its boot hook.
fn server_config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "Include {dir}/root/etc/ssh/sshd_config.d/*.conf\n\
         ListenAddress 127.0.0.1\n\
         HostKey {dir}/host_key\n\
         AuthorizedKeysFile {dir}/root/etc/ssh/authorized_keys/%u\n\
         SetEnv SNAPBACK_STATE={dir}/state SNAPBACK_GUARD=bare\n\
         PermitRootLogin prohibit-password\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PidFile none\nStrictModes no\nUsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\nMaxStartups 50\n\
         LoginGraceTime 20\n"
    )
}

fn spawn(dir: &Path, programs: &Programs, caretaker: &mut Caretaker) -> Result<Child> {
    let config = dir.join("root/etc/ssh/sshd_config");
    let sshd = Command::new(&programs.sshd)
        .args([Path::new("-D"), Path::new("-f"), &config, Path::new("-E"), &dir.join("sshd.log")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("{} could not be started", programs.sshd.display()))?;
    caretaker.take_over(sshd.id())?;
    Ok(sshd)
}

/// Waits until it speaks ssh; returns false when somebody else took the port first.
fn answers(sshd: &mut Child, port: u16, dir: &Path) -> Result<bool> {
    let until = Instant::now() + START;
    loop {
        if sshd.try_wait()?.is_some() {
            let log = fs::read_to_string(dir.join("sshd.log")).unwrap_or_default();
            if log.contains("Address already in use") {
                return Ok(false);
            }
            bail!("sshd ended at once and said:\n{}", log.trim_end());
        }
        if speaks_ssh(port) {
            return Ok(true);
        }
        if Instant::now() > until {
            bail!("sshd does not answer on port {port}; its log is {}", dir.join("sshd.log").display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn speaks_ssh(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && banner == *b"SSH-"
}

/// Ports that are free right now, below those that the kernel hands out: nobody takes one by chance while its sshd is
/// away for a moment.
pub(super) fn free_ports() -> impl Iterator<Item = u16> {
    const LOWEST: u64 = 20_000;
    const SPAN: u64 = 12_000;
    let seed = ulid::Ulid::generate().random() as u64;
    (0..SPAN)
        .filter_map(move |n| u16::try_from(LOWEST + (seed % SPAN + n) % SPAN).ok())
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}
