//! What the page about snapshots tells people to type does what it says.

use crate::pages::page;
use std::fs;
use std::process::Command;

#[test]
fn what_is_typed_by_hand_puts_a_file_back() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path.trim_start_matches('/'));
    let write = |path: &str, text: &str| {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), text).unwrap();
    };
    write("/etc/shop/shop.conf", "new\n");
    write("/root/x", "");
    let snap = "/var/lib/snapback/tx/01ABC/job/c/0/snap";
    write(&format!("{snap}/etc/shop/shop.conf"), "old\n");
    let blocks = page("docs/snapshots.md").blocks("sh");
    assert_eq!(blocks.len(), 3, "one to compare, one to put back, one to keep");
    let mut said = String::new();
    for block in blocks {
        let here = ["/var/lib", "/etc/shop", "/root"]
            .iter()
            .fold(block.replace("./etc", "./@"), |text, path| {
                text.replace(path, &at(path).display().to_string())
            })
            .replace("./@", "./etc");
        let ran = Command::new("sh").args(["-ec", &here]).output().unwrap();
        assert!(ran.status.success(), "{here}: {}", String::from_utf8_lossy(&ran.stderr));
        said.push_str(&String::from_utf8_lossy(&ran.stdout));
    }
    assert!(said.contains("< old") && said.contains("> new"), "{said}");
    let read = |path: &str| fs::read_to_string(at(path)).unwrap();
    assert_eq!([read("/etc/shop/shop.conf"), read("/root/before/etc/shop/shop.conf")], ["old\n", "old\n"]);
    assert_eq!(fs::read_dir(at("/etc/shop")).unwrap().count(), 1, "nothing is left beside it");
}
