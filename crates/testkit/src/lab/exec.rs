//! Commands inside a host that don't come over ssh.

use super::error::LabError;
use super::host::LabHost;
use super::program::output_of;
use std::process::Command;

/// How a command inside a host ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl Ran {
    /// Tells whether it succeeded.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Joins the host's cgroup, so that a power cut takes the command too, then its namespaces. What the kernel has
/// only one of, the clock above all, is out of its reach as it is for everything else in the host.
const ENTER: &str = r#"mkdir -p "$1" && echo $$ >"$1/cgroup.procs" || exit 125
pid=$2
shift 2
exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm --inh-caps=-all \
	nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --root --wd=/ \
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@""#;

impl LabHost {
    /// Makes the command that runs a program inside the running host, as its root.
    pub fn command(&self, argv: &[&str]) -> Result<Command, LabError> {
        let pid = self.first_process()?.to_string();
        let mut command = Command::new("sh");
        command.args(["-c", ENTER, "enter"]).arg(self.cgroup().payload().join("lab-exec"));
        command.arg(pid).args(argv);
        Ok(command)
    }

    /// Runs a program inside the running host, as its root.
    pub fn exec(&self, argv: &[&str]) -> Result<Ran, LabError> {
        self.exec_with_input(argv, "")
    }

    /// Runs a program that reads `input`.
    pub fn exec_with_input(&self, argv: &[&str], input: &str) -> Result<Ran, LabError> {
        let output = output_of(self.command(argv)?, input.as_bytes())?;
        Ok(Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a shell script inside the host and returns what it printed; it must succeed.
    pub fn exec_sh(&self, script: &str) -> Result<String, LabError> {
        let ran = self.exec(&["sh", "-ec", script])?;
        if ran.success() {
            return Ok(ran.stdout);
        }
        let code =
            ran.code.map_or_else(|| "killed by a signal".to_owned(), |code| format!("exit code {code}"));
        let command = format!("{}: {script}", self.name());
        Err(LabError::Failed { command, code, stderr: ran.stderr.trim().to_owned() })
    }

    /// Replaces or adds to the host's own firewall: `rules` is fed to `nft -f -` inside it.
    pub fn nft(&self, rules: &str) -> Result<(), LabError> {
        let ran = self.exec_with_input(&["nft", "-f", "-"], rules)?;
        if ran.success() {
            return Ok(());
        }
        let command = format!("{}: nft -f -", self.name());
        Err(LabError::Failed { command, code: format!("{:?}", ran.code), stderr: ran.stderr })
    }
}
