//! File systems that are odd: what works there, what is refused before anything is armed, and an undo that is exact.

use crate::e2e_stage::{Said, Stage, assert_quiet};
use snapback_testkit::lab::LabHost;

/// Limits for hosts on which nothing waits.
const LIMITS: &str = "[confirm]\ntimeout = \"8s\"\napply_timeout = \"20s\"\nsettle = \"0s\"\n";

/// A check that is red as soon as it is looked at: what was done is undone.
const RED: &str = "[[checks]]\nrun = \"false\"\nhealthy_deadline = \"1s\"\n";

fn files(entries: &[(&str, &str)]) -> String {
    let entry = |(dest, what): &(&str, &str)| format!("[[changes.files]]\n{what}\ndest = \"{dest}\"\n");
    format!(
        "[hosts.app1]\n{LIMITS}[[changes]]\nkind = \"files\"\n{}",
        entries.iter().map(entry).collect::<String>()
    )
}

const NEW: &str = r#"content = "new\n""#;

/// Everything there is to know of a tree, seen from inside the host: mounts and all.
fn describe(host: &LabHost, tree: &str) -> String {
    let script = format!(
        "find {tree} -type d -exec stat -c '%N %f %u %g %y' {{}} +; find {tree} ! -type d -exec stat -c '%N %f %u %g %h %s %y' {{}} +; find {tree} -type f -exec sha256sum {{}} +; \
         getfattr -Rhd -m - {tree} 2>/dev/null; getfacl -Rnp {tree} 2>/dev/null; lsattr -R {tree} 2>/dev/null | grep '^[^ ]*[ai][^ ]* '; grep -o ' {tree}[^ ]* ' /proc/self/mountinfo"
    );
    host.exec(&["sh", "-c", &script]).unwrap().stdout
}

/// It is undone, and the tree is as it was.
fn undone(stage: &Stage, host: &LabHost, fleet: &str, tree: &str) {
    let before = describe(host, tree);
    let said = stage.run(&format!("{fleet}{RED}"));
    said.expect("app1", "rolled_back", 1);
    assert_eq!(describe(host, tree), before, "{said:#?}");
    assert_quiet(host);
}

fn confirmed(stage: &Stage, host: &LabHost, fleet: &str) -> Said {
    let said = stage.run(fleet);
    said.expect("app1", "confirmed", 0);
    assert_quiet(host);
    said
}

/// It is refused with these words, nothing is armed and the tree is as it was.
fn refused(stage: &Stage, host: &LabHost, fleet: &str, tree: &str, words: &[&str]) {
    let before = describe(host, tree);
    let said = stage.run(fleet);
    let ending = said.expect("app1", "refused", 1);
    println!("{} / {}", ending.cause, ending.next);
    for word in words {
        assert!(ending.cause.contains(word), "{word}: {ending:?}");
    }
    assert!(said.events("app1", "guard_armed").is_empty(), "{said:#?}");
    assert_eq!(describe(host, tree), before);
}

#[test]
fn nothing_may_be_executed_from_tmp_or_from_the_state() {
    let stage = Stage::new("noexec");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh(
        "mkdir -p -m 0700 /var/lib/snapback; echo old >/etc/motd\n\
         for d in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o noexec,nosuid,nodev none $d; done\n\
         mount --bind /var/lib/snapback /var/lib/snapback; mount -o remount,bind,noexec /var/lib/snapback",
    )
    .unwrap();
    stage.file("apply.sh", "#!/bin/sh\necho applied >/etc/motd\n");
    let fleet = format!(
        "[hosts.app1]\n{LIMITS}[[changes]]\nkind = \"script\"\napply = {{ file = \"apply.sh\" }}\nwatch = [\"/etc/motd\"]\n"
    );
    undone(&stage, &host, &fleet, "/etc/motd");
    confirmed(&stage, &host, &fleet);
    assert_eq!(host.exec_sh("cat /etc/motd").unwrap(), "applied\n");
}

