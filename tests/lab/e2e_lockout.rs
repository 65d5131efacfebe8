//! The promise itself: a change that locks everybody out is undone by the host alone, in time, and whole.

use crate::e2e_stage::{LIMITS, Stage, assert_quiet, wait_for};
use snapback_testkit::lab::LabHost;

/// What stood there before: a rule set with a counter-free rule, so that two listings can be compared.
const OPEN: &str = "flush ruleset\ntable inet shop {\n\tchain input {\n\t\ttype filter hook input priority 0\n\t\t\
                    tcp dport 8080 drop\n\t}\n}\n";

/// What is pushed: the connection that pushes it lives on, and nobody else gets in.
const SHUT: &str = "flush ruleset\ntable inet shop {\n\tchain input {\n\t\ttype filter hook input priority 0\n\t\t\
                    ct state established accept\n\t\ttcp dport 22 drop\n\t}\n}\n";

fn prepare(host: &LabHost) {
    host.exec_sh("mkdir -p /etc/shop; echo before >/etc/shop/note").unwrap();
    host.exec_with_input(&["tee", "/etc/nftables.conf"], OPEN).unwrap();
    host.exec_sh("chmod 0755 /etc/nftables.conf; touch -d 2021-02-03T04:05:06.123456789Z /etc/nftables.conf")
        .unwrap();
    host.exec_sh("nft -f /etc/nftables.conf").unwrap();
}

/// Writes down, on the host, when the old rules were back: in hundredths of a second since boot.
fn watch_rules(host: &LabHost) -> std::process::Child {
    let script = "until nft list ruleset | grep -q 'dport 22'; do sleep 0.02; done\n\
                  while nft list ruleset | grep -q 'dport 22'; do sleep 0.02; done\n\
                  sed 's/ .*//; s/[.]//' /proc/uptime >/run/back-at";
    host.command(&["sh", "-c", script]).unwrap().spawn().unwrap()
}

/// How late the old rules were, in hundredths of a second, by the host's clock and the record of its apply.
fn lateness(host: &LabHost, window: i64) -> i64 {
    let back: i64 = wait_for(host, 5, "cat /run/back-at").trim().parse().unwrap();
    let applied =
        host.exec_sh("cd /var/lib/snapback/tx; for t in *; do :; done; head -n 1 $t/applied").unwrap();
    back - applied.trim().parse::<i64>().unwrap() - window * 100
}

fn undone(stage: &Stage, host: &LabHost, fleet: &str) {
    // The boot hook is installed by the first run and stays: it is no part of what this compares.
    stage
        .run(&format!(
            "[hosts.{0}]\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"script\"\n\
                        apply = \"true\"\nrollback = \"true\"\n",
            host.name()
        ))
        .expect(host.name(), "confirmed", 0);
    assert_quiet(host);
    let look = || host.tree_digest(&["/etc", "/root", "/usr/local"]).unwrap();
    let rules = || host.exec_sh("nft -s list ruleset").unwrap();
    let (before, rules_before) = (look(), rules());
    let mut watcher = watch_rules(host);
    let said = stage.run(fleet);
    let ending = said.expect(host.name(), "rolled_back", 1);
    assert!(!said.events(host.name(), "confirm_failed").is_empty(), "the fresh connection got in: {said:#?}");
    assert!(ending.state.contains("the old state is back, verified"), "{ending:?}");
    assert!(watcher.wait().unwrap().success());
    let late = lateness(host, 6);
    println!("{}: the old rules were back {late}0 ms after the deadline; {}", host.name(), ending.state);
    assert!((0..=100).contains(&late), "{late} hundredths late: {said:#?}");
    assert_eq!(before.differences(&look()), Vec::<String>::new());
    assert_eq!(rules(), rules_before);
    assert_quiet(host);
}

#[test]
fn a_lock_out_by_a_file_and_its_handler_is_undone_in_time() {
    let stage = Stage::new("lockfile");
    let [host] = stage.systemd(["app1"]);
    prepare(&host);
    stage.file("nftables.conf", SHUT);
    let fleet = format!(
        "[hosts.app1]\nconnect_timeout = \"2s\"\n{LIMITS}\n[[changes]]\nkind = \"files\"\n\
         handlers = [\"nft -f /etc/nftables.conf\"]\n\
         [[changes.files]]\nsource = \"nftables.conf\"\ndest = \"/etc/nftables.conf\"\nmode = \"0755\"\n\
         [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/new/note\"\n"
    );
    undone(&stage, &host, &fleet);
}

#[test]
fn a_lock_out_by_a_script_is_undone_in_time() {
    let stage = Stage::new("lockscript");
    let [host] = stage.systemd(["app1"]);
    prepare(&host);
    stage.file("shut.nft", SHUT);
    stage.file(
        "shut.sh",
        &format!("#!/bin/sh\nset -e\necho after >/etc/shop/note\nnft -f - <<'RULES'\n{SHUT}RULES\n"),
    );
    let fleet = format!(
        "[hosts.app1]\nconnect_timeout = \"2s\"\n{LIMITS}\n[[changes]]\nkind = \"script\"\nwatch = [\"/etc/shop\"]\n\
         apply = {{ file = \"shut.sh\" }}\nrollback = \"nft -f /etc/nftables.conf\"\n"
    );
    undone(&stage, &host, &fleet);
}
