//! A lab with `deploy` on its controller: what all end-to-end tests stand on.

use serde_json::Value;
use snapback_testkit::lab::{HostKind, Lab, LabHost};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// The limits of most runs here: long enough for a busy machine, short enough to wait for.
pub(crate) const LIMITS: &str = "[confirm]\ntimeout = \"6s\"\napply_timeout = \"30s\"\nsettle = \"0s\"\n";

/// No run here takes half as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A lab, its hosts, and a folder for fleet files.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
}

impl Stage {
    pub(crate) fn new(name: &str) -> Self {
        Self { lab: Lab::new(name).unwrap() }
    }

    /// Boots hosts of one kind beside each other.
    pub(crate) fn boot<const N: usize>(&self, kind: HostKind, names: [&str; N]) -> [LabHost; N] {
        thread::scope(|scope| {
            let boot = |name| scope.spawn(move || self.lab.host(name).kind(kind).boot().unwrap());
            let booting = names.map(boot);
            booting.map(|host| host.join().unwrap())
        })
    }

    pub(crate) fn systemd<const N: usize>(&self, names: [&str; N]) -> [LabHost; N] {
        self.boot(HostKind::Systemd, names)
    }

    /// Writes a file beside the fleet files.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.lab.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes a `deploy` command on the controller.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.controller_command(env!("CARGO_BIN_EXE_deploy"));
        command.args(arguments);
        command
    }

    /// Runs a `deploy` command to its end.
    pub(crate) fn says(&self, arguments: &[&str]) -> Said {
        Said::of(self.deploy(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Starts a run in the background.
    pub(crate) fn start(&self, fleet: &str, more: &[&str]) -> Running {
        let file = self.fleet(fleet);
        let mut command = self.deploy(&["--output", "json", "--yes", &file]);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: command.spawn().unwrap(), begun: Instant::now() }
    }

    /// Runs a fleet to its end, with a password for sudo in the controller's environment.
    pub(crate) fn run_with_password(&self, fleet: &str, password: &str, more: &[&str]) -> Said {
        let file = self.fleet(fleet);
        let mut command = self.deploy(&["--output", "json", "--yes", &file]);
        command.args(more).env("DEPLOY_BECOME_PASSWORD", password).stdin(Stdio::null());
        Said::of(command.output().unwrap())
    }

    /// Runs a fleet to its end.
    pub(crate) fn run(&self, fleet: &str) -> Said {
        self.start(fleet, &[]).end()
    }

    /// Writes a fleet file and returns its path.
    pub(crate) fn fleet(&self, text: &str) -> String {
        // Runs side by side must not write each other's file.
        let name =
            format!("fleet-{:x}.toml", text.bytes().fold(7_u64, |h, b| h.wrapping_mul(31) ^ u64::from(b)));
        self.file(&name, text).to_string_lossy().into_owned()
    }

    /// Runs a command on a host over ssh, as the controller would.
    pub(crate) fn ssh(&self, arguments: &[&str]) -> Said {
        Said::of(self.lab.controller_command("ssh").args(arguments).stdin(Stdio::null()).output().unwrap())
    }
}

/// A run that goes on in the background.
pub(crate) struct Running {
    pub(crate) child: Child,
    begun: Instant,
}

impl Running {
    /// Waits for its end. A run that doesn't end fails its test instead of holding up all others.
    pub(crate) fn end(self) -> Said {
        let (over, watched) = mpsc::channel::<()>();
        let pid = self.child.id().to_string();
        let watch = thread::spawn(move || {
            if watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            }
        });
        let mut said = Said::of(self.child.wait_with_output().unwrap());
        drop(over);
        watch.join().unwrap();
        said.took = self.begun.elapsed();
        said
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Said {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: Duration::ZERO,
        }
    }

    /// The events of a kind, of one host.
    pub(crate) fn events(&self, host: &str, kind: &str) -> Vec<Value> {
        let lines = self.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|event| event["host"] == host && event["event"] == kind).collect()
    }

    /// How a host ended: its result, the cause, the state that was read back, and what to do next.
    pub(crate) fn ending(&self, host: &str) -> Ending {
        let found = self.events(host, "host_finished");
        assert_eq!(found.len(), 1, "{self:#?}");
        let text = |key: &str| found[0][key].as_str().unwrap().to_owned();
        Ending { result: text("result"), cause: text("cause"), state: text("state"), next: text("next") }
    }

    /// Asserts how it all ended.
    pub(crate) fn expect(&self, host: &str, result: &str, code: i32) -> Ending {
        let ending = self.ending(host);
        assert_eq!((ending.result.as_str(), self.code), (result, Some(code)), "{ending:#?} {self:#?}");
        ending
    }
}

/// The last word about a host.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) result: String,
    pub(crate) cause: String,
    pub(crate) state: String,
    pub(crate) next: String,
}

/// Waits until a script in the host succeeds, and returns what it printed.
pub(crate) fn wait_for(host: &LabHost, seconds: u64, script: &str) -> String {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let ran = host.exec(&["sh", "-c", script]).unwrap();
        if ran.success() {
            return ran.stdout;
        }
        assert!(Instant::now() < end, "{}: not within {seconds} s: {script}\n{}", host.name(), record(host));
        sleep(Duration::from_millis(50));
    }
}

/// The host's own record, for whoever reads a failed test.
pub(crate) fn record(host: &LabHost) -> String {
    let script = "cd /var/lib/snapback 2>/dev/null || exit 0; tail -n 40 tx/*/journal; ls -la . tx/*; \
                  systemctl list-units --all 'snapback*' --no-pager; journalctl -b -u 'snapback*' --no-pager | tail -n 40";
    host.exec(&["sh", "-c", script]).map_or_else(|error| error.to_string(), |ran| ran.stdout + &ran.stderr)
}

/// Nothing of a transaction is left: no unit, failed or not, no process, no lock.
pub(crate) fn assert_quiet(host: &LabHost) {
    let quiet = "test ! -e /var/lib/snapback/current || { echo locked; exit 1; }; \
                 ! systemctl list-units --all --plain --no-legend 'snapback-*' | grep -v 'snapback-boot' || exit 1; \
                 ! pgrep -af 'snapback/(tx|agent)' || exit 1";
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let ran = host.exec(&["sh", "-c", quiet]).unwrap();
        if ran.success() {
            return;
        }
        assert!(Instant::now() < end, "{} isn't quiet:\n{}\n{}", host.name(), ran.stdout, record(host));
        sleep(Duration::from_millis(100));
    }
}