#[test]
fn what_is_read_only_is_refused_and_the_rest_goes_on() {
    let stage = Stage::new("readonly");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh("mount --bind /usr /usr; mount -o remount,bind,ro /usr; ln -s /usr/local /opt/local")
        .unwrap();
    for dest in ["/usr/local/etc/shop/new/conf", "/usr/bin/id", "/opt/local/shop"] {
        refused(
            &stage,
            &host,
            &files(&[("/etc/shop/a", NEW), (dest, NEW)]),
            "/etc/shop",
            &[dest, "read-only", "/usr"],
        );
    }
    undone(&stage, &host, &files(&[("/etc/shop/a", NEW)]), "/etc/shop");
    confirmed(&stage, &host, &files(&[("/etc/shop/a", NEW)]));
    // The state itself: it may lie elsewhere.
    host.exec_sh("mount --bind /var/lib /var/lib; mount -o remount,bind,ro /var/lib").unwrap();
    let fleet = files(&[("/etc/shop/b", NEW)]);
    refused(&stage, &host, &fleet, "/etc/shop", &["could not be unpacked", "/var/lib"]);
    assert!(stage.run(&fleet).ending("app1").next.contains("mkdir -p /etc/snapback/state"));
    host.exec_sh("mkdir -p /etc/snapback/state").unwrap();
    undone(&stage, &host, &fleet, "/etc/shop");
    confirmed(&stage, &host, &fleet);
}

#[test]
fn etc_may_be_an_overlay_with_labels_and_lists_of_its_own() {
    let stage = Stage::new("overlay");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh(
        "mkdir -p /etc/shop /run/over; for f in a b c; do echo old $f >/etc/shop/$f; done\n\
         mount -t tmpfs none /run/over; mkdir /run/over/up /run/over/work\n\
         mount -t overlay -o lowerdir=/etc,upperdir=/run/over/up,workdir=/run/over/work overlay /etc\n\
         setfattr -n security.selinux -v system_u:object_r:etc_t:s0 /etc/shop /etc/shop/a /etc/shop/b\n\
         setfattr -n user.note -v kept /etc/shop/a; setfacl -m u:deploy:r /etc/shop/b; setfacl -d -m u:deploy:rx /etc/shop\n\
         ln /etc/shop/b /etc/shop/b2",
    )
    .unwrap();
    let two = files(&[("/etc/shop/a", NEW), ("/etc/shop/b", NEW), ("/etc/shop/new/d", NEW)]);
    // The state lies on another file system, so that the second name would be lost.
    refused(&stage, &host, &two, "/etc/shop", &["/etc/shop/b has other names", "/etc/snapback/state"]);
    host.exec_sh("rm /etc/shop/b2").unwrap();
    undone(&stage, &host, &two, "/etc/shop");
    let script = format!(
        "[hosts.app1]\n{LIMITS}[[changes]]\nkind = \"script\"\nwatch = [\"/etc/shop\"]\n\
         apply = \"cd /etc/shop; echo x >>a; setfattr -x security.selinux b; setfacl -b b; rm c; mkdir e; chcon 2>/dev/null || :\"\n"
    );
    undone(&stage, &host, &script, "/etc/shop");
    confirmed(&stage, &host, &two);
    assert_eq!(host.exec_sh("cat /etc/shop/a /etc/shop/new/d").unwrap(), "new\nnew\n");
}

#[test]
fn a_file_that_is_a_mount_point_is_written_in_place_and_the_plan_says_so() {
    let stage = Stage::new("bindfile");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh(
        "mkdir -p /etc/shop /srv/real; echo beside >/etc/shop/beside; echo 'a long old text' >/srv/real/conf; : >/etc/shop/conf\n\
         chmod 640 /srv/real/conf; setfattr -n user.note -v kept /srv/real/conf; mount --bind /srv/real/conf /etc/shop/conf",
    )
    .unwrap();
    let fleet = files(&[("/etc/shop/beside", NEW), ("/etc/shop/conf", NEW)]);
    let plan = stage.says(&["plan", &stage.fleet(&fleet)]);
    assert!(plan.out.contains("/etc/shop/conf is a mount point"), "{plan:#?}");
    undone(&stage, &host, &fleet, "/etc/shop");
    refused(
        &stage,
        &host,
        &files(&[("/etc/shop/conf", "symlink_to = \"beside\"")]),
        "/etc/shop",
        &["/etc/shop/conf is a mount point"],
    );
    stage.file("empty/beside", "new\n");
    let purge = files(&[("/etc/shop/", "source = \"empty/\"\npurge = true")]);
    refused(&stage, &host, &purge, "/etc/shop", &["/etc/shop/conf is a mount point"]);
    confirmed(&stage, &host, &fleet);
    assert_eq!(
        host.exec_sh("cat /srv/real/conf /etc/shop/beside; mountpoint -q /etc/shop/conf").unwrap(),
        "new\nnew\n"
    );
}

