//! Many hosts at once.

use crate::e2e_stage::{Running, Stage};
use snapback_testkit::lab::HostKind;
use std::time::{Duration, Instant};

#[test]
fn twenty_hosts_in_one_batch_do_not_wait_for_the_one_that_is_gone() {
    let stage = Stage::new("batch");
    let names: Vec<String> = (1..=20).map(|number| format!("app{number:02}")).collect();
    let begun = Instant::now();
    let names: [&str; 20] = std::array::from_fn(|n| names[n].as_str());
    let hosts = stage.boot(HostKind::Plain, names);
    println!("20 plain hosts in {} ms", begun.elapsed().as_millis());
    hosts[6].blackhole().unwrap();
    let fleet = "[hosts.\"app[01-20]\"]\nconnect_timeout = \"3s\"\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"files\"\n\
                 [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n";
    let run: Running = stage.start(fleet, &["--volatile-guard"]);
    let said = run.end();
    println!("20 hosts, one gone: {} ms", said.took.as_millis());
    for (n, name) in names.iter().enumerate() {
        let ending = said.ending(name);
        let wanted = if n == 6 { "unreachable" } else { "confirmed" };
        assert_eq!(ending.result, wanted, "{name}: {ending:?}");
    }
    assert_eq!(said.code, Some(4));
    assert!(said.ending("app07").state.contains("untouched"), "{said:#?}");
    assert!(said.took < Duration::from_secs(15), "{:?}", said.took);
    hosts[6].exec_sh("test ! -e /etc/shop && test ! -e /var/lib/snapback").unwrap();
    hosts[19].exec_sh("test \"$(cat /etc/shop/conf)\" = after").unwrap();
}
