//! Power that goes with what was not synced, a kernel that panics, a root file system that comes up read-only.

use crate::stage::{Stage, WAITS};

/// What the first connection after a crash sees, and that the hook had ended before sshd was started.
fn assert_old_before_sshd(stage: &Stage) {
    assert_eq!(stage.files(), "before\nbefore\n", "{}", stage.record());
    let stamp = |unit: &str, which: &str| -> u64 {
        stage.sh(&format!("systemctl show -P {which} {unit}")).trim().parse().unwrap()
    };
    let hook = stamp("snapback-boot-mounted", "ExecMainExitTimestampMonotonic");
    let ssh = stamp("ssh", "ExecMainStartTimestampMonotonic");
    assert!(0 < hook && hook < ssh, "{hook} {ssh}: {}", stage.record());
}

#[test]
fn a_power_cut_with_lost_writes_leaves_all_old_or_all_new_and_a_panic_comes_back_undone() {
    let mut stage = Stage::new();

    // Whatever was not synced is lost. Nothing was confirmed: all old.
    let run = stage.start(90, "true", WAITS);
    stage.wait_until_ready(&run);
    stage.vm.power_cut();
    stage.vm.boot().unwrap();
    assert_old_before_sshd(&stage);
    stage.go();
    stage.expect(run, "rolled_back", 1);

    // Confirmed, and the power goes the moment `deploy` has said so: all new, and it stays.
    let run = stage.start(90, "true", WAITS);
    stage.expect(run, "confirmed", 0);
    stage.vm.power_cut();
    stage.vm.boot().unwrap();
    assert_eq!(stage.files(), "after\nafter\nadded\n", "{}", stage.record());
    assert_eq!(stage.sh("cat /proc/sys/kernel/panic; test ! -e /var/lib/snapback/current"), "0\n");

    // A kernel that panics would stay there for ever: while armed it starts again, and the hook undoes.
    std::fs::remove_file(stage.vm.dir().join("go")).unwrap();
    stage.sh("cd /etc/shop && echo before >conf && echo before >other && rm added && sync");
    let run = stage.start(90, "true", WAITS);
    stage.wait_until_ready(&run);
    assert_eq!(stage.sh("cat /proc/sys/kernel/panic"), "10\n");
    let boot = stage.sh("cat /proc/sys/kernel/random/boot_id");
    stage.sh("echo 1 >/proc/sys/kernel/sysrq; (sleep 0.5; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 </dev/null & true");
    stage.wait_for(120, &format!("test $(cat /proc/sys/kernel/random/boot_id) != {}", boot.trim()));
    assert_old_before_sshd(&stage);
    stage.go();
    stage.expect(run, "rolled_back", 1);
    assert_eq!(stage.sh("cat /proc/sys/kernel/panic"), "0\n");
}

#[test]
fn a_root_file_system_that_comes_up_read_only_is_undone_all_the_same() {
    let mut stage = Stage::new();
    // The change itself makes the root file system read-only at the next boot.
    let fstab = "echo '/dev/nvme0n1 / ext4 ro 0 0' >/etc/fstab";
    let watch = format!(
        "[[changes]]\nname = \"fstab\"\nkind = \"script\"\napply = \"{fstab}\"\nwatch = [\"/etc/fstab\"]\n{WAITS}"
    );
    let run = stage.start(90, "true", &watch);
    stage.wait_until_ready(&run);
    stage.vm.power_cut();
    stage.vm.boot().unwrap();
    assert_old_before_sshd(&stage);
    assert_eq!(stage.sh("cat /etc/fstab"), "/dev/nvme0n1 / ext4 rw 0 0\n");
    stage.go();
    stage.expect(run, "rolled_back", 1);
    // And the boot after that is as the old fstab says.
    stage.sh("sync");
    stage.vm.power_cut();
    stage.vm.boot().unwrap();
    stage.sh("touch /etc/shop/writable");
}
