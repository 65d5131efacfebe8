//! A staged rollout over thirty hosts.

use crate::e2e_stage::{Said, Stage};
use snapback_testkit::lab::{HostKind, LabHost};

const FLEET: &str = "name = \"shop\"\n[hosts.\"app[01-30]\"]\n[confirm]\ntimeout = \"40s\"\nsettle = \"0s\"\n\
    [rollout]\ncanary = 1\nserial = [5, \"50%\", \"100%\"]\nmax_failures = 1\n\
    [[changes]]\nkind = \"files\"\nvalidate = \"test ! -e /etc/fragile\"\n\
    [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n";

/// Results by host, `app01` first.
fn results(said: &Said, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| said.ending(name).result).collect()
}

/// How many transactions a host has seen.
fn transactions(host: &LabHost) -> String {
    host.exec_sh("ls /var/lib/snapback/tx 2>/dev/null | wc -l").unwrap().trim().to_owned()
}

#[test]
fn a_change_that_breaks_every_third_host_stops_where_the_budget_says_and_retry_finishes_the_rest() {
    let stage = Stage::new("rollout");
    let names: Vec<String> = (1..=30).map(|number| format!("app{number:02}")).collect();
    let names: [&str; 30] = std::array::from_fn(|n| names[n].as_str());
    let hosts = stage.boot(HostKind::Plain, names);
    for host in hosts.iter().skip(2).step_by(3) {
        host.exec_sh(": >/etc/fragile").unwrap();
    }
    let said = stage.start(FLEET, &["--volatile-guard"]).end();
    assert_eq!(said.code, Some(6), "{said:#?}");
    let mut wanted = vec!["confirmed", "confirmed", "rolled_back", "confirmed", "confirmed", "rolled_back"];
    wanted.resize(30, "not_reached");
    assert_eq!(results(&said, &names), wanted);
    for (n, host) in hosts.iter().enumerate() {
        let new = host.exec_sh("cat /etc/shop/conf 2>/dev/null || echo old").unwrap();
        assert_eq!(new.trim(), if wanted[n] == "confirmed" { "after" } else { "old" }, "{}", host.name());
        assert_eq!(transactions(host), if n < 6 { "1" } else { "0" }, "{}", host.name());
    }

    for host in &hosts {
        host.exec_sh("rm -f /etc/fragile").unwrap();
    }
    let fleet = stage.fleet(FLEET);
    let again = stage.says(&["retry", &fleet, "--yes", "--volatile-guard", "--output", "json"]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    for (n, host) in hosts.iter().enumerate() {
        host.exec_sh("test \"$(cat /etc/shop/conf)\" = after").unwrap();
        let (first, both) = (n < 6 && wanted[n] == "confirmed", n < 6 && wanted[n] != "confirmed");
        assert_eq!(again.events(names[n], "host_finished").is_empty(), first, "{}", host.name());
        assert_eq!(transactions(host), if both { "2" } else { "1" }, "{}", host.name());
    }
    let history = stage.says(&["history", &fleet]);
    assert_eq!(history.out.lines().count(), 3, "{history:#?}");
    assert!(history.out.contains("24 not_reached"), "{history:#?}");
}
