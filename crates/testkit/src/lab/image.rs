//! The trees that hosts share: a Debian one, and those that are made out of it for other inits. Built once, kept,
//! never written to again.

use super::error::LabError;
use super::kind::HostKind;
use super::mirror;
use super::paths::{cache, make_dir, write};
use super::program::run;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is in the tree besides Debian's own minimum.
const PACKAGES: &str = "acl,attr,busybox,dbus,dropbear-bin,e2fsprogs,iproute2,libcap2-bin,libpam-systemd,mksh,\
                        nftables,opendoas,openssh-server,procps,sudo,systemd,systemd-sysv";

const PROVISION: &str = include_str!("shell/provision.sh");
const DERIVE: &str = include_str!("shell/derive.sh");
const RC: &str = include_str!("shell/rc");

/// Busybox's init, the PID 1 of plain hosts: runs the boot script, reaps, and obeys `reboot`.
const INITTAB: &str = "::sysinit:/usr/lib/snapback-lab/rc\n::ctrlaltdel:/bin/busybox reboot -f\n";

/// Builds what isn't there yet of all trees: about a minute for Debian's, and half a minute for the others.
pub fn ensure_images() -> Result<(), LabError> {
    HostKind::ALL.into_iter().try_for_each(|kind| ensure_image(kind).map(drop))
}

/// Returns the tree of a kind of host, and builds it first if it isn't there yet.
pub(crate) fn ensure_image(kind: HostKind) -> Result<PathBuf, LabError> {
    let base = kept("image", &key(&[PACKAGES, PROVISION, RC, INITTAB, &mirror::suite()]), build)?;
    let name = match kind {
        HostKind::Plain | HostKind::Systemd => return Ok(base),
        HostKind::OpenRc => "openrc",
        HostKind::Sysvinit => "sysvinit",
        HostKind::OpenWrt => "openwrt",
    };
    let base_name = base.to_string_lossy();
    kept(name, &key(&[DERIVE, &base_name]), |tree| derive(&base_name, name, tree))
}

/// Returns the tree of this name, and has it built first if it isn't there yet.
fn kept(
    name: &str,
    key: &str,
    build: impl FnOnce(&Path) -> Result<(), LabError>,
) -> Result<PathBuf, LabError> {
    let cache = cache();
    make_dir(&cache)?;
    let image = cache.join(format!("{name}-{key}"));
    if image.is_dir() {
        return Ok(image);
    }
    let _lock = lock(&cache.join("image.lock"))?;
    if image.is_dir() {
        return Ok(image);
    }
    remove_partial_ones(&cache)?;
    let partial = cache.join(format!("partial-{}", std::process::id()));
    build(&partial)?;
    fs::rename(&partial, &image).map_err(LabError::io(format!("can't rename {}", partial.display())))?;
    Ok(image)
}

/// Waits until nobody else holds the file, and holds it while the returned value lives.
pub(crate) fn lock(path: &Path) -> Result<File, LabError> {
    let doing = format!("can't lock {}", path.display());
    let file = File::create(path).map_err(LabError::io(doing.clone()))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|errno| LabError::io(doing)(errno.into()))?;
    Ok(file)
}

/// Changes whenever the tree would.
fn key(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a tree out of Debian's.
fn derive(base: &str, name: &str, tree: &Path) -> Result<(), LabError> {
    let script = tree.with_extension("sh");
    write(&script, DERIVE)?;
    run(&["sh", &script.to_string_lossy(), base, name, &tree.to_string_lossy()])?;
    fs::remove_file(&script).map_err(LabError::io(format!("can't remove {}", script.display())))
}

fn build(tree: &Path) -> Result<(), LabError> {
    let source = mirror::source();
    let packages = format!("--include={PACKAGES}");
    let target = tree.to_string_lossy();
    let mut argv = vec!["debootstrap", "--variant=minbase", &packages, &source.suite, &target];
    argv.extend(source.archive.as_deref());
    run(&argv)?;
    write(&tree.join("etc/inittab"), INITTAB)?;
    install_script(tree, "usr/lib/snapback-lab/rc", RC)?;
    install_script(tree, "etc/rc.local", "#!/bin/sh\nexit 0\n")?;
    install_script(tree, "provision.sh", PROVISION)?;
    run(&["chroot", &target, "/provision.sh"])?;
    run(&["rm", &tree.join("provision.sh").to_string_lossy()])?;
    Ok(())
}

fn install_script(tree: &Path, path: &str, content: &str) -> Result<(), LabError> {
    let path = tree.join(path);
    make_dir(path.parent().unwrap_or(tree))?;
    write(&path, content)?;
    let doing = format!("can't make {} executable", path.display());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(LabError::io(doing))
}

fn remove_partial_ones(cache: &Path) -> Result<(), LabError> {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("partial-") {
            run(&["rm", "-rf", "--one-file-system", &entry.path().to_string_lossy()])?;
        }
    }
    Ok(())
}
