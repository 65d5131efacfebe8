//! A machine's kernel and disk: made once from the lab's tree, and kept.

use crate::lab::HostKind;
use crate::lab::LabError;
use crate::lab::{cache, ensure_image, lock, make_dir, run};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

const BUILD: &str = include_str!("shell/build-vm.sh");

/// Returns the folder with `vmlinuz`, `disk`, `id_ed25519` and `known_hosts`; makes it first if it isn't there.
///
/// # Errors
/// When the lab's tree can't be had, or the kernel can't be fetched from the archive that the tree came from.
pub fn ensure_vm_image() -> Result<PathBuf, LabError> {
    let tree = ensure_image(HostKind::Systemd)?;
    let image = cache().join(format!("vm-{}", key(&tree.to_string_lossy())));
    if image.is_dir() {
        return Ok(image);
    }
    make_dir(&cache())?;
    let _lock = lock(&cache().join("vm.lock"))?;
    if image.is_dir() {
        return Ok(image);
    }
    let partial = cache().join(format!("vm-partial-{}", std::process::id()));
    let script = cache().join("build-vm.sh");
    fs::write(&script, BUILD).map_err(LabError::io(format!("can't write {}", script.display())))?;
    run(&["rm", "-rf", &partial.to_string_lossy()])?;
    run(&["sh", &script.to_string_lossy(), &tree.to_string_lossy(), &partial.to_string_lossy()])?;
    fs::rename(&partial, &image).map_err(LabError::io(format!("can't rename {}", partial.display())))?;
    Ok(image)
}

/// Changes whenever the disk would.
fn key(tree: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(tree.as_bytes());
    digest.update(BUILD.as_bytes());
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
