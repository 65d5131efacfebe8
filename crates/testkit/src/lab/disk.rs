//! A host's root: an overlay on the shared tree, with its own layer on a real file system.

use super::error::LabError;
use super::image::ensure_image;
use super::kind::HostKind;
use super::paths::{HostPaths, make_dir, read, write};
use super::program::run;
use super::start::StateDisk;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Mounts the root of a host.
pub(crate) fn mount_root(host: &HostPaths, name: &str, kind: HostKind) -> Result<(), LabError> {
    let image = ensure_image(kind)?;
    let (upper, work, root) = (host.disk.join("upper"), host.disk.join("work"), host.root());
    for folder in [&upper, &work, &root] {
        make_dir(folder)?;
    }
    fs::set_permissions(&upper, fs::Permissions::from_mode(0o755))
        .map_err(LabError::io(format!("can't set the mode of {}", upper.display())))?;
    let layers = format!(
        "redirect_dir=on,lowerdir={},upperdir={},workdir={}",
        image.display(),
        upper.display(),
        work.display()
    );
    run(&["mount", "-t", "overlay", "overlay", "-o", &layers, &root.to_string_lossy()])?;
    write(&root.join("etc/hostname"), format!("{name}\n"))?;
    write(&root.join("etc/hosts"), format!("127.0.0.1 localhost {name}\n"))?;
    let id = read(Path::new("/proc/sys/kernel/random/uuid"))?.replace('-', "");
    write(&root.join("etc/machine-id"), id)
}

/// Lets `reboot` and its kin speak to busybox, which is PID 1 of a plain host, and not to systemd.
pub(crate) fn hand_power_to_busybox(host: &HostPaths) -> Result<(), LabError> {
    for name in ["reboot", "poweroff", "halt"] {
        let path = host.root().join("usr/sbin").join(name);
        // It is there in every Debian; where it isn't, linking succeeds anyway.
        let _ = fs::remove_file(&path);
        symlink("/bin/busybox", &path).map_err(LabError::io(format!("can't link {}", path.display())))?;
    }
    Ok(())
}

/// How large the image of a disk with a quota is: the quota is what bounds it.
const ROOM: &str = "256M";

/// Mounts a disk where snapback keeps its state.
pub(crate) fn mount_state_disk(host: &HostPaths, disk: StateDisk) -> Result<(), LabError> {
    let (image, at) = (host.state_disk(), host.root().join("var/lib/snapback"));
    make_dir(&at)?;
    let (image, at) = (image.to_string_lossy(), at.to_string_lossy());
    let mount = |size: &str, make: &[&str]| {
        run(&["truncate", "-s", size, &image])?;
        run(&[make, &[&image]].concat())?;
        run(&["mount", "-o", "loop", &image, &at])
    };
    match disk {
        StateDisk::Small(megabytes) => {
            mount(&format!("{megabytes}M"), &["mkfs.ext4", "-q", "-m", "0"])?;
        }
        // Quotas of ext4 and XFS don't bind root, who is whom most deploy as; those of btrfs do.
        StateDisk::Quota(megabytes) => {
            mount(ROOM, &["mkfs.btrfs", "-q"])?;
            run(&["btrfs", "quota", "enable", &at])?;
            run(&["btrfs", "qgroup", "limit", &format!("{megabytes}M"), &at])?;
        }
    }
    run(&["chmod", "0700", &at]).map(drop)
}

/// Unmounts everything below a folder, deepest first.
pub(crate) fn unmount_below(folder: &Path) -> Result<(), LabError> {
    let mounts = read(Path::new("/proc/self/mounts"))?;
    let points =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|p| Path::new(p).starts_with(folder));
    for point in points.collect::<Vec<_>>().into_iter().rev() {
        run(&["umount", "-l", point])?;
    }
    Ok(())
}
