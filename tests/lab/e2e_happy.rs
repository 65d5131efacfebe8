//! What goes well on a host with systemd.

use crate::e2e_stage::{LIMITS, Stage, assert_quiet};

fn shop(hosts: &str) -> String {
    format!(
        "{hosts}\n{LIMITS}\n[[changes]]\nname = \"config\"\nkind = \"files\"\nhandlers = [\"systemctl reload ssh\"]\n\
         [[changes.files]]\nsource = \"shop.conf\"\ndest = \"/etc/shop/shop.conf\"\n"
    )
}

#[test]
fn a_change_is_confirmed_and_nothing_of_the_guard_is_left() {
    let stage = Stage::new("happy");
    let [root, user] = stage.systemd(["app1", "app2"]);
    stage.file("shop.conf", "port = 8080\n");
    let fleet = shop("[hosts.app1]\n[hosts.app2]\nuser = \"deploy\"\n");
    let said = stage.run(&fleet);
    said.expect("app1", "confirmed", 0);
    said.expect("app2", "confirmed", 0);
    for host in [&root, &user] {
        assert_eq!(said.events(host.name(), "guard_armed")[0]["backend"], "systemd", "{said:#?}");
        assert_eq!(said.events(host.name(), "guard_armed")[0]["boot_hook"], "systemd");
        assert_eq!(host.exec_sh("cat /etc/shop/shop.conf").unwrap(), "port = 8080\n");
        assert_quiet(host);
    }
    let again = stage.run(&fleet);
    again.expect("app1", "unchanged", 0);
    again.expect("app2", "unchanged", 0);
}
