//! A guard that is itself attacked: frozen, killed, stopped. Whatever is left of it undoes.

use crate::e2e_stage::{Running, Stage, assert_quiet, record, wait_for};
use snapback_testkit::lab::{HostKind, LabHost};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const TX: &str = "cd /var/lib/snapback/tx && for t in *; do :; done && cd $t";

/// A script that goes on writing into what is watched, and is still at it when its time is up.
fn writer(stage: &Stage, host: &str, apply_timeout: u32) -> Running {
    stage.file(
        "write.sh",
        "#!/bin/sh\nwhile :; do date +%s%N >>/etc/shop/log; date >/etc/shop/new; sleep 0.05; done\n",
    );
    stage.start(
        &format!(
            "[hosts.{host}]\nconnect_timeout = \"2s\"\n[confirm]\ntimeout = \"4s\"\napply_timeout = \"{apply_timeout}s\"\nsettle = \"0s\"\n\
             [[changes]]\nkind = \"script\"\nwatch = [\"/etc/shop\"]\napply = {{ file = \"write.sh\" }}\n"
        ),
        &[],
    )
}

fn prepare(host: &LabHost) {
    host.exec_sh(
        "mkdir -p /etc/shop; echo before >/etc/shop/log; touch -d 2020-01-02 /etc/shop/log /etc/shop",
    )
    .unwrap();
}

/// The script is at work, and this is the guard's unit.
fn guard_unit(host: &LabHost) -> String {
    wait_for(host, 15, "test -s /etc/shop/new");
    let id = host.exec_sh("ls /var/lib/snapback/tx").unwrap();
    format!("snapback-{}-guard.service", id.trim())
}

/// Freezes a unit's processes by the freezer of cgroups' first version, in which even a killed process stays.
fn freeze_the_old_way(host: &LabHost, unit: &str) {
    let ice = "/sys/fs/cgroup/freezer/ice";
    let script = format!(
        "mount -o remount,bind,rw /sys/fs/cgroup/freezer; mkdir {ice}; for n in 1 2; do for p in $(cat /sys/fs/cgroup/systemd/system.slice/{unit}/cgroup.procs); do \
         echo $p >{ice}/cgroup.procs || :; done; echo FROZEN >{ice}/freezer.state; done; grep -q FR {ice}/freezer.state; grep -q . {ice}/cgroup.procs"
    );
    host.exec_sh(&script).unwrap();
}

/// Hundredths of a second from the deadline of apply until the record says that all is undone.
fn undone_after(host: &LabHost, seconds: u64, apply_timeout: i64) -> i64 {
    wait_for(host, seconds, &format!("{TX} && grep -q ^rolled_back done"));
    let text = host.exec_sh(&format!("sed 's/ .*//; s/[.]//' /proc/uptime; {TX}; head -n 1 armed")).unwrap();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<i64>().ok());
    numbers.next().unwrap() - numbers.next().unwrap() - apply_timeout * 100
}

/// As it was, and nothing writes any more.
fn assert_still(host: &LabHost) {
    let look = || host.tree_digest(&["/etc/shop"]).unwrap();
    let (begun, first) = (Instant::now(), look());
    assert_eq!(
        host.exec_sh("cat /etc/shop/log; stat -c %Y /etc/shop; ls /etc/shop").unwrap(),
        "before\n1577923200\nlog\n",
        "{}",
        record(host)
    );
    while begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(first.differences(&look()), Vec::<String>::new());
        sleep(Duration::from_millis(100));
    }
}

fn assert_undone(host: &LabHost, run: Running) {
    assert_still(host);
    run.end().expect(host.name(), "rolled_back", 1);
    assert_quiet(host);
}

#[test]
fn a_frozen_supervisor_is_replaced_ten_seconds_after_the_deadline() {
    let stage = Stage::new("stuck");
    let [stopped, frozen] = stage.systemd(["stopped", "frozen"]);
    let older = stage.lab.host("older").kind(HostKind::Systemd).both_cgroups().boot().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            prepare(&older);
            let run = writer(&stage, "older", 4);
            let unit = guard_unit(&older);
            freeze_the_old_way(&older, &unit);
            let late = undone_after(&older, 40, 4);
            println!("frozen by an old cgroup: undone {late}0 ms after the deadline");
            assert!((1000..=1700).contains(&late), "{late}: {}", record(&older));
            assert_undone(&older, run);
        });
        scope.spawn(|| {
            prepare(&stopped);
            let run = writer(&stage, "stopped", 4);
            let unit = guard_unit(&stopped);
            stopped.exec_sh(&format!("systemctl kill -s STOP {unit}")).unwrap();
            let late = undone_after(&stopped, 40, 4);
            println!("stopped: undone {late}0 ms after the deadline");
            assert!((1000..=1700).contains(&late), "{late}: {}", record(&stopped));
            assert_undone(&stopped, run);
        });
        scope.spawn(|| {
            prepare(&frozen);
            let run = writer(&stage, "frozen", 4);
            let unit = guard_unit(&frozen);
            frozen.freeze_cgroup(&format!("system.slice/{unit}")).unwrap();
            let late = undone_after(&frozen, 40, 4);
            println!("frozen: undone {late}0 ms after the deadline");
            assert!((1000..=1700).contains(&late), "{late}: {}", record(&frozen));
            assert_undone(&frozen, run);
        });
    });
}

