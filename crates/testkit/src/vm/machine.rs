//! One machine.

use super::image::ensure_vm_image;
use crate::lab::LabError;
use crate::lab::run;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A boot takes about ten seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the kernel is told. A processor that is emulated on a busy machine may miss the ticks by which the kernel checks
/// its timer, and then it panics: so it doesn't check. It doesn't reboot by itself after a panic: that is for the guard to see to.
const APPEND: &str = "root=/dev/nvme0n1 ro console=ttyS0 quiet no_timer_check net.ifnames=0 mitigations=off systemd.show_status=0";

/// A machine; its power goes when this value does.
#[derive(Debug)]
pub struct Vm {
    image: PathBuf,
    dir: TempDir,
    port: u16,
    qemu: Option<Child>,
}

impl Vm {
    /// Makes a machine with a fresh disk, switched off.
    ///
    /// # Errors
    /// When its image can't be made.
    pub fn new() -> Result<Self, LabError> {
        let image = ensure_vm_image()?;
        let dir =
            tempfile::Builder::new().prefix("snapback-vm").tempdir().map_err(LabError::io("a folder"))?;
        let (from, to) = (image.join("disk"), dir.path().join("disk"));
        run(&["cp", "--sparse=always", &from.to_string_lossy(), &to.to_string_lossy()])?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let port = free.map_err(LabError::io("no free port"))?.port();
        let vm = Self { image, dir, port, qemu: None };
        // Once: ssh may be reading it at any later time.
        let config = vm.dir.path().join("ssh_config");
        fs::write(config, vm.ssh_config()).map_err(LabError::io("ssh's configuration"))?;
        Ok(vm)
    }

    /// Switches it on, and returns once its sshd answers.
    ///
    /// # Errors
    /// When it doesn't in two minutes.
    pub fn boot(&mut self) -> Result<(), LabError> {
        self.start()?;
        self.wait_until_reachable()
    }

    /// Switches it on without waiting.
    ///
    /// # Errors
    /// When qemu isn't there.
    pub fn start(&mut self) -> Result<(), LabError> {
        self.power_cut();
        let console = File::create(self.console()).map_err(LabError::io("the console"))?;
        // It must not outlive a test that was killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-accel", "tcg", "-cpu", "max", "-machine", "pc", "-m", "320", "-smp", "1"]);
        command.args(["-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio"]);
        command.args(["-append", APPEND, "-device", "nvme,drive=d,serial=lab"]);
        command.args(["-device", "virtio-net-pci,netdev=n,romfile="]);
        command.arg("-kernel").arg(self.image.join("vmlinuz"));
        command
            .arg("-drive")
            .arg(format!("file={},if=none,id=d,format=raw", self.dir.path().join("disk").display()));
        command.arg("-netdev").arg(format!("user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22", self.port));
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", self.monitor().display()));
        command.stdin(Stdio::null()).stdout(console).stderr(Stdio::inherit());
        let missing = |_| LabError::Missing { program: "setpriv".to_owned() };
        self.qemu = Some(command.spawn().map_err(missing)?);
        Ok(())
    }

    /// Takes its power away: what it wrote and didn't sync is lost with its memory.
    pub fn power_cut(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            // One that has ended by itself is as good.
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }

    /// Returns where its sshd is reached on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the key that lets root in.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.image.join("id_ed25519")
    }

    /// The `ssh` configuration by which it is reached as `vm`: the file `ssh_config` in its folder.
    fn ssh_config(&self) -> String {
        format!(
            "Host vm\n  HostName 127.0.0.1\n  Port {}\n  User root\n  HostKeyAlias vm\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             BatchMode yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
            self.port,
            self.identity().display(),
            self.image.join("known_hosts").display()
        )
    }

    /// Returns once its sshd answers.
    ///
    /// # Errors
    /// When it doesn't in two minutes.
    pub fn wait_until_reachable(&self) -> Result<(), LabError> {
        let end = Instant::now() + PATIENCE;
        while !self.answers() {
            if Instant::now() > end {
                return Err(LabError::Late {
                    host: "vm".to_owned(),
                    what: "an answer of its sshd".to_owned(),
                    seconds: PATIENCE.as_secs(),
                    console: self.said(),
                });
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Tells whether its sshd answers: qemu takes a connection even while nothing listens behind it.
    #[must_use]
    pub fn answers(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let patience = Duration::from_secs(2);
        let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else { return false };
        let mut banner = [0; 4];
        stream.set_read_timeout(Some(patience)).is_ok()
            && stream.read_exact(&mut banner).is_ok()
            && &banner == b"SSH-"
    }

    /// Runs a shell script in it as root, over ssh.
    ///
    /// # Errors
    /// When ssh can't be started; what the script came to is in the output.
    pub fn sh(&self, script: &str) -> Result<Output, LabError> {
        let config = self.dir.path().join("ssh_config");
        let mut command = Command::new("ssh");
        command.arg("-F").arg(config).args(["-S", "none", "-o", "ConnectTimeout=20"]);
        // A machine that dies under a command says nothing more, and qemu keeps the line.
        command.args(["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "vm", script]);
        command.stdin(Stdio::null()).output().map_err(LabError::io("ssh"))
    }

    /// Tells qemu something, such as `system_wakeup`.
    ///
    /// # Errors
    /// When the machine is off.
    pub fn tell(&self, command: &str) -> Result<(), LabError> {
        let mut monitor = UnixStream::connect(self.monitor()).map_err(LabError::io("qemu's monitor"))?;
        monitor.write_all(format!("{command}\n").as_bytes()).map_err(LabError::io("qemu's monitor"))?;
        // It has heard when it has echoed the line and its next prompt.
        monitor.set_read_timeout(Some(Duration::from_secs(5))).map_err(LabError::io("qemu's monitor"))?;
        let (mut heard, mut part) = (Vec::new(), [0; 512]);
        while heard.windows(6).filter(|w| w == b"(qemu)").count() < 2 {
            match monitor.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(n) => heard.extend_from_slice(&part[..n]),
            }
        }
        Ok(())
    }

    /// Returns the end of what it printed on its console.
    #[must_use]
    pub fn said(&self) -> String {
        let console = fs::read(self.console()).unwrap_or_default();
        String::from_utf8_lossy(&console[console.len().saturating_sub(3000)..]).into_owned()
    }

    /// Returns its folder, which goes with it; `ssh_config` in it reaches it as `vm`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn console(&self) -> PathBuf {
        self.dir.path().join("console")
    }

    fn monitor(&self) -> PathBuf {
        self.dir.path().join("monitor")
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.power_cut();
    }
}
