//! The controller gets into every sort of host, by name, and into nothing else.

use snapback_testkit::lab::{HostKind, Lab, LabError};

fn ssh(lab: &Lab, argv: &[&str]) -> (bool, String) {
    let output = lab.controller_command("ssh").args(argv).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.trim().to_owned())
}

#[test]
fn a_plain_host_answers_ssh_as_root_and_as_deploy_with_sudo() {
    let lab = Lab::new("plain").unwrap();
    let host = lab.plain_host("web1").unwrap();
    assert_eq!(
        ssh(&lab, &["web1", "id -un; hostname; cat /proc/1/comm"]),
        (true, "root\nweb1\nbusybox".into())
    );
    assert_eq!(ssh(&lab, &["deploy@web1", "id -un; sudo -n id -un"]), (true, "deploy\nroot".into()));
    assert!(!host.exec(&["test", "-d", "/run/systemd/system"]).unwrap().success());
}

#[test]
fn a_systemd_host_boots_and_answers() {
    let lab = Lab::new("systemd").unwrap();
    let host = lab.systemd_host("db1").unwrap();
    assert_eq!(host.kind(), HostKind::Systemd);
    assert_eq!(ssh(&lab, &["db1", "cat /proc/1/comm"]), (true, "systemd".into()));
    let state = host.exec_sh("systemctl is-system-running --wait || systemctl --failed").unwrap();
    assert_eq!(state.trim(), "running");
    let (_, cgroup) = ssh(&lab, &["deploy@db1", "cat /proc/self/cgroup | grep ^0::"]);
    assert!(cgroup.contains("user-1000.slice/session-"), "a session of logind's: {cgroup}");
}

#[test]
fn hosts_of_other_inits_boot_and_answer() {
    let lab = Lab::new("inits").unwrap();
    for (kind, sign) in [
        (HostKind::OpenRc, "cat /run/openrc/softlevel; ls /run/openrc/started/ssh"),
        (HostKind::Sysvinit, "cat /run/runlevel; readlink /proc/1/exe"),
        (HostKind::OpenWrt, "readlink /proc/1/exe; cat /var/run/network-started | grep -c ."),
    ] {
        let host = lab.host(&kind.to_string()).kind(kind).boot().unwrap();
        let expected = match kind {
            HostKind::OpenRc => "default/run/openrc/started/ssh",
            HostKind::Sysvinit => "2/usr/sbin/init",
            _ => "/usr/bin/busybox\n1",
        };
        assert_eq!(ssh(&lab, &[host.name(), sign]), (true, expected.into()), "{kind}");
        assert!(!host.exec(&["test", "-d", "/run/systemd/system"]).unwrap().success());
    }
    // No other program than busybox's, and a /var that a reboot empties.
    let small = "for p in /bin/sh /usr/bin/stat; do readlink -f $p; done; command -v setsid; grep -c ' /tmp tmpfs' /proc/mounts; readlink /var";
    let (_, told) = ssh(&lab, &["openwrt", small]);
    assert_eq!(told, "/usr/bin/busybox\n/usr/bin/busybox\n1\ntmp");
}

#[test]
fn transient_timers_of_systemd_fire() {
    let lab = Lab::new("timer").unwrap();
    let host = lab.systemd_host("db1").unwrap();
    let arm = "systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms touch /var/tmp/fired";
    host.exec_sh(arm).unwrap();
    host.exec_sh("for i in $(seq 50); do test -e /var/tmp/fired && exit 0; sleep 0.1; done; exit 1").unwrap();
}

#[test]
fn names_resolve_for_programs_other_than_ssh() {
    let lab = Lab::new("names").unwrap();
    let host = lab.plain_host("web1").unwrap();
    let output = lab.controller_command("getent").args(["hosts", "web1"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with(&host.address().to_string()), "{text}");
}

#[test]
fn hosts_reach_each_other_and_not_the_other_lab() {
    let (one, other) = (Lab::new("one").unwrap(), Lab::new("other").unwrap());
    let first = one.plain_host("a").unwrap();
    let second = one.plain_host("b").unwrap();
    let knock = format!("exec 3<>/dev/tcp/{}/22 && head -c 4 <&3", second.address());
    assert_eq!(first.exec(&["bash", "-c", &knock]).unwrap().stdout, "SSH-");
    let alone = other.plain_host("a").unwrap();
    assert!(!alone.exec(&["timeout", "1", "bash", "-c", &knock]).unwrap().success());
}

#[test]
fn a_name_can_be_taken_once_and_must_be_a_name() {
    let lab = Lab::new("taken").unwrap();
    lab.plain_host("web1").unwrap();
    let again = lab.plain_host("web1").unwrap_err();
    assert!(matches!(again, LabError::Name { .. }), "{again}");
    assert!(matches!(Lab::new("no/path").unwrap_err(), LabError::Name { .. }));
}

#[test]
fn nothing_is_left_of_a_lab_that_was_dropped() {
    let lab = Lab::new("gone").unwrap();
    let host = lab.plain_host("web1").unwrap();
    let (root, home) = (host.root(), lab.home());
    assert!(root.join("etc/passwd").exists());
    drop(lab);
    assert!(!root.exists() && !home.exists());
    assert!(!host.is_on().unwrap());
    let namespaces = std::fs::read_dir("/run/netns").unwrap().flatten();
    let left = namespaces.filter(|entry| entry.file_name().to_string_lossy().starts_with("lab-gone-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_lab_whose_owner_died_is_swept_by_the_next() {
    let dead = Lab::new("dead").unwrap();
    let host = dead.plain_host("web1").unwrap();
    let state = dead.home().parent().unwrap().to_owned();
    // An id that was this process's, at another time: what a killed owner leaves behind.
    std::fs::write(state.join("owner"), format!("{} 1", std::process::id())).unwrap();
    std::mem::forget(dead);
    let _next = Lab::new("next").unwrap();
    assert!(!state.exists() && !host.root().exists() && !host.is_on().unwrap());
}
