//! What a host's root shows from outside, and disks that are too small.

use snapback_testkit::lab::{Lab, LabHost, TreeDigest};

fn look(host: &LabHost) -> TreeDigest {
    host.tree_digest(&["/etc/shop", "/etc/absent"]).unwrap()
}

/// Runs a script and returns the lines by which the tree differs from before.
fn changed_by(host: &LabHost, script: &str) -> Vec<String> {
    let before = look(host);
    host.exec_sh(script).unwrap();
    before.differences(&look(host))
}

#[test]
fn a_digest_notices_every_sort_of_change() {
    let lab = Lab::new("digest").unwrap();
    let host = lab.plain_host("a").unwrap();
    host.exec_sh("mkdir /etc/shop; echo one >/etc/shop/conf; ln -s conf /etc/shop/link").unwrap();
    assert_eq!(changed_by(&host, "cat /etc/shop/conf"), Vec::<String>::new());
    for (script, sign) in [
        ("touch -d '2020-01-01 00:00:00.123456789Z' /etc/shop/conf", "mtime=1577836800.123456789"),
        ("chmod 4750 /etc/shop/conf", "mode=4750"),
        ("chown 12:34 /etc/shop/conf", "owner=12:34"),
        ("setfattr -n user.note -v x /etc/shop/conf", "user.note=78"),
        ("setfacl -m u:deploy:r /etc/shop/conf", "system.posix_acl_access="),
        ("setcap cap_net_raw+ep /etc/shop/conf", "security.capability="),
        ("echo two >>/etc/shop/conf", "size=8"),
        ("ln -sfn elsewhere /etc/shop/link", "target=elsewhere"),
        ("mkfifo /etc/absent", "fifo"),
    ] {
        let lines = changed_by(&host, script);
        assert!(lines.iter().any(|line| line.contains(sign)), "{script}: {lines:?}");
    }
}

#[test]
fn an_undone_change_leaves_no_difference() {
    let lab = Lab::new("undone").unwrap();
    let host = lab.plain_host("a").unwrap();
    host.exec_sh("mkdir /etc/shop; echo one >/etc/shop/conf; cp -a /etc/shop /root/saved").unwrap();
    let before = look(&host);
    host.exec_sh("echo two >/etc/shop/conf; rm -rf /etc/shop; cp -a /root/saved /etc/shop").unwrap();
    assert_eq!(before.differences(&look(&host)), Vec::<String>::new());
}

#[test]
fn a_small_state_disk_fills_up_and_the_root_does_not() {
    let lab = Lab::new("full").unwrap();
    let host = lab.host("a").small_state_disk(24).boot().unwrap();
    host.fill_disk("/var/lib/snapback").unwrap();
    let write =
        |path: &str| host.exec(&["dd", "if=/dev/zero", "bs=64k", "count=4", &format!("of={path}")]).unwrap();
    assert!(write("/var/lib/snapback/x").stderr.contains("No space left"));
    assert!(write("/var/lib/x").success());
    host.free_disk("/var/lib/snapback").unwrap();
    assert!(write("/var/lib/snapback/x").success());
    host.power_cut().unwrap();
    host.boot().unwrap();
    host.exec_sh("test -s /var/lib/snapback/x").unwrap();
}
