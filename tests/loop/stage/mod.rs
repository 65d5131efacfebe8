//! What the tests stand on: hosts behind relays, a controller of its own, and a fleet file.

mod guards;
mod host;
mod tree;

pub(crate) use guards::all_below;
pub(crate) use host::Host;
pub(crate) use tree::{Tree, tree};

use serde_json::Value;
use snapback_testkit::program::{Ended, Program};
use snapback_testkit::sshd::Settings;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A change that always works, and what it leaves on the host.
pub(crate) const MOTD: &str = "[[changes]]\nname = \"motd\"\nkind = \"files\"\n[[changes.files]]\n\
                               dest = \"{{ root }}/etc/motd\"\ncontent = \"new\\n\"\n";

/// A local check that holds the window open until `go` lies beside the fleet file.
pub(crate) const HOLD: &str = "[[checks]]\nname = \"hold\"\nwhere = \"local\"\nrun = 'until test -e go; do sleep 0.1; done'\n\
                               timeout = \"30s\"\nhealthy_deadline = \"3s\"\n";

/// Hosts, and a controller that can reach them.
pub(crate) struct Stage {
    pub(crate) hosts: Vec<Host>,
    dir: TempDir,
}

impl Stage {
    /// One host, `web.test`.
    pub(crate) fn new() -> Self {
        Self::of(&["web.test"])
    }

    /// Hosts of these names.
    pub(crate) fn of(names: &[&str]) -> Self {
        Self::with(names, |settings| settings)
    }

    /// Hosts whose sshds are set as told.
    pub(crate) fn with(names: &[&str], set: impl Fn(Settings) -> Settings) -> Self {
        // Short, because sockets live below it.
        let dir = tempfile::Builder::new().prefix("loop").rand_bytes(5).tempdir_in("/tmp").unwrap();
        for folder in ["home", "state", "run", "fleet"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let hosts: Vec<_> = names.iter().map(|name| Host::start(name, dir.path(), &set)).collect();
        let stage = Self { hosts, dir };
        stage.write_ssh_config("");
        stage
    }

    /// The only host.
    pub(crate) fn host(&self) -> &Host {
        let [host] = self.hosts.as_slice() else { panic!("there are {} hosts", self.hosts.len()) };
        host
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns a path beside the fleet file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("fleet").join(name)
    }

    /// Writes a file beside the fleet file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes the user's ssh configuration, these lines in front.
    pub(crate) fn write_ssh_config(&self, lines: &str) {
        let blocks: String = self.hosts.iter().map(Host::client_config).collect();
        self.write("ssh_config", format!("{lines}\n{blocks}"));
    }

    /// Writes a fleet file with all hosts and a window of three seconds.
    pub(crate) fn fleet(&self, body: &str) {
        self.fleet_within(3, body);
    }

    /// Writes a fleet file with all hosts and a window of so many seconds.
    pub(crate) fn fleet_within(&self, window: u32, body: &str) {
        let limits = "apply_timeout = \"20s\"\nsettle = \"0s\"";
        let text = format!("{}[confirm]\ntimeout = \"{window}s\"\n{limits}\n\n{body}", self.head());
        self.write("fleet.toml", text);
    }

    /// Returns the part of a fleet file that names the hosts.
    pub(crate) fn head(&self) -> String {
        let host = |host: &Host| {
            format!("[hosts.\"{}\"]\nvars = {{ root = \"{}\" }}\n", host.name, host.root.display())
        };
        let hosts: String = self.hosts.iter().map(host).collect();
        format!(
            "name = \"loop\"\n[defaults]\nssh_config = \"./ssh_config\"\nbecome = \"none\"\nconnect_timeout = \"8s\"\n{hosts}"
        )
    }

    /// Returns the command, on the controller, in the folder of the fleet file.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Program {
        self.at_the_desk(Program::new(env!("CARGO_BIN_EXE_deploy")).args(arguments))
    }

    /// Returns a line that is typed into a shell of the controller, such as one that was told.
    pub(crate) fn typed(&self, line: &str) -> Program {
        let ours = Path::new(env!("CARGO_BIN_EXE_deploy")).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        self.at_the_desk(Program::new("/bin/sh").args(["-c", line]).env("PATH", format!("{ours}:{path}")))
    }

    fn at_the_desk(&self, program: Program) -> Program {
        let place = |name: &str| self.dir.path().join(name);
        program
            .dir(&place("fleet"))
            .env("HOME", place("home"))
            .env("XDG_STATE_HOME", place("state"))
            .env("XDG_RUNTIME_DIR", place("run"))
            .env("USER", "tester")
    }

    /// Returns the command that changes the fleet.
    pub(crate) fn change(&self) -> Program {
        self.deploy(&["fleet.toml", "--yes", "--volatile-guard"])
    }

    /// Returns the command that changes the fleet and tells it event by event.
    pub(crate) fn change_json(&self) -> Program {
        self.change().args(["--output", "json"])
    }

    /// Changes the fleet and returns what was told.
    pub(crate) fn change_told(&self, code: i32) -> Vec<Value> {
        told(&self.change_json().run().must_exit(code))
    }

    /// Ends what [`HOLD`] waits for.
    pub(crate) fn let_go(&self) {
        self.write("go", "");
    }

    /// Returns the user's own ssh, and how they call it.
    pub(crate) fn ssh(&self, arguments: &[&str]) -> Program {
        Program::new("ssh").args(["-F", "ssh_config"]).args(arguments).dir(&self.dir.path().join("fleet"))
    }

    /// Returns how many connections all relays have taken.
    pub(crate) fn accepted(&self) -> usize {
        self.hosts.iter().map(|host| host.relay.accepted()).sum()
    }

    /// Returns the record of the newest run: the lines, one a host.
    pub(crate) fn record(&self) -> Vec<Value> {
        let runs = fs::read_dir(self.dir.path().join("state/snapback/runs")).unwrap();
        let newest = runs.flatten().map(|entry| entry.path()).max().unwrap();
        let text = fs::read_to_string(newest).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["entry"] == "host").collect()
    }
}

impl Drop for Stage {
    #[allow(clippy::print_stderr, reason = "a failed test's output is the place for its hosts' journals")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("journals of {}:\n{}", host.name, host.journals());
            }
        }
        guards::kill_all_below(self.dir.path());
    }
}

/// Returns the events of a run that told them as JSON. Anything else on standard output is a failure.
pub(crate) fn told(ended: &Ended) -> Vec<Value> {
    let event = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(event) => event,
        Err(error) => panic!("{line:?} is no JSON: {error}; {ended}"),
    };
    ended.out.lines().map(event).collect()
}

/// Returns the events of one kind.
pub(crate) fn events<'a>(told: &'a [Value], kind: &str) -> Vec<&'a Value> {
    told.iter().filter(|event| event["event"] == kind).collect()
}

/// Returns how a host ended, by its own last event.
pub(crate) fn end_of<'a>(told: &'a [Value], host: &str) -> &'a Value {
    let ends = events(told, "host_finished");
    ends.into_iter()
        .find(|end| end["host"] == host)
        .unwrap_or_else(|| panic!("{host} never ended: {told:#?}"))
}

/// Waits until something holds.
pub(crate) fn await_that(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
