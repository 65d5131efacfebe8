//! A real sshd in a directory of its own, on loopback, as whoever runs the test.
//!
//! Missing programs are a panic that says what to install: a test that quietly didn't run proves nothing.

use crate::processes::{descendants, kill_hard, name};
use nix::unistd::{User, getuid};
use snapback_core::host::HostName;
use snapback_core::way::{KnownHosts, Way, WayKind};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long an sshd may take to say that it speaks ssh; a busy machine with few cores may need some seconds.
const START: Duration = Duration::from_secs(20);

/// How often another port is tried: between finding a free one and sshd's taking it, somebody else may.
const PORTS: usize = 20;

/// How much of the log a failed test prints.
const LOG_LINES: usize = 80;

/// What an sshd is to be like.
#[derive(Clone, Debug)]
pub struct Settings {
    name: String,
    lines: Vec<String>,
}

impl Settings {
    /// Returns settings for a host of this name (what is typed after `ssh`).
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), lines: Vec::new() }
    }

    /// Adds a line to `sshd_config`; the first value of a keyword wins, and `{dir}` is its directory.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Sets a variable in the environment of all sessions.
    #[must_use]
    pub fn set_env(self, name: &str, value: &str) -> Self {
        self.line(&format!("SetEnv {name}={value}"))
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Sshd {
        Sshd::new(self)
    }
}

/// A running sshd with its own host key, user key, known-hosts file and client configuration. Dropping it kills
/// it and all its sessions; when a test fails, its log is printed.
#[derive(Debug)]
pub struct Sshd {
    dir: TempDir,
    settings: Settings,
    port: u16,
    listener: Option<Child>,
    /// Sessions of listeners that were stopped.
    orphans: BTreeSet<i32>,
}

impl Sshd {
    /// Starts one named `target.test`.
    #[must_use]
    pub fn start() -> Self {
        Settings::named("target.test").start()
    }

    fn new(settings: Settings) -> Self {
        let dir = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary directory");
        let mut sshd = Self { dir, settings, port: 0, listener: None, orphans: BTreeSet::new() };
        sshd.make_key("host_key");
        sshd.make_key("user_key");
        fs::copy(sshd.path("user_key.pub"), sshd.path("authorized_keys")).expect("the user key");
        for _ in 0..PORTS {
            sshd.port = free_port();
            if sshd.try_listen() {
                sshd.write_client_files();
                return sshd;
            }
        }
        panic!("sshd found no free port:\n{}", sshd.log());
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Returns a path in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the final way in, by a client configuration of its own.
    #[must_use]
    pub fn way(&self) -> Way {
        Way {
            kind: WayKind::Final,
            host: HostName::parse(&self.settings.name).expect("the host name of the settings"),
            address: None,
            port: None,
            user: None,
            identity_file: None,
            proxy_jump: None,
            ssh_config: Some(self.path("ssh_config")),
            known_hosts: KnownHosts::Strict,
            connect_timeout: Duration::from_secs(20),
            host_key: None,
            family: None,
        }
    }

    /// Returns the way in by a client configuration with these lines in front.
    #[must_use]
    pub fn way_with(&self, lines: &str) -> Way {
        let path = self.path(&format!("ssh_config-{}", free_number()));
        fs::write(&path, format!("{lines}\n{}", self.client_config())).expect("a client configuration");
        Way { ssh_config: Some(path), ..self.way() }
    }

    /// Returns client configuration lines that a user may well have and that would share, redirect or refuse our
    /// connections if nothing were done about them. `ControlPath` is below this directory.
    #[must_use]
    pub fn hostile_lines(&self) -> String {
        format!(
            "Host *\n  ControlMaster auto\n  ControlPath {}/user-%C\n  ControlPersist 60\n  RemoteCommand echo hijacked\n  \
             RequestTTY force\n  LocalForward {} 127.0.0.1:1\n  PermitLocalCommand yes\n  LocalCommand echo local\n  \
             ForwardX11 yes\n",
            self.dir.path().display(),
            free_port(),
        )
    }

    /// Returns the `Host` block that leads to it.
    #[must_use]
    pub fn client_config(&self) -> String {
        format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {dir}/user_key\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {dir}/known_hosts\n  \
             GlobalKnownHostsFile /dev/null\n",
            name = self.settings.name,
            port = self.port,
            user = user_name(),
            dir = self.dir.path().display(),
        )
    }

