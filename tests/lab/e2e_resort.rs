//! The last resort: an undo that fails reboots its host, once; and one that has no room left puts no half file in place.

use crate::e2e_stage::{Stage, record, wait_for};
use snapback_testkit::lab::HostKind;

const BOOT: &str = "/proc/sys/kernel/random/boot_id";

#[test]
fn a_failed_undo_reboots_once_and_goes_on_at_boot() {
    let stage = Stage::new("resort");
    let [mended, stuck] = stage.systemd(["mended", "stuck"]);
    let boots = [&mended, &stuck].map(|host| host.exec_sh(&format!("cat {BOOT}")).unwrap());
    let said = stage.run(&format!(
        "[hosts.mended]\nconnect_timeout = \"2s\"\n[hosts.stuck]\nconnect_timeout = \"2s\"\n\
         [confirm]\ntimeout = \"10s\"\napply_timeout = \"10s\"\nsettle = \"0s\"\nfailsafe_reboot = true\n\
         [[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/motd\"\n\
         [[changes]]\nname = \"wedge\"\nkind = \"script\"\ntimeout = \"5s\"\napply = \"cat {BOOT} >/root/boot\"\n\
         rollback = '''test \"$(uname -n)\" = mended && ! cmp -s {BOOT} /root/boot'''\n\
         [[checks]]\nrun = \"false\"\nhealthy_deadline = \"1s\"\n"
    ));
    said.expect("mended", "rolled_back", 3);
    let ending = said.expect("stuck", "rollback_failed", 3);
    assert!(ending.state.contains("wedge: rollback: exit status 1"), "{ending:?}");
    assert!(ending.state.contains("reboot: the host was started again, and that did not help"), "{ending:?}");
    for (host, before) in [&mended, &stuck].into_iter().zip(boots) {
        let now = host.exec_sh(&format!("cat {BOOT}")).unwrap();
        assert_ne!(now, before, "{}", record(host));
        assert!(!host.exec_sh("cat /etc/motd").unwrap().contains("after"), "{}", record(host));
        // Once: it doesn't go on rebooting.
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert_eq!(host.exec_sh(&format!("cat {BOOT}")).unwrap(), now, "{}", record(host));
    }
    println!("two undos, a reboot each: {:?}", said.took);
}

#[test]
fn a_disk_that_is_full_when_the_undo_begins_puts_no_half_file_in_place() {
    let stage = Stage::new("nohalf");
    let host = stage.lab.host("app1").kind(HostKind::Systemd).small_state_disk(24).boot().unwrap();
    // More than the reserve, so that the copies don't fit.
    host.exec_sh("head -c 3000000 /dev/urandom >/etc/big; sha256sum /etc/big >/root/sum; stat -c '%a %Y' /etc/big >/root/stat").unwrap();
    let running = stage.start(
        "[hosts.app1]\n[confirm]\ntimeout = \"20s\"\napply_timeout = \"10s\"\nsettle = \"0s\"\n\
         [[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/big\"\n\
         [[checks]]\nrun = \"! test -e /root/full\"\nmin_healthy_time = \"8s\"\nhealthy_deadline = \"15s\"\n",
        &[],
    );
    wait_for(&host, 20, "test $(wc -c </etc/big) = 6");
    host.fill_disk("/var/lib/snapback").unwrap();
    host.exec_sh("touch /root/full").unwrap();
    running.end().expect("app1", "rolled_back", 1);
    host.exec_sh("sha256sum -c --status /root/sum && stat -c '%a %Y' /etc/big | cmp - /root/stat").unwrap();
    host.exec_sh("! ls -A /etc | grep snapback").unwrap();
}
