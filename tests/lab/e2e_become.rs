//! Becoming root by every way there is: what works, what is refused, and where a password is seen.

use crate::e2e_stage::{LIMITS, Stage, assert_quiet, record};
use snapback_testkit::lab::{HostKind, LabHost};
use std::fs;
use std::process::Stdio;

/// With a blank, a quote, a backslash and what a shell or sudo would read as more.
const PASSWORD: &str = r#"right 'horse\n $HOME %u"#;

/// One run changes a file, by a handler that says who it is.
fn fleet(hosts: &[&str], r#become: &str) -> String {
    let hosts: String = hosts.iter().map(|host| format!("[hosts.{host}]\nuser = \"deploy\"\n")).collect();
    format!(
        "[defaults]\nbecome = \"{become}\"\n{hosts}{LIMITS}[[changes]]\nkind = \"files\"\nhandlers = [\"id -u >/etc/shop/who\"]\n\
         [[changes.files]]\ncontent = \"after {become}\\n\"\ndest = \"/etc/shop/conf\"\n"
    )
}

/// The user has a password, and sudo asks for it, with everything that could get in the way.
fn with_a_password(host: &LabHost) {
    host.exec_with_input(&["chpasswd"], &format!("deploy:{PASSWORD}\n")).unwrap();
    host.exec_sh(
        "printf '%s\\n' 'deploy ALL=(ALL:ALL) ALL' 'Defaults env_reset,use_pty,log_output,lecture=always' \
         'Defaults logfile=/var/log/sudo.log,secure_path=/usr/bin:/bin' >/etc/sudoers.d/deploy\n\
         sed -i '1i auth required pam_faillock.so preauth audit deny=3' /etc/pam.d/sudo\n\
         sed -i 's/^@include common-auth/auth sufficient pam_unix.so\\nauth [default=die] pam_faillock.so authfail audit deny=3/' \
         /etc/pam.d/sudo\n\
         sed -i '/^account/i account required pam_faillock.so' /etc/pam.d/sudo; visudo -cq",
    )
    .unwrap();
}

/// How many failures the host holds against the user; three would lock the account.
fn failures(host: &LabHost) -> usize {
    host.exec_sh("faillock --user deploy | grep -c ' V$' || true").unwrap().trim().parse().unwrap()
}

fn assert_changed(host: &LabHost, r#become: &str) {
    let found = host.exec_sh("cat /etc/shop/conf /etc/shop/who").unwrap();
    assert_eq!(found, format!("after {become}\n0\n"));
    assert_quiet(host);
}