    /// Stops listening. Open sessions go on.
    pub fn stop(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            self.orphans.extend(descendants(listener_pid(&listener)));
            listener.kill().expect("sshd can be killed");
            listener.wait().expect("sshd can be waited for");
        }
    }

    /// Listens again, on the same port.
    pub fn listen_again(&mut self) {
        assert!(self.listener.is_none(), "sshd listens already");
        let until = Instant::now() + START;
        while !self.try_listen() {
            assert!(Instant::now() < until, "port {} is taken:\n{}", self.port, self.log());
        }
    }

    /// Gives the host another key. What clients know stays as it is.
    pub fn swap_host_key(&mut self) {
        self.stop();
        for name in ["host_key", "host_key.pub"] {
            fs::remove_file(self.path(name)).expect("the old host key");
        }
        self.make_key("host_key");
        self.listen_again();
    }

    /// Makes another user key that the host takes, and returns its path.
    pub fn add_user_key(&self, name: &str) -> PathBuf {
        self.make_key(name);
        let path = self.path("authorized_keys");
        let mut keys = fs::read_to_string(&path).expect("authorized_keys");
        keys.push_str(&fs::read_to_string(self.path(&format!("{name}.pub"))).expect("the new key"));
        fs::write(path, keys).expect("authorized_keys");
        self.path(name)
    }

    /// Makes a user key that the host doesn't take, and returns its path.
    #[must_use]
    pub fn stranger_key(&self, name: &str) -> PathBuf {
        self.make_key(name);
        self.path(name)
    }

    /// Kills all sessions and what runs in them.
    pub fn cut(&mut self) {
        if let Some(listener) = &self.listener {
            descendants(listener_pid(listener)).into_iter().for_each(kill_hard);
        }
        for session in std::mem::take(&mut self.orphans) {
            descendants(session).into_iter().for_each(kill_hard);
            kill_hard(session);
        }
    }

    /// Ends all connections by killing sshd's own processes for them, and nothing that runs in the sessions.
    pub fn kill_connections(&self) {
        let sessions = self.listener.as_ref().map(|listener| descendants(listener_pid(listener)));
        let is_sshd = |pid: &i32| name(*pid).is_some_and(|name| name.starts_with("sshd"));
        sessions.into_iter().flatten().filter(is_sshd).for_each(kill_hard);
    }

    /// Returns how many processes its sessions have.
    #[must_use]
    pub fn session_processes(&self) -> usize {
        self.listener.as_ref().map_or(0, |listener| descendants(listener_pid(listener)).len())
    }

    /// Returns what it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("sshd.log")).unwrap_or_default()
    }

    fn make_key(&self, name: &str) {
        let status = Command::new(need("ssh-keygen"))
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(self.path(name))
            .status()
            .expect("ssh-keygen runs");
        assert!(status.success(), "ssh-keygen failed: {status}");
    }

    /// Returns false when the port is taken.
    fn try_listen(&mut self) -> bool {
        make_privilege_separation_directory();
        fs::write(self.path("sshd_config"), self.server_config()).expect("sshd_config");
        let mut listener = Command::new(need("sshd"))
            .arg("-D")
            .arg("-f")
            .arg(self.path("sshd_config"))
            .arg("-E")
            .arg(self.path("sshd.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        let until = Instant::now() + START;
        while !speaks_ssh(self.address()) {
            if listener.try_wait().expect("sshd can be waited for").is_some() {
                let log = self.log();
                assert!(log.contains("Address already in use"), "sshd ended at once:\n{log}");
                return false;
            }
            assert!(Instant::now() < until, "sshd doesn't answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        // Somebody else's sshd may have answered while ours was still finding out that the port is taken.
        std::thread::sleep(Duration::from_millis(20));
        let ours = listener.try_wait().expect("sshd can be waited for").is_none();
        self.listener = ours.then_some(listener);
        ours
    }

    fn server_config(&self) -> String {
        let dir = self.dir.path().display();
        let own = self.settings.lines.join("\n").replace("{dir}", &dir.to_string());
        format!(
            "{own}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\n\
             AuthorizedKeysFile {dir}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\nUseDNS no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel DEBUG1\n\
             MaxStartups 100\n",
            port = self.port,
        )
    }

    fn write_client_files(&self) {
        let key = fs::read_to_string(self.path("host_key.pub")).expect("the host key");
        let known = format!("[127.0.0.1]:{} {key}", self.port);
        fs::write(self.path("known_hosts"), known).expect("known_hosts");
        fs::write(self.path("ssh_config"), self.client_config()).expect("ssh_config");
    }
}

impl Drop for Sshd {
    #[allow(clippy::print_stderr, reason = "a failed test's output is the place for its sshd's log")]
    fn drop(&mut self) {
        self.cut();
        self.stop();
        self.cut();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.len().saturating_sub(LOG_LINES);
            eprintln!("log of {}, the end:\n{}", self.settings.name, lines[last..].join("\n"));
        }
    }
}

fn listener_pid(listener: &Child) -> i32 {
    i32::try_from(listener.id()).expect("a pid")
}

/// Returns a port of 127.0.0.1 that nobody listens on right now.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port's address").port()
}

fn free_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn speaks_ssh(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && banner == *b"SSH-"
}

fn user_name() -> String {
    User::from_uid(getuid()).ok().flatten().expect("whoever runs the tests has an account").name
}

/// sshd refuses to start as root without it; distributions make it in a unit that may never have run.
fn make_privilege_separation_directory() {
    if getuid().is_root() {
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
    }
}

/// Finds a program; sshd only starts by its whole path, which is seldom on a user's `$PATH`.
fn need(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join(program))
        .find(|candidate| Path::is_file(candidate))
        .unwrap_or_else(|| {
            panic!("{program} is missing: install the OpenSSH server and client (openssh-server)")
        })
}
