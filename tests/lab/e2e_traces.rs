//! What a rollback leaves behind: nothing; and what `forget` leaves: nothing at all.

use crate::e2e_stage::{LIMITS, Stage, assert_quiet};

/// Every sort of thing that a change can replace, remove or come upon.
const WORLD: &str = "mkdir -p /etc/shop/conf.d /srv/www\n\
    cd /etc/shop\n\
    echo acl >acl; setfacl -m u:deploy:rw,g:games:r acl; chmod 0640 acl\n\
    echo xattr >xattr; setfattr -n user.note -v 'a b' xattr; setfattr -n trusted.note -v t xattr\n\
    cp /bin/true capable; setcap cap_net_raw+ep capable\n\
    echo linked >linked; ln linked linked-too; ln linked /srv/linked-elsewhere\n\
    echo real >real; ln -s real link; ln -s /nowhere dangling\n\
    printf 'suid' >suid; chown 33:33 suid; chmod 6755 suid\n\
    echo old >conf.d/10-old; mkdir conf.d/deep; echo deep >conf.d/deep/file; chown 7:8 conf.d/deep; chmod 3751 conf.d/deep\n\
    setfacl -d -m u:deploy:rx conf.d/deep\n\
    touch -h -d 2001-02-03T04:05:06.070809010Z link dangling acl xattr capable linked suid conf.d/10-old conf.d/deep/file\n\
    echo page >/srv/www/index.html; ln -s index.html /srv/www/home; mkfifo /srv/www/pipe; setfacl -m u:deploy:r /srv/www/index.html\n\
    touch -d 2002-02-03T04:05:06.070809010Z conf.d/deep conf.d . /srv/www /srv\n";

#[test]
fn a_rollback_leaves_content_and_metadata_as_they_were() {
    let stage = Stage::new("traces");
    let [host] = stage.systemd(["app1"]);
    host.exec_sh(WORLD).unwrap();
    stage.file("new/90-new", "new\n");
    let mut fleet = format!("[hosts.app1]\n{LIMITS}\n[[changes]]\nkind = \"files\"\n");
    for file in ["acl", "xattr", "capable", "linked", "link", "suid"] {
        fleet.push_str(&format!("[[changes.files]]\ncontent = \"new\\n\"\ndest = \"/etc/shop/{file}\"\nmode = \"0600\"\nowner = \"games\"\n"));
    }
    fleet.push_str(
        "[[changes.files]]\nsymlink_to = \"acl\"\ndest = \"/etc/shop/real\"\n\
         [[changes.files]]\nsymlink_to = \"real\"\ndest = \"/etc/shop/dangling\"\n\
         [[changes.files]]\ncontent = \"new\\n\"\ndest = \"/etc/shop/absent/before/file\"\n\
         [[changes.files]]\nsource = \"new/\"\ndest = \"/etc/shop/conf.d/\"\ndir_mode = \"0711\"\npurge = true\n\
         [[changes]]\nkind = \"script\"\nwatch = [\"/srv/www\"]\n\
         apply = \"cd /srv/www; echo more >>index.html; setfacl -b index.html; rm home pipe; mkdir home; echo x >home/x; false\"\n",
    );
    // The boot hook comes with the first run, and is no part of what is compared.
    stage.run("[hosts.app1]\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"script\"\napply = \"true\"\nrollback = \"true\"\n").expect("app1", "confirmed", 0);
    let look = || host.tree_digest(&["/etc", "/srv"]).unwrap();
    let before = look();
    let said = stage.run(&fleet);
    let ending = said.expect("app1", "rolled_back", 1);
    assert!(ending.cause.contains("script"), "{ending:?}");
    assert_eq!(
        said.events("app1", "change_finished").len(),
        1,
        "the files were put in place first: {said:#?}"
    );
    assert_eq!(before.differences(&look()), Vec::<String>::new());
    assert_quiet(&host);
}

#[test]
fn doctor_is_content_and_forget_leaves_no_trace() {
    let stage = Stage::new("forget");
    let [host] = stage.systemd(["app1"]);
    let look =
        || host.tree_digest(&["/etc", "/var/lib", "/usr/local", "/root"]).unwrap().without_directory_times();
    let before = look();
    let fleet = "[hosts.app1]\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"script\"\napply = \"true\"\nrollback = \"true\"\n";
    let file = stage.fleet(fleet);
    let said = stage.says(&["doctor", &file]);
    println!("{}", said.out);
    assert_eq!(said.code, Some(0), "{said:?}");
    stage.run(fleet).expect("app1", "confirmed", 0);
    assert!(!before.differences(&look()).is_empty());
    let said = stage.says(&["doctor", &file]);
    println!("{}", said.out);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("installed"), "{said:?}");
    let said = stage.says(&["forget", "--yes", &file]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "app1: forgotten\n"), "{said:?}");
    assert_eq!(before.differences(&look()), Vec::<String>::new());
    host.exec_sh("! systemctl list-units --all --plain --no-legend 'snapback*' | grep .").unwrap();
    // And it begins anew as if nothing had been.
    stage.run(fleet).expect("app1", "confirmed", 0);
}
