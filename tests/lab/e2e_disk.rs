//! A disk for the state that fills up, or turns read-only, at the worst moment.

use crate::e2e_stage::{Running, Stage, assert_quiet, record, wait_for};
use snapback_testkit::lab::{HostKind, HostPlan, LabHost};
use std::process::Command;
use std::thread::{self, sleep};
use std::time::Duration;

const TX: &str = "cd /var/lib/snapback/tx && for t in *; do :; done && cd $t";

/// A file and a script; `apply` may fail, and `rollback` may wait.
fn start(stage: &Stage, host: &LabHost, apply: &str, rollback: &str, more: &str) -> Running {
    let fleet = format!(
        "[hosts.{}]\nconnect_timeout = \"2s\"\n[confirm]\ntimeout = \"6s\"\napply_timeout = \"20s\"\nsettle = \"0s\"\n\
         [[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n\
         [[changes]]\nkind = \"script\"\ntimeout = \"15s\"\napply = '''{apply}'''\nrollback = '''{rollback}'''\n{more}",
        host.name()
    );
    let volatile: &[&str] = if host.kind() == HostKind::Plain { &["--volatile-guard"] } else { &[] };
    host.exec_sh("mkdir -p /etc/shop; echo before >/etc/shop/conf; echo before >/etc/shop/by-script")
        .unwrap();
    stage.start(&fleet, volatile)
}

/// One host of each kind, each with a small disk for its state.
fn on_both(name: &str, test: impl Fn(&Stage, &LabHost) + Sync) {
    on_both_with(name, |plan| plan.small_state_disk(24), test);
}

fn on_both_with(
    name: &str,
    disk: impl Fn(HostPlan<'_>) -> HostPlan<'_> + Sync,
    test: impl Fn(&Stage, &LabHost) + Sync,
) {
    let stage = Stage::new(name);
    thread::scope(|scope| {
        for (host, kind) in [("plain", HostKind::Plain), ("systemd", HostKind::Systemd)] {
            let (stage, disk, test) = (&stage, &disk, &test);
            scope.spawn(move || test(stage, &disk(stage.lab.host(host).kind(kind)).boot().unwrap()));
        }
    });
}

fn assert_undone(host: &LabHost) {
    wait_for(host, 20, &format!("{TX} && grep -q ^rolled_back done"));
    assert_eq!(
        host.exec_sh("cat /etc/shop/conf /etc/shop/by-script").unwrap(),
        "before\nbefore\n",
        "{}",
        record(host)
    );
    assert_quiet(host);
}

#[test]
fn a_disk_that_fills_during_the_undo_holds_up_no_file_and_is_over_once_there_is_room() {
    on_both("fulldisk", |stage, host| {
        let held = "echo >/run/undoing; n=0; while ! test -e /run/go && test $n -lt 200; do sleep 0.05; n=$((n+1)); done; \
                    echo before >/etc/shop/by-script";
        let run = start(stage, host, "echo after >/etc/shop/by-script; false", held, "");
        wait_for(host, 15, "test -e /run/undoing");
        host.fill_disk("/var/lib/snapback").unwrap();
        host.exec_sh("echo >/run/go").unwrap();
        wait_for(host, 15, "test \"$(cat /etc/shop/conf /etc/shop/by-script)\" = 'before\nbefore'");
        host.free_disk("/var/lib/snapback").unwrap();
        assert_undone(host);
        run.end().expect(host.name(), "rolled_back", 1);
    });
}

/// A quota is not seen by df: there is room, and nothing can be written.
#[test]
fn a_quota_that_is_exhausted_refuses_the_snapshot_and_holds_up_apply_and_undo_until_there_is_room() {
    on_both_with(
        "quota",
        |plan| plan.state_quota(12),
        |stage, host| {
            let state = "/var/lib/snapback";
            let held = |at: &str| {
                format!(
                    "echo >/run/{at}; n=0; while ! test -e /run/{at}.go && test $n -lt 200; do sleep 0.05; n=$((n+1)); done; "
                )
            };
            let put = |what: &str| format!("echo {what} >/etc/shop/by-script");
            // The agent comes with a first run.
            start(stage, host, "true", "true", "").end().expect(host.name(), "confirmed", 0);
            host.exec_sh("echo before >/etc/shop/conf").unwrap();
            host.fill_disk(state).unwrap();
            let refused = |why: &str| {
                let said = start(stage, host, &put("after"), &put("before"), "").end();
                let ending = said.expect(host.name(), "refused", 1);
                assert!(ending.cause.contains(why) && ending.next.contains("quota"), "{ending:#?}");
                assert!(said.events(host.name(), "guard_armed").is_empty(), "{said:#?}");
            };
            refused("could not be unpacked");
            // Room for what is sent, not for what the guard needs.
            let smaller =
                "s=$(stat -c %s .filler); rm .filler; sync -f .; head -c $((s - 500000)) /dev/zero >.filler";
            host.exec_sh(&format!("cd {state}; {smaller}; sync .filler")).unwrap();
            refused("the reserve for the undo could not be written");
            host.free_disk(state).unwrap();
            for at in ["applying", "undoing"] {
                let apply =
                    if at == "applying" { held(at) + &put("after") } else { put("after") + "; false" };
                let undo = if at == "undoing" { held(at) + &put("before") } else { put("before") };
                let run = start(stage, host, &apply, &undo, "");
                wait_for(host, 15, &format!("test -e /run/{at}"));
                host.fill_disk(state).unwrap();
                host.exec_sh(&format!("echo >/run/{at}.go")).unwrap();
                sleep(Duration::from_secs(1));
                host.free_disk(state).unwrap();
                let said = run.end();
                assert_undone(host);
                said.expect(host.name(), "rolled_back", 1);
            }
        },
    );
}

fn remount(host: &LabHost, how: &str) {
    let disk = host.root().join("var/lib/snapback");
    // The kernel refuses while somebody has a file open for writing.
    for _ in 0..500 {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(&disk).stderr(std::process::Stdio::null());
        if mount.status().unwrap().success() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{}: {how} was refused", host.name());
}

/// The ticks of CPU (10 ms each) that everything in the host has used, what has ended included.
fn ticks(host: &LabHost) -> u64 {
    let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep -q 'snapback/[t]x' && sed 's/.*) //' $p/stat; done 2>/dev/null; true";
    let stats = host.exec_sh(script).unwrap();
    let used =
        |line: &str| line.split(' ').skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    assert!(!stats.is_empty(), "nobody is left of the guard: {}", record(host));
    stats.lines().map(used).sum()
}

#[test]
fn a_disk_that_turned_read_only_is_waited_for_without_spinning() {
    on_both("rofs", |stage, host| {
        let waits = "[[checks]]\nname = \"wait\"\nwhere = \"local\"\nrun = \"sleep 4; false\"\ntimeout = \"5s\"\nhealthy_deadline = \"4s\"\n";
        let mut run =
            start(stage, host, "echo after >/etc/shop/by-script", "echo before >/etc/shop/by-script", waits);
        wait_for(host, 15, &format!("{TX} && test -e ready"));
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        remount(host, "ro");
        // Past the deadline: now it would undo, and can't write down that it does.
        sleep(Duration::from_secs(8));
        let before = ticks(host);
        sleep(Duration::from_secs(5));
        let spent = ticks(host).saturating_sub(before);
        println!("{}: {spent} ticks of CPU in five seconds", host.name());
        assert!(spent < 100, "{spent} of 500 ticks: {}", record(host));
        remount(host, "rw");
        assert_undone(host);
    });
}
