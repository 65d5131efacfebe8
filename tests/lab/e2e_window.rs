//! What a host goes through while it waits to be confirmed, without harm.

use crate::e2e_stage::{Running, Stage, assert_quiet, record, wait_for};
use snapback_testkit::lab::LabHost;
use std::thread;

const TX: &str = "cd /var/lib/snapback/tx && for t in *; do :; done && cd $t";

/// A run that waits, ready, until the controller's check lets it go on.
fn waiting(stage: &Stage, host: &str, login: &str, apply: &str) -> Running {
    stage.start(
        &format!(
            "[hosts.{host}]\nuser = \"{login}\"\n[confirm]\nsettle = \"0s\"\ntimeout = \"40s\"\napply_timeout = \"20s\"\n\
             [[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n\
             [[changes]]\nkind = \"script\"\napply = \"{apply}\"\nrollback = \"touch /etc/undone\"\n\
             [[checks]]\nname = \"go\"\nwhere = \"local\"\nrun = \"until test -e go-{host}; do sleep 0.1; done\"\ntimeout = \"30s\"\n"
        ),
        &[],
    )
}

fn assert_kept(host: &LabHost, run: Running) {
    run.end().expect(host.name(), "confirmed", 0);
    assert_eq!(host.exec_sh("cat /etc/shop/conf; test ! -e /etc/undone").unwrap(), "after\n");
    assert_quiet(host);
}

#[test]
fn isolate_reloads_and_restarts_of_ssh_inside_the_window_undo_nothing() {
    let stage = Stage::new("isolate");
    let [host] = stage.systemd(["app1"]);
    let run = waiting(&stage, "app1", "root", "true");
    wait_for(&host, 15, &format!("{TX} && test -e ready"));
    for disturbance in [
        "systemctl daemon-reload",
        "systemctl daemon-reexec",
        "systemctl restart ssh",
        "systemctl isolate multi-user.target",
        "systemctl start snapback-boot snapback-boot-mounted snapback-boot-late",
    ] {
        let ran = host.exec(&["sh", "-c", disturbance]).unwrap();
        assert!(ran.success(), "{disturbance}: {}", ran.stderr);
        let armed = format!(
            "{TX}; test ! -e turn.1 && u=snapback-$t && systemctl is-active $u-guard.service $u-backup.timer"
        );
        assert!(host.exec(&["sh", "-c", &armed]).unwrap().success(), "{disturbance}: {}", record(&host));
    }
    stage.file("go-app1", "");
    assert_kept(&host, run);
}

/// logind's strictest setting, under which only units outlive a session.
fn kill_user_processes(host: &LabHost) {
    host.exec_sh(
        "mkdir -p /etc/systemd/logind.conf.d\n\
         printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=nobody\\n' >/etc/systemd/logind.conf.d/kill.conf\n\
         systemctl restart systemd-logind",
    )
    .unwrap();
}

#[test]
fn a_transaction_survives_the_end_of_its_session_under_kill_user_processes() {
    let stage = Stage::new("kup");
    let hosts = stage.systemd(["user", "root"]);
    thread::scope(|scope| {
        for (host, login) in hosts.iter().zip(["deploy", "root"]) {
            let stage = &stage;
            scope.spawn(move || {
                kill_user_processes(host);
                // A process that has only setsid to protect it shows that logind does what it was told.
                let victim = "touch /run/alive; setsid sh -c 'while :; do date >/run/victim; sleep 0.1; done' >/dev/null 2>&1 </dev/null & sleep 0.3";
                let sudo = if login == "root" { String::new() } else { "sudo -n ".to_owned() };
                stage.ssh(&[&format!("{login}@{}", host.name()), &format!("{sudo}sh -c \"{victim}\"")]);
                let run = waiting(stage, host.name(), login, "touch /run/applying; sleep 2");
                wait_for(host, 15, "test -e /run/applying");
                host.exec_sh(&format!("loginctl terminate-user {login}")).unwrap();
                wait_for(host, 15, &format!("{TX} && test -e ready"));
                wait_for(host, 5, "test -z \"$(find /run/victim -newermt '-1 second')\"");
                stage.file(&format!("go-{}", host.name()), "");
                assert_kept(host, run);
            });
        }
    });
}
