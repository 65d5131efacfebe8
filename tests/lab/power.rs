//! Power cuts, reboots, hanging hosts.

use snapback_testkit::lab::{HostKind, Lab, LabHost};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(400);

fn boot_id(host: &LabHost) -> String {
    host.exec_sh("cat /proc/sys/kernel/random/boot_id").unwrap()
}

fn all_kinds(lab: &Lab) -> Vec<LabHost> {
    HostKind::ALL.map(|kind| lab.host(&kind.to_string()).kind(kind).boot().unwrap()).into()
}

#[test]
fn a_power_cut_kills_everything_and_keeps_the_disk() {
    let lab = Lab::new("cut").unwrap();
    for host in all_kinds(&lab) {
        host.exec_sh("echo kept >/etc/kept; echo gone >/run/gone; sync").unwrap();
        let mut straggler = host.command(&["sleep", "1000"]).unwrap().spawn().unwrap();
        host.nft("table inet t { }").unwrap();
        let before = boot_id(&host);
        host.power_cut().unwrap();
        assert!(!host.is_on().unwrap());
        assert!(!straggler.wait().unwrap().success());
        assert!(!host.answers_within(SHORT));
        host.boot().unwrap();
        assert_ne!(boot_id(&host), before);
        let left = host
            .exec_sh("cat /etc/kept; test ! -e /run/gone; nft list tables | grep 'inet t$' || true")
            .unwrap();
        assert_eq!(left, "kept\n");
    }
}

#[test]
fn a_reboot_from_inside_comes_back_by_itself() {
    let lab = Lab::new("reboot").unwrap();
    for host in all_kinds(&lab) {
        let before = boot_id(&host);
        host.exec(&["reboot"]).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while !(host.answers_within(SHORT) && boot_id(&host) != before) {
            assert!(Instant::now() < end, "{} didn't come back", host.name());
            sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_plain_host_runs_rc_local_before_sshd() {
    let lab = Lab::new("rclocal").unwrap();
    let host = lab.plain_host("a").unwrap();
    let script = "printf '#!/bin/sh\\npidof sshd || touch /etc/before-sshd\\n' >/etc/rc.local";
    host.exec_sh(script).unwrap();
    host.power_cut().unwrap();
    host.boot().unwrap();
    host.exec_sh("test -e /etc/before-sshd").unwrap();
}

#[test]
fn a_frozen_host_hangs_and_goes_on() {
    let lab = Lab::new("frozen").unwrap();
    for host in all_kinds(&lab) {
        host.freeze().unwrap();
        assert!(!host.answers_within(SHORT));
        host.thaw().unwrap();
        assert!(host.answers_within(Duration::from_secs(2)));
    }
}

#[test]
fn one_unit_can_be_frozen_alone_and_one_process_too() {
    let lab = Lab::new("unit").unwrap();
    let host = lab.systemd_host("a").unwrap();
    host.freeze_cgroup("system.slice/ssh.service").unwrap();
    assert!(!host.answers_within(SHORT));
    host.exec_sh("systemctl is-active ssh.service").unwrap();
    host.thaw_cgroup("system.slice/ssh.service").unwrap();
    assert!(host.answers_within(Duration::from_secs(2)));
    let pid = host.exec_sh("systemctl show -P MainPID ssh.service").unwrap().trim().parse().unwrap();
    host.freeze_process(pid).unwrap();
    assert!(!host.answers_within(SHORT));
    host.thaw_process(pid).unwrap();
    assert!(host.answers_within(Duration::from_secs(2)));
}

#[test]
fn orphans_are_reaped() {
    let lab = Lab::new("orphans").unwrap();
    let host = lab.plain_host("a").unwrap();
    host.exec_sh("sh -c 'sleep 0.1 &'; sleep 0.4; ! grep -h '^State:.Z' /proc/[0-9]*/status").unwrap();
}