#[test]
fn a_frozen_runner_is_killed_at_the_deadline_and_a_killed_supervisor_undoes_at_once() {
    let stage = Stage::new("killed");
    let [runner, killed] = stage.systemd(["runner", "killed"]);
    let older = stage.lab.host("older").kind(HostKind::Systemd).both_cgroups().boot().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            prepare(&older);
            let run = writer(&stage, "older", 4);
            let unit = guard_unit(&older).replace("guard", "run");
            freeze_the_old_way(&older, &unit);
            let late = undone_after(&older, 20, 4);
            println!("runner frozen by an old cgroup: undone {late}0 ms after the deadline");
            assert!((0..=500).contains(&late), "{late}: {}", record(&older));
            assert_undone(&older, run);
        });
        scope.spawn(|| {
            prepare(&runner);
            let run = writer(&stage, "runner", 4);
            let unit = guard_unit(&runner).replace("guard", "run");
            runner.freeze_cgroup(&format!("system.slice/{unit}")).unwrap();
            let late = undone_after(&runner, 20, 4);
            println!("frozen runner: undone {late}0 ms after the deadline");
            assert!((0..=500).contains(&late), "{late}: {}", record(&runner));
            // Should it still be there, it must not go on when it is thawed.
            let _ = runner.thaw_cgroup(&format!("system.slice/{unit}"));
            assert_undone(&runner, run);
        });
        scope.spawn(|| {
            prepare(&killed);
            let run = writer(&stage, "killed", 20);
            let unit = guard_unit(&killed);
            let begun = Instant::now();
            killed.exec_sh(&format!("systemctl kill -s KILL {unit}")).unwrap();
            let late = undone_after(&killed, 15, 20);
            println!("killed supervisor: undone {} ms later", begun.elapsed().as_millis());
            assert!(late < -1000, "{late}: {}", record(&killed));
            assert_undone(&killed, run);
        });
    });
}

/// Nobody is left to undo: supervisor and backup are stopped, and what follows the journal is gone.
fn behead(host: &LabHost, mut run: Running) {
    let guard = guard_unit(host);
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let timer = guard.replace("guard.service", "backup.timer");
    host.exec_sh(&format!("pkill -KILL -f '[p]ayload .* begin' || true; systemctl stop {timer} {guard}"))
        .unwrap();
    sleep(Duration::from_millis(500));
    host.exec_sh(&format!("{TX}; test ! -e turn.1 && test -s /etc/shop/new")).unwrap();
}

#[test]
fn without_any_guard_the_next_contact_undoes_or_else_the_next_boot() {
    let stage = Stage::new("beheaded");
    let [contact, reboot] = stage.systemd(["contact", "reboot"]);
    thread::scope(|scope| {
        scope.spawn(|| {
            prepare(&contact);
            behead(&contact, writer(&stage, "contact", 4));
            let fleet = stage.fleet("[hosts.contact]\n");
            let said = stage.says(&["status", &fleet]);
            assert_eq!(said.code, Some(0), "{said:?}");
            undone_after(&contact, 5, 4);
            assert_still(&contact);
            let said = stage.says(&["status", &fleet]);
            assert!(said.out.contains("rolled_back") || said.out.contains("rolled back"), "{said:?}");
            assert_quiet(&contact);
        });
        scope.spawn(|| {
            prepare(&reboot);
            behead(&reboot, writer(&stage, "reboot", 4));
            reboot.exec(&["systemctl", "reboot"]).unwrap();
            sleep(Duration::from_secs(1));
            reboot.wait_until_reachable(Duration::from_secs(30)).unwrap();
            assert_eq!(stage.ssh(&["reboot", "cat /etc/shop/log"]).out, "before\n");
            undone_after(&reboot, 10, 4);
            assert_still(&reboot);
            assert_quiet(&reboot);
        });
    });
}
