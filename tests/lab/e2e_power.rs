//! Power cuts and reboots inside a transaction: the boot hook puts the old state back before sshd answers.

use crate::e2e_stage::{Running, Said, Stage, assert_quiet, record, wait_for};
use snapback_testkit::lab::LabHost;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// The newest transaction's folder, for scripts.
const TX: &str = "cd /var/lib/snapback/tx && for t in *; do :; done && cd $t";

fn prepare(host: &LabHost) {
    host.exec_sh("mkdir -p /etc/shop; echo before >/etc/shop/conf; echo script >/etc/shop/by-script")
        .unwrap();
}

/// A file, and a script that takes `seconds` each way.
fn fleet(host: &LabHost, apply: &str, rollback: &str, checks: &str) -> String {
    format!(
        "[hosts.{}]\nconnect_timeout = \"2s\"\n[confirm]\ntimeout = \"30s\"\napply_timeout = \"30s\"\nsettle = \"0s\"\n\
         [[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n\
         [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/added\"\n\
         [[changes]]\nkind = \"script\"\napply = '''{apply}'''\nrollback = '''{rollback}'''\n{checks}",
        host.name()
    )
}

/// Keeps a run waiting, ready, for long enough to cut the power in the meantime.
const WAITS: &str = "[[checks]]\nname = \"wait\"\nwhere = \"local\"\nrun = \"sleep 8; false\"\ntimeout = \"9s\"\n\
                     healthy_deadline = \"6s\"\n";

/// Cuts the power, boots, and returns what the very first ssh connection saw.
fn cut_and_boot(stage: &Stage, host: &LabHost) -> String {
    host.power_cut().unwrap();
    let begun = Instant::now();
    host.start().unwrap();
    let look = "cat /etc/shop/conf; test -e /etc/shop/added && echo added; true";
    while !host.answers_within(Duration::from_millis(200)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} didn't come back", host.name());
        sleep(Duration::from_millis(10));
    }
    println!("{}: sshd answered {} ms after the power came back", host.name(), begun.elapsed().as_millis());
    let said = stage.ssh(&[host.name(), look]);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

/// The hook had ended before sshd was started, by systemd's own clock.
fn assert_hook_first(host: &LabHost) {
    let stamp = |unit: &str, which: &str| -> u64 {
        let show = format!("systemctl show -P {which} {unit}");
        host.exec_sh(&show).unwrap().trim().parse().unwrap()
    };
    let (hook, mounted) = (
        stamp("snapback-boot", "ExecMainExitTimestampMonotonic"),
        stamp("snapback-boot-mounted", "ExecMainExitTimestampMonotonic"),
    );
    let ssh = stamp("ssh", "ExecMainStartTimestampMonotonic");
    println!(
        "{}: sshd was started {} ms after the hook had ended",
        host.name(),
        (ssh.saturating_sub(mounted)) / 1000
    );
    assert!(
        0 < hook && hook < ssh && 0 < mounted && mounted < ssh,
        "{hook} {mounted} {ssh}: {}",
        record(host)
    );
}

/// Undone, read back, the lock free, and the next run needs nobody's hands.
fn assert_mended(stage: &Stage, host: &LabHost, run: Running) {
    let said: Said = run.end();
    said.expect(host.name(), "rolled_back", 1);
    assert_quiet(host);
    assert_eq!(host.exec_sh("cat /etc/shop/conf /etc/shop/by-script").unwrap(), "before\nscript\n");
    host.exec_sh(&format!("{TX}; grep -q ^rolled_back done")).unwrap();
    stage.run(&fleet(host, "echo next >/etc/shop/by-script", "false", "")).expect(
        host.name(),
        "confirmed",
        0,
    );
    assert_quiet(host);
}

#[test]
fn a_power_cut_while_applying_and_one_while_waiting_are_undone_before_sshd_answers() {
    let stage = Stage::new("cutapply");
    let [applying, waiting] = stage.systemd(["applying", "waiting"]);
    thread::scope(|scope| {
        scope.spawn(|| {
            prepare(&applying);
            let slow = "echo half >/etc/shop/by-script; touch /run/slow; sleep 20";
            let run = stage.start(&fleet(&applying, slow, "echo script >/etc/shop/by-script", ""), &[]);
            wait_for(&applying, 15, "test -e /run/slow");
            assert_eq!(cut_and_boot(&stage, &applying), "before\n");
            assert_hook_first(&applying);
            assert_mended(&stage, &applying, run);
        });
        scope.spawn(|| {
            prepare(&waiting);
            let run = stage.start(
                &fleet(&waiting, "echo all >/etc/shop/by-script", "echo script >/etc/shop/by-script", WAITS),
                &[],
            );
            wait_for(&waiting, 15, &format!("{TX} && test -e ready"));
            assert_eq!(cut_and_boot(&stage, &waiting), "before\n");
            assert_hook_first(&waiting);
            assert_mended(&stage, &waiting, run);
        });
    });
}

#[test]
fn a_power_cut_in_the_middle_of_the_undo_is_finished_at_boot() {
    let stage = Stage::new("cutundo");
    let [host] = stage.systemd(["app1"]);
    prepare(&host);
    let slow = "touch /run/undoing; test -e /etc/shop/cut-once || sleep 20; rm -f /etc/shop/cut-once; echo script >/etc/shop/by-script";
    let run = stage.start(&fleet(&host, "echo all >/etc/shop/by-script; false", slow, ""), &[]);
    wait_for(&host, 15, "test -e /run/undoing");
    host.exec_sh("touch /etc/shop/cut-once").unwrap();
    assert_eq!(cut_and_boot(&stage, &host), "before\n");
    assert_hook_first(&host);
    assert_mended(&stage, &host, run);
}

/// A mount that fails keeps a host from booting as far as sshd: the first half shows that it does.
const BROKEN: &str = "nothing /srv/broken nosuchfs defaults 0 0\n";

#[test]
fn a_broken_fstab_in_the_change_set_still_boots_with_ssh() {
    let stage = Stage::new("fstab");
    let [host, control] = stage.systemd(["app1", "control"]);
    prepare(&host);
    for host in [&host, &control] {
        host.exec_sh("printf '# nothing\\n' >/etc/fstab; passwd -l root").unwrap();
    }
    let fstab = format!(
        "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = '''\n{BROKEN}'''\ndest = \"/etc/fstab\"\n{WAITS}"
    );
    let run = stage.start(&fleet(&host, "true", "true", &fstab), &[]);
    wait_for(&host, 15, &format!("{TX} && test -e ready"));
    host.exec_sh("grep -q nosuchfs /etc/fstab").unwrap();
    control.exec_with_input(&["tee", "/etc/fstab"], BROKEN).unwrap();
    control.power_cut().unwrap();
    control.start().unwrap();
    assert_eq!(cut_and_boot(&stage, &host), "before\n");
    assert_hook_first(&host);
    assert_eq!(host.exec_sh("cat /etc/fstab").unwrap(), "# nothing\n");
    assert!(
        !control.answers_within(Duration::from_secs(3)),
        "the fstab isn't broken enough to show anything"
    );
    host.exec_sh(&format!("{TX}; until test -e done; do sleep 0.1; done")).unwrap();
    let said = run.end();
    said.expect("app1", "rolled_back", 1);
    assert_quiet(&host);
}
