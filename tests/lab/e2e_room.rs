//! Hosts without room for what a run would need: known before the first change on any of them.

use crate::e2e_stage::Stage;
use snapback_testkit::lab::{HostKind, LabHost};

const FLEET: &str = "name = \"shop\"\n[hosts.wide]\n[hosts.narrow]\n[confirm]\ntimeout = \"20s\"\nsettle = \"0s\"\n\
    [rollout]\ncanary = 1\n";

fn transactions(host: &LabHost) -> String {
    host.exec_sh("ls /var/lib/snapback/tx 2>/dev/null | wc -l").unwrap().trim().to_owned()
}

#[test]
fn a_host_without_room_for_the_new_the_old_or_the_number_of_files_stops_a_staged_run_before_its_first_change()
{
    let stage = Stage::new("room");
    let [wide] = stage.boot(HostKind::Plain, ["wide"]);
    let narrow = stage.lab.host("narrow").kind(HostKind::Plain).small_state_disk(24).boot().unwrap();
    let refused = |changes: &str, why: &str| {
        let said = stage.start(&format!("{FLEET}{changes}"), &["--volatile-guard"]).end();
        assert_eq!(said.code, Some(1), "{said:#?}");
        let ending = said.ending("narrow");
        assert_eq!((ending.result.as_str(), said.ending("wide").result.as_str()), ("refused", "not_reached"));
        assert!(ending.cause.contains(why), "{ending:?}");
        assert_eq!([transactions(&wide), transactions(&narrow)], ["0", "0"]);
    };
    let bulk = vec![b'x'; 26 << 20];
    stage.file("bulk", std::str::from_utf8(&bulk).unwrap());
    let new = "[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"bulk\"\ndest = \"/srv/bulk\"\n";
    refused(new, "KiB are needed in /var/lib/snapback to stage the change and to keep what it replaces");
    for host in [&wide, &narrow] {
        host.exec_sh("mkdir -p /srv/watched; head -c 27000000 /dev/zero | tr '\\0' x >/srv/watched/data")
            .unwrap();
    }
    let watched = "[[changes]]\nkind = \"script\"\nwatch = [\"/srv/watched\"]\napply = \"true\"\n";
    refused(watched, "KiB are needed");
    let small =
        "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"new\\n\"\ndest = \"/etc/shop/conf\"\n";
    narrow
        .exec_sh("mkdir /var/lib/snapback/full && cd /var/lib/snapback/full && { seq 99999 | xargs touch 2>/dev/null; true; } && rm ? [1-5]?")
        .unwrap();
    refused(small, "files are needed in /var/lib/snapback");
    narrow.exec_sh("rm -r /var/lib/snapback/full").unwrap();
    let said = stage.start(&format!("{FLEET}{small}"), &["--volatile-guard"]).end();
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert_eq!([transactions(&wide), transactions(&narrow)], ["1", "1"]);
}