#[test]
fn what_is_no_longer_mounted_is_told_as_broken_and_nothing_is_written_below_its_mount_point() {
    let stage = Stage::new("unmounted");
    let host = stage.lab.plain_host("app1").unwrap();
    host.exec_sh("mkdir -p /srv/disk /srv/shop; echo old >/srv/disk/conf; mount --bind /srv/disk /srv/shop")
        .unwrap();
    let fleet = format!(
        "{}[[changes]]\nname = \"gone\"\nkind = \"script\"\napply = \"umount /srv/shop; false\"\nrollback = \"true\"\n",
        files(&[("/srv/shop/conf", NEW), ("/srv/shop/added", NEW)])
    );
    let said = stage.start(&fleet, &["--volatile-guard"]).end();
    let ending = said.expect("app1", "rollback_failed", 3);
    assert!(ending.state.contains("/srv/shop/conf: unmounted"), "{ending:?}");
    host.exec_sh("test -z \"$(ls -A /srv/shop)\"; mount --bind /srv/disk /srv/shop").unwrap();
    let said = stage.says(&["rollback", &stage.fleet(&fleet), "--yes"]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert_eq!(host.exec_sh("cd /srv/disk; cat *; ls").unwrap(), "old\nconf\n");
}

#[test]
fn what_is_immutable_is_refused_with_the_command_that_mends_it() {
    let stage = Stage::new("immutable");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh("mkdir -p /etc/shop/locked /etc/log; for f in shop/conf shop/locked/in log/only; do echo old >/etc/$f; done").unwrap();
    for (flag, path, dest) in [
        ("i", "/etc/shop/conf", "/etc/shop/conf"),
        ("a", "/etc/log/only", "/etc/log/only"),
        ("i", "/etc/shop/locked", "/etc/shop/locked/in"),
        ("i", "/etc/shop/locked", "/etc/shop/locked/new/below"),
    ] {
        host.exec_sh(&format!("chattr +{flag} {path}")).unwrap();
        let fleet = files(&[("/etc/shop/before", NEW), (dest, NEW)]);
        refused(&stage, &host, &fleet, "/etc/shop", &[path, &format!("chattr -{flag} {path}")]);
        host.exec_sh(&format!("chattr -{flag} {path}")).unwrap();
    }
    confirmed(&stage, &host, &files(&[("/etc/shop/conf", NEW), ("/etc/shop/locked/in", NEW)]));
    // A script may deal with flags itself: what it watches gets them back, or loses those that it brought.
    host.exec_sh("cd /etc/shop; echo log >log; echo free >free; chattr +i conf locked; chattr +a log")
        .unwrap();
    let script = format!(
        "[hosts.app1]\n{LIMITS}[[changes]]\nkind = \"script\"\nwatch = [\"/etc/shop\"]\napply = \"cd /etc/shop; chattr -i conf locked; \
         echo x >conf; rm -r locked; chattr -a log; echo y >free; echo z >brought; chattr +i free brought\"\n"
    );
    undone(&stage, &host, &script, "/etc/shop");
    confirmed(&stage, &host, &script);
    assert_eq!(host.exec_sh("cd /etc/shop; cat free; lsattr free | cut -c5").unwrap(), "y\ni\n");
    host.exec_sh("chattr -i /etc/shop/free /etc/shop/brought").unwrap();
}

/// What an NFS server with `root_squash` means to a home: the user reads it, root doesn't.
#[test]
fn a_home_that_root_may_not_read_is_not_needed() {
    let stage = Stage::new("squash");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh(
        "chmod -R go= /home/deploy; mkdir -p /etc/systemd/system/ssh.service.d\n\
         printf '[Service]\\nCapabilityBoundingSet=~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH\\n' >/etc/systemd/system/ssh.service.d/squash.conf\n\
         systemctl daemon-reload; systemctl restart ssh",
    )
    .unwrap();
    let denied = stage.ssh(&["deploy@app1", "sudo -n ls -a /home/deploy"]);
    assert!(denied.err.contains("Permission denied"), "{denied:#?}");
    let fleet = files(&[("/etc/shop/a", NEW)]).replace("[hosts.app1]", "[hosts.app1]\nuser = \"deploy\"");
    undone(&stage, &host, &fleet, "/etc/shop");
    let said = confirmed(&stage, &host, &fleet);
    assert!(!said.out.contains("getcwd"), "{said:#?}");
}
