//! A confirmed host is being undone because another one failed, when its controller dies and its power goes.

use crate::e2e_stage::{Stage, assert_quiet, wait_for};
use snapback_testkit::lab::HostKind;

/// Two hosts, the second of which fails; undoing the script of the first takes its time, once.
const FLEET: &str = "name = \"shop\"\n[hosts.app1]\nconnect_timeout = \"2s\"\n[hosts.app2]\n\
    [confirm]\ntimeout = \"40s\"\napply_timeout = \"30s\"\nsettle = \"0s\"\n\
    [rollout]\ncanary = 1\nrollback_scope = \"run\"\n\
    [[changes]]\nkind = \"files\"\nvalidate = \"test ! -e /etc/fragile\"\nhandlers = [\"cat /etc/shop/conf >>/etc/shop/handled\"]\n\
    [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n\
    [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/added\"\n\
    [[changes]]\nkind = \"script\"\non = \"app1\"\napply = \"echo all >/etc/shop/by-script\"\n\
    rollback = \"touch /run/reverting; test -e /run/swift || sleep 25; echo none >/etc/shop/by-script\"\n";

const LOOK: &str = "cat /etc/shop/conf /etc/shop/by-script; test ! -e /etc/shop/added || echo added";

#[test]
fn a_host_whose_controller_dies_and_whose_power_goes_while_it_is_undone_is_wholly_new_and_then_wholly_old() {
    let stage = Stage::new("undone");
    let (app1, app2) = std::thread::scope(|scope| {
        let plain = scope.spawn(|| stage.boot(HostKind::Plain, ["app2"]));
        let [app1] = stage.systemd(["app1"]);
        let [app2] = plain.join().unwrap();
        (app1, app2)
    });
    for host in [&app1, &app2] {
        host.exec_sh("mkdir -p /etc/shop; echo before >/etc/shop/conf; echo none >/etc/shop/by-script")
            .unwrap();
    }
    app2.exec_sh(": >/etc/fragile").unwrap();

    let mut run = stage.start(FLEET, &["--volatile-guard"]);
    wait_for(&app1, 40, "test -e /run/reverting");
    assert_eq!(app1.exec_sh(LOOK).unwrap(), "before\nall\n", "half undone");
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    app1.power_cut().unwrap();
    app1.start().unwrap();
    // Nobody confirmed that it went back, so it is as the run had confirmed it.
    wait_for(&app1, 40, "test ! -e /var/lib/snapback/current");
    assert_eq!(app1.exec_sh(LOOK).unwrap(), "after\nall\nadded\n");
    assert_quiet(&app1);

    app1.exec_sh("touch /run/swift").unwrap();
    let fleet = stage.fleet(FLEET);
    let said = stage.says(&["resume", &fleet, "--yes", "--volatile-guard", "--output", "json"]);
    let ending = said.expect("app1", "rolled_back", 1);
    assert_eq!(ending.cause, "undone because app2 failed");
    assert_eq!(app1.exec_sh(LOOK).unwrap(), "before\nnone\n");
    assert_quiet(&app1);
    assert_eq!(
        app1.exec_sh("tail -n 1 /etc/shop/handled").unwrap(),
        "before\n",
        "its handler has run as well"
    );
    assert_eq!(app2.exec_sh("cat /etc/shop/conf").unwrap(), "before\n");
}
