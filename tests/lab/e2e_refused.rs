//! What is refused before anything is armed, and what somebody else has put in our way.

use crate::e2e_stage::{Said, Stage, assert_quiet, record, wait_for};
use snapback_testkit::lab::{HostKind, LabHost};

fn fleet(host: &str, login: &str) -> String {
    format!(
        "[hosts.{host}]\nuser = \"{login}\"\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"files\"\n\
         [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n"
    )
}

fn assert_untouched(host: &LabHost, said: &Said) {
    host.exec_sh("test ! -e /etc/shop; ! systemctl list-units --plain --no-legend 'snapback-*' | grep .")
        .unwrap();
    assert!(said.events(host.name(), "guard_armed").is_empty(), "{said:#?}");
}

#[test]
fn a_full_state_disk_is_refused_before_arming() {
    let stage = Stage::new("full");
    let host = stage.lab.host("app1").kind(HostKind::Systemd).small_state_disk(16).boot().unwrap();
    let state = "/var/lib/snapback";
    // Room for the agent, not for the guard.
    host.exec_sh(&format!(
        "free=$(df -Pk {state} | awk 'NR == 2 {{ print $4 }}')\n\
         dd if=/dev/zero of={state}/.filler bs=1k count=$((free - 900)) 2>/dev/null"
    ))
    .unwrap();
    let said = stage.run(&fleet("app1", "root"));
    let ending = said.expect("app1", "refused", 1);
    println!("{}", ending.cause);
    let numbers: Vec<u64> = ending.cause.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [needed, free] if needed >= 1024 && free < needed), "{ending:?}");
    assert!(!ending.next.is_empty(), "{ending:?}");
    assert_untouched(&host, &said);
    // No room for anything at all.
    host.fill_disk(&format!("{state}/agent")).unwrap();
    let said = stage.run(&fleet("app1", "root"));
    let ending = said.expect("app1", "refused", 1);
    println!("{}", ending.cause);
    assert!(ending.next.contains("space"), "{ending:?}");
    assert_untouched(&host, &said);
    host.exec_sh(&format!("rm {state}/.filler {state}/agent/.filler")).unwrap();
    stage.run(&fleet("app1", "root")).expect("app1", "confirmed", 0);
    assert_quiet(&host);
}

#[test]
fn a_user_without_sudo_is_refused_with_the_mend() {
    let stage = Stage::new("nosudo");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh("rm /etc/sudoers.d/deploy").unwrap();
    let said = stage.run(&fleet("app1", "deploy"));
    let ending = said.expect("app1", "refused", 1);
    println!("{} / {}", ending.cause, ending.next);
    assert!(ending.cause.contains("uid 1000") && ending.cause.contains("sudo -n"), "{ending:?}");
    assert!(ending.next.contains("connect as root"), "{ending:?}");
    assert_untouched(&host, &said);
    host.exec_sh("test ! -e /var/lib/snapback").unwrap();
}

#[test]
fn what_somebody_put_in_place_of_the_lock_is_refused_and_left_alone() {
    let stage = Stage::new("lock");
    let [host] = stage.systemd(["app1"]);
    let state = "/var/lib/snapback";
    host.exec_sh(&format!("mkdir -p -m 0700 {state}; echo theirs >/etc/theirs")).unwrap();
    for obstacle in [
        "mkdir current",
        "ln -s /etc/theirs current",
        "ln -s /nowhere current",
        "ln -s /etc current",
        "mkfifo current",
    ] {
        host.exec_sh(&format!("cd {state}; {obstacle}")).unwrap();
        let said = stage.run(&fleet("app1", "root"));
        let ending = said.ending("app1");
        println!("{obstacle}: {} {}", ending.result, ending.cause);
        assert_eq!(ending.result, "refused", "{obstacle}: {said:#?}\n{}", record(&host));
        assert!(ending.cause.contains("current"), "{obstacle}: {ending:?}");
        assert_untouched(&host, &said);
        let left = host.exec_sh(&format!("cat /etc/theirs; ls -A {state}/current 2>/dev/null | grep -x lock || true; ls -d {state}/current; rm -rf {state}/current; test ! -e /etc/lock")).unwrap();
        assert_eq!(left, format!("theirs\n{state}/current\n"), "{obstacle}");
    }
    stage.run(&fleet("app1", "root")).expect("app1", "confirmed", 0);
}

#[test]
fn a_forged_turn_is_never_a_confirmation() {
    let stage = Stage::new("turn");
    for (name, forgery) in [
        ("garbage", "echo garbage >turn.1"),
        ("empty", ": >turn.1"),
        ("folder", "mkdir turn.1"),
        ("symlink", "echo confirm 1:1 >/run/c; ln -s /run/c turn.1"),
    ] {
        let host = stage.lab.systemd_host(name).unwrap();
        let run = stage.start(
            &format!(
                "{}[[checks]]\nname = \"go\"\nwhere = \"local\"\nrun = \"until test -e go-{name}; do sleep 0.1; done\"\ntimeout = \"20s\"\n",
                fleet(name, "root")
            ),
            &[],
        );
        let ready = "cd /var/lib/snapback/tx/* && test -e ready";
        wait_for(&host, 15, ready);
        host.exec_sh(&format!("cd /var/lib/snapback/tx/*; {forgery}")).unwrap();
        stage.file(&format!("go-{name}"), "");
        run.end().expect(name, "rolled_back", 1);
        host.exec_sh("test ! -e /etc/shop").unwrap();
        assert_quiet(&host);
    }
}