#[test]
fn a_password_for_sudo_is_sent_on_standard_input_alone_and_seen_nowhere() {
    let stage = Stage::new("sudopw");
    let [host] = stage.systemd(["app1"]);
    with_a_password(&host);
    host.exec_with_input(&["sh", "-c", "umask 077; cat >/root/pattern"], PASSWORD).unwrap();
    let watch = "until test -e /root/enough; do grep -laF -f /root/pattern /proc/[0-9]*/cmdline /proc/[0-9]*/environ; \
                 echo looked; done 2>/dev/null";
    let watch = host.command(&["sh", "-c", watch]).unwrap().stdout(Stdio::piped()).spawn().unwrap();
    let said = stage.run_with_password(&fleet(&["app1"], "sudo"), PASSWORD, &["-vv"]);
    println!("{}", record(&host));
    said.expect("app1", "confirmed", 0);
    assert_changed(&host, "sudo");
    host.exec_sh("touch /root/enough; grep -q COMMAND=/bin/sh /var/log/sudo.log").unwrap();
    let seen = String::from_utf8(watch.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.lines().count() > 5 && seen.lines().all(|line| line == "looked"), "{seen}");
    let kept = "journalctl -b --no-pager | grep -aF -f /root/pattern; \
                grep -raF -f /root/pattern /var/lib /var/log /etc /run /tmp /var/tmp";
    assert_eq!(host.exec(&["sh", "-c", kept]).unwrap().stdout, "");
    assert!(!said.out.contains("horse") && !said.err.contains("horse"), "{said:#?}");
    for file in files(&stage.lab.home()) {
        let text = fs::read(&file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains("horse"), "{}", file.display());
    }
    assert_eq!(failures(&host), 0);
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_wrong_password_is_tried_once_and_at_one_host() {
    let stage = Stage::new("wrongpw");
    let hosts = stage.boot(HostKind::Plain, ["app1", "app2"]);
    hosts.iter().for_each(with_a_password);
    let fleet = fleet(&["app1", "app2"], "auto");
    let said = stage.run_with_password(&fleet, "wrong", &["--volatile-guard"]);
    let tried: Vec<usize> = hosts.iter().map(failures).collect();
    println!("{tried:?} {said:#?}");
    let mut endings = [said.ending("app1"), said.ending("app2")];
    endings.sort_by_key(|ending| ending.cause.contains("not tried here"));
    assert_eq!(endings.each_ref().map(|e| e.result.as_str()), ["refused", "refused"], "{endings:?}");
    assert!(endings[0].cause.contains("sudo refused the password there"), "{endings:?}");
    assert!(endings[1].cause.contains("so it was not tried here"), "{endings:?}");
    assert!(endings.iter().all(|e| e.next.contains("password")), "{endings:?}");
    assert!(tried == [0, 1] || tried == [1, 0], "{tried:?}");
    let said = stage.run_with_password(&fleet, PASSWORD, &["--volatile-guard"]);
    for host in &hosts {
        assert_eq!(said.ending(host.name()).result, "confirmed", "{said:#?}");
        assert_changed(host, "auto");
    }
}

#[test]
fn what_sudo_says_is_told_with_its_mend() {
    let stage = Stage::new("sudosays");
    let host = stage.lab.plain_host("app1").unwrap();
    for (sudoers, r#become, cause, next) in [
        ("deploy ALL=(ALL:ALL) ALL", "auto", "a password is required", "pass -K"),
        ("deploy ALL=(ALL:ALL) ALL", "sudo", "a password is required", "pass -K"),
        ("deploy ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults requiretty", "auto", "must have a tty", "!requiretty"),
        ("deploy ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults requiretty", "sudo", "must have a tty", "!requiretty"),
        ("deploy ALL=(ALL:ALL) NOPASSWD: /usr/bin/true", "sudo", "password", "pass -K"),
        ("", "doas", "doas", "connect as root"),
        ("", "run0", "run0", "connect as root"),
    ] {
        host.exec_with_input(&["sh", "-c", "cat >/etc/sudoers.d/deploy"], &format!("{sudoers}\n")).unwrap();
        let said = stage.run(&fleet(&["app1"], r#become));
        let ending = said.expect("app1", "refused", 1);
        println!("{}: {} / {}", r#become, ending.cause, ending.next);
        assert!(ending.cause.contains(cause) && ending.next.contains(next), "{become}: {ending:?}");
    }
    host.exec_sh("test ! -e /etc/shop; test ! -e /var/lib/snapback").unwrap();
    // A password that nobody asks for is sent to nobody, and a terminal that sudo wants is named with -K too.
    host.exec_with_input(
        &["sh", "-c", "cat >/etc/sudoers.d/deploy"],
        "deploy ALL=(ALL:ALL) ALL\nDefaults requiretty\n",
    )
    .unwrap();
    let said = stage.run_with_password(&fleet(&["app1"], "sudo"), PASSWORD, &[]);
    assert!(said.expect("app1", "refused", 1).cause.contains("must have a tty"), "{said:#?}");
}

#[test]
fn doas_gives_root() {
    let stage = Stage::new("doas");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh("rm /etc/sudoers.d/deploy; echo 'permit nopass deploy' >/etc/doas.conf").unwrap();
    for r#become in ["auto", "doas"] {
        stage.run(&fleet(&["app1"], r#become)).expect("app1", "confirmed", 0);
        assert_changed(&host, r#become);
    }
}

/// Does what run0 does with systemd 252, which has no run0 yet: a unit below PID 1 on the caller's own descriptors. The
/// words travel by a file, since only later versions can be told to leave `$` alone.
const RUN0: &str = r#"#!/bin/sh
set -eu
[ "$1" = --no-ask-password ] || exit 64
case $2 in --setenv=SNAPBACK_FROM=*) env=$2 ;; *) exit 64 ;; esac
shift 2
words=$(mktemp)
printf '%s\0' "$@" >"$words"
exec sudo -n systemd-run --quiet --pipe --wait --collect --slice=user.slice --service-type=exec --working-directory="$PWD" \
	"$env" xargs -0 -a "$words" env --
"#;

pub(crate) fn install_run0(host: &LabHost) {
    host.exec_with_input(&["sh", "-c", "cat >/usr/bin/run0; chmod 755 /usr/bin/run0"], RUN0).unwrap();
}

#[test]
fn run0_gives_root_and_its_session_is_found_below_sshd() {
    let stage = Stage::new("run0");
    let [host] = stage.systemd(["app1"]);
    install_run0(&host);
    stage.run(&fleet(&["app1"], "run0")).expect("app1", "confirmed", 0);
    assert_changed(&host, "run0");
    let doctor = stage.says(&["doctor", &stage.fleet(&fleet(&["app1"], "run0"))]);
    assert!(doctor.out.contains("uid 0 by `run0 --no-ask-password`"), "{doctor:#?}");
}
