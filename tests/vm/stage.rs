//! A machine, and a controller for it.

use nix::sys::signal::Signal;
use serde_json::Value;
use snapback_testkit::program::{Program, Running};
use snapback_testkit::vm::Vm;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The newest transaction's folder, for scripts.
pub(crate) const TX: &str = "cd /var/lib/snapback/tx && for t in *; do :; done && cd $t";

/// Keeps a run waiting, ready, until a file lies on the controller.
pub(crate) const WAITS: &str = "[[checks]]\nname = \"wait\"\nwhere = \"local\"\nrun = 'until test -e go; do sleep 0.2; done'\n\
                                timeout = \"60s\"\nhealthy_deadline = \"60s\"\n";

/// A machine with `/etc/shop/conf` in its old state, and a folder to run `deploy` in.
pub(crate) struct Stage {
    pub(crate) vm: Vm,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut vm = Vm::new().unwrap();
        vm.boot().unwrap();
        let stage = Self { vm };
        stage.sh("mkdir -p /etc/shop; echo before >/etc/shop/conf; echo before >/etc/shop/other; sync");
        stage
    }

    /// Runs a script in the machine; it must succeed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let ran = self.vm.sh(script).unwrap();
        assert!(ran.status.success(), "{script}: {ran:?}\n{}", self.record());
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Waits until a script succeeds in the machine.
    pub(crate) fn wait_for(&self, seconds: u64, script: &str) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.vm.sh(script).is_ok_and(|ran| ran.status.success()) {
            assert!(Instant::now() < end, "not within {seconds} s: {script}\n{}", self.record());
            sleep(Duration::from_millis(200));
        }
    }

    /// What the machine knows of it all.
    pub(crate) fn record(&self) -> String {
        let look = format!(
            "date; cat /proc/uptime; {TX}; ls -la; tail -n 30 journal; journalctl -b --no-pager -u 'snapback*' | tail -n 30"
        );
        let seen = self.vm.sh(&look).map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned());
        format!("{}\n{}", seen.unwrap_or_default(), self.vm.said())
    }

    /// What is in the two files, and whether a third was added.
    pub(crate) fn files(&self) -> String {
        self.sh("cat /etc/shop/conf /etc/shop/other; test ! -e /etc/shop/added || echo added")
    }

    /// Starts a run that writes three files and then runs `apply`, with `more` behind it in the fleet file.
    pub(crate) fn start(&self, timeout: u32, apply: &str, more: &str) -> Running {
        let dir = self.vm.dir();
        let files = ["conf", "other", "added"]
            .map(|name| format!("[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/{name}\"\n"));
        let fleet = format!(
            "[defaults]\nssh_config = \"./ssh_config\"\nconnect_timeout = \"20s\"\n[hosts.vm]\n\
             [confirm]\ntimeout = \"{timeout}s\"\napply_timeout = \"60s\"\nsettle = \"0s\"\n\
             [[changes]]\nname = \"files\"\nkind = \"files\"\n{}\
             [[changes]]\nname = \"script\"\nkind = \"script\"\napply = '''{apply}'''\nrollback = \"true\"\n{more}",
            files.concat()
        );
        fs::write(dir.join("fleet.toml"), fleet).unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_deploy"))
            .args(["--output", "json", "--yes", "fleet.toml"])
            .env("HOME", dir.as_os_str())
            .dir(dir)
            .limit(Duration::from_secs(240));
        program.start()
    }

    /// Starts a run and kills it while it applies, so that nobody confirms: the window of `timeout` seconds runs.
    pub(crate) fn abandon(&self, timeout: u32) {
        let run = self.start(timeout, "touch /run/applying; sleep 3; rm /run/applying", "");
        let end = Instant::now() + Duration::from_secs(90);
        while !self.vm.sh("test -e /run/applying").is_ok_and(|ran| ran.status.success()) {
            assert!(Instant::now() < end, "not applying: {}\n{}", run.said(), self.record());
        }
        run.signal(Signal::SIGKILL);
        self.wait_for(90, &format!("{TX} && test -e ready && test ! -e done"));
    }

    /// Waits until a run's host is ready.
    pub(crate) fn wait_until_ready(&self, run: &Running) {
        let end = Instant::now() + Duration::from_secs(90);
        while !self
            .vm
            .sh(&format!("{TX} && test -e ready && test ! -e done"))
            .is_ok_and(|ran| ran.status.success())
        {
            assert!(Instant::now() < end, "not ready: {}\n{}", run.said(), self.record());
            sleep(Duration::from_millis(200));
        }
    }

    /// Lets the check that [`WAITS`] pass.
    pub(crate) fn go(&self) {
        fs::write(self.vm.dir().join("go"), "").unwrap();
    }

    /// Asserts how a run ended.
    pub(crate) fn expect(&self, run: Running, result: &str, code: i32) {
        let ended = run.end();
        let line = ended.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let words: Vec<_> = line.filter(|event| event["event"] == "host_finished").collect();
        assert_eq!(
            (words.first().and_then(|event| event["result"].as_str()), ended.code()),
            (Some(result), Some(code)),
            "{ended:?}\n{}",
            self.record()
        );
    }
}
