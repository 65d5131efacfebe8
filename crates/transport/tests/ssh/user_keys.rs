//! A way that names a key is gone by that key.

use crate::bench::{both_fail, command, connector, once};
use snapback_core::way::Way;
use snapback_testkit::sshd::Sshd;
use snapback_transport::ConnectErrorKind;

/// The user's configuration offers the old key too. Were it enough, a new key that was never installed would be
/// confirmed by the old one.
#[tokio::test]
async fn a_new_key_is_not_confirmed_by_the_old_one() {
    let sshd = Sshd::start();
    let not_installed = sshd.stranger_key("new");
    let error = both_fail(&connector(), &Way { identity_file: Some(not_installed), ..sshd.way() }).await;
    assert_eq!(error.kind, ConnectErrorKind::Auth, "{error:?}");
    assert!(error.message.contains("took another key"), "{error:?}");

    let installed = sshd.add_user_key("next");
    let way = Way { identity_file: Some(installed), ..sshd.way() };
    assert_eq!(once(&connector(), &way, command("echo in")).await.unwrap().good(), "in");
}

#[tokio::test]
async fn a_certified_user_key_counts_as_the_key() {
    let sshd = Sshd::start();
    let authority = sshd.stranger_key("authority");
    let key = sshd.stranger_key("mine");
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-I", "me", "-n", user.trim(), "-s"])
        .args([&authority, &key.with_extension("pub")])
        .status()
        .unwrap();
    assert!(status.success());
    let public = std::fs::read_to_string(authority.with_extension("pub")).unwrap();
    std::fs::write(sshd.path("authorized_keys"), format!("cert-authority {public}")).unwrap();
    let way = Way { identity_file: Some(key), ..sshd.way() };
    assert_eq!(once(&connector(), &way, command("echo in")).await.unwrap().good(), "in");
}
