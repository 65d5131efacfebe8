//! What counts as a fresh connection: younger than `ready`, by the process that sshd forked when it accepted it.

use crate::e2e_become::install_run0;
use crate::e2e_stage::{Running, Stage, wait_for};
use serde_json::Value;
use snapback_agent::call::{Sent, command_line};
use snapback_core::way::Become;
use snapback_testkit::lab::{HostKind, LabHost};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Connects at once, and talks only when it is told to: for sshd the connection was opened when it was accepted. It
/// holds nothing of ssh's own output, or whoever reads that would wait for it.
const HOLD: &str = "#!/bin/bash\nexec 2>/dev/null 3<>/dev/tcp/$1/22\ntouch \"$HOME/held\"\nuntil test -e \"$HOME/talk\"; do sleep 0.05; done\n\
                    cat <&3 &\nexec cat >&3\n";

/// What confirms a host, out of the run's record.
struct Secret {
    run: String,
    token: String,
    digest: String,
    r#become: Become,
}

impl Secret {
    fn read(stage: &Stage, r#become: Become) -> Self {
        let folder = stage.lab.home().join(".local/state/snapback/runs");
        let mut runs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        let record = fs::read_to_string(runs.last().unwrap()).unwrap();
        let mut lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let record = lines.find(|line| line["entry"] == "host").unwrap();
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        Self { run: text("run"), token: text("token"), digest: text("plan_digest"), r#become }
    }

    fn line(&self) -> String {
        command_line(self.r#become, "0123456789abcdef", Sent::Plain, &["confirm", &self.run, &self.digest])
    }
}

fn spawn(stage: &Stage, arguments: &[&str], secret: &Secret, token: &str) -> Child {
    let mut command: Command = stage.lab.controller_command("ssh");
    command
        .args(arguments)
        .arg(secret.line())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
    child
}

fn answer(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A run that waits, ready, until the controller's check lets it go on.
fn ready_run(stage: &Stage, host: &LabHost, login: &str, r#become: Become, state: &str) -> Running {
    let run = stage.start(
        &format!(
            "[hosts.{}]\nuser = \"{login}\"\nbecome = \"{}\"\n[confirm]\nsettle = \"0s\"\ntimeout = \"40s\"\napply_timeout = \"20s\"\n[[changes]]\nkind = \"script\"\napply = \"sleep 1\"\n\
             rollback = \"touch /etc/undone\"\n[[checks]]\nname = \"go\"\nwhere = \"local\"\n\
             run = \"until test -e go; do sleep 0.1; done\"\ntimeout = \"30s\"\n",
            host.name(),
            r#become.word()
        ),
        &[],
    );
    wait_for(host, 20, &format!("test -d {state}/tx && cd {state}/tx/* && test -e armed"));
    run
}

fn only_a_fresh_connection_confirms(login: &str, r#become: Become) {
    let stage = Stage::new(&format!("fresh-{login}-{}", r#become.word()));
    let [host] = stage.systemd(["app1"]);
    install_run0(&host);
    only_a_fresh_one_confirms(&stage, &host, login, r#become, "/var/lib/snapback");
}

fn only_a_fresh_one_confirms(stage: &Stage, host: &LabHost, login: &str, r#become: Become, state: &str) {
    let goal = format!("{login}@app1");
    let (address, home) = (host.address().to_string(), stage.lab.home().display().to_string());
    stage.file("hold.sh", HOLD);
    let mut master = stage.lab.controller_command("ssh");
    master.args(["-M", "-S", "~/.ssh/mux", "-N", &goal]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut master = master.stderr(Stdio::null()).spawn().unwrap();
    await_file(&stage.lab.home().join(".ssh/mux"));
    let run = ready_run(stage, host, login, r#become, state);
    // Opened while the host is being changed, and so before `ready`.
    let secret = Secret::read(stage, r#become);
    let proxy = format!("ProxyCommand=bash {home}/hold.sh {address}");
    let held = spawn(stage, &["-o", &proxy, &goal], &secret, &secret.token);
    await_file(&stage.lab.home().join("held"));
    host.exec_sh(&format!("cd {state}/tx/* && test ! -e ready")).unwrap();
    wait_for(host, 20, &format!("cd {state}/tx/* && test -e ready"));

    let muxed = answer(spawn(stage, &["-S", "~/.ssh/mux", &goal], &secret, &secret.token));
    assert!(muxed.contains("denied reason=stale_connection"), "{muxed}");
    stage.file("talk", "");
    let held = answer(held);
    assert!(held.contains("denied reason=stale_connection"), "{held}");
    let wrong = answer(spawn(stage, &[&goal], &secret, "0000"));
    assert!(wrong.contains("denied reason=bad_token"), "{wrong}");
    let other = Secret { digest: "0".repeat(64), ..Secret::read(stage, r#become) };
    let other = answer(spawn(stage, &[&goal], &other, &secret.token));
    assert!(other.contains("denied reason=wrong_digest"), "{other}");
    host.exec_sh(&format!("test ! -e {state}/tx/*/turn.1")).unwrap();

    // The same words over a fresh connection do confirm, so it was the connection that was refused.
    let fresh = answer(spawn(stage, &[&goal], &secret, &secret.token));
    assert!(fresh.contains("confirmed already=0"), "{fresh}");
    stage.file("go", "");
    run.end().expect("app1", "confirmed", 0);
    host.exec_sh("test ! -e /etc/undone").unwrap();
    master.kill().unwrap();
    master.wait().unwrap();
}

fn await_file(path: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        assert!(Instant::now() < end, "{} didn't come", path.display());
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_a_fresh_connection_confirms_where_dropbear_serves() {
    let stage = Stage::new("fresh-dropbear");
    let host = stage.lab.host("app1").kind(HostKind::OpenWrt).boot().unwrap();
    only_a_fresh_one_confirms(&stage, &host, "root", Become::Auto, "/etc/snapback/state");
}

#[test]
fn only_a_fresh_connection_confirms_where_dropbear_asks_for_no_password() {
    let stage = Stage::new("fresh-blank");
    let host = stage.lab.host("app1").kind(HostKind::OpenWrt).boot().unwrap();
    // Neither key nor password: the login that OpenWrt begins with.
    let blank = "sed -i 's/^root:[*]:/root::/' /etc/passwd; rm /root/.ssh/authorized_keys; echo -B >/etc/config/dropbear; \
                 kill $(cat /var/run/dropbear.pid); sleep 0.2; /etc/init.d/dropbear start";
    host.exec_sh(blank).unwrap();
    host.wait_until_reachable(Duration::from_secs(5)).unwrap();
    only_a_fresh_one_confirms(&stage, &host, "root", Become::Auto, "/etc/snapback/state");
}

#[test]
fn only_a_fresh_connection_confirms_for_root() {
    only_a_fresh_connection_confirms("root", Become::Auto);
}

#[test]
fn only_a_fresh_connection_confirms_for_a_user_with_sudo() {
    only_a_fresh_connection_confirms("deploy", Become::Auto);
}

#[test]
fn only_a_fresh_connection_confirms_for_a_user_with_run0() {
    only_a_fresh_connection_confirms("deploy", Become::Run0);
}
