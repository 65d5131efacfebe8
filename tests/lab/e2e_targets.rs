//! The same promises on every sort of host: each init's boot hook, and a guard that is no unit.

use crate::e2e_stage::{Running, Said, Stage};
use snapback_testkit::lab::{HostKind, LabHost};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// A sort of host, and what must be said of it.
#[derive(Clone, Copy)]
struct Sort {
    name: &'static str,
    kind: HostKind,
    backend: &'static str,
    hook: &'static str,
    state: &'static str,
    /// Makes the host what it is, once.
    prepare: &'static str,
    /// Has whoever brings the network up write down what it finds in `/etc/shop/conf`.
    witness: &'static str,
}

const IF_UP: &str = "printf '#!/bin/sh\\n[ -e /run/seen ] || cat /etc/shop/conf >/run/seen\\n' >/etc/network/if-pre-up.d/look; chmod 0755 /etc/network/if-pre-up.d/look";

const SORTS: [Sort; 4] = [
    Sort {
        name: "openrc",
        kind: HostKind::OpenRc,
        backend: "bare",
        hook: "openrc",
        state: "/var/lib/snapback",
        prepare: "true",
        witness: IF_UP,
    },
    Sort {
        name: "sysvinit",
        kind: HostKind::Sysvinit,
        backend: "bare",
        hook: "sysvinit",
        state: "/var/lib/snapback",
        prepare: "true",
        witness: IF_UP,
    },
    Sort {
        name: "openwrt",
        kind: HostKind::OpenWrt,
        backend: "bare",
        hook: "openwrt",
        state: "/etc/snapback/state",
        prepare: "true",
        witness: "printf '#!/bin/sh\\ncat /etc/shop/conf >/run/seen\\n' >/etc/rc.d/S12look; chmod 0755 /etc/rc.d/S12look",
    },
    Sort {
        name: "no-run",
        kind: HostKind::Systemd,
        backend: "systemd",
        hook: "systemd",
        state: "/var/lib/snapback",
        prepare: "rm /usr/bin/systemd-run",
        witness: "printf '[Unit]\\nDefaultDependencies=no\\nAfter=network-pre.target\\n[Service]\\nType=oneshot\\nExecStart=/bin/cp /etc/shop/conf /run/seen\\n' \
                  >/etc/systemd/system/look.service; mkdir -p /etc/systemd/system/network-pre.target.wants; ln -s ../look.service /etc/systemd/system/network-pre.target.wants/; \
                  mkdir -p /etc/systemd/system/ssh.service.d; printf '[Unit]\\nAfter=look.service\\nWants=look.service\\n' >/etc/systemd/system/ssh.service.d/x.conf",
    },
];

/// Runs a story on a host of each sort, beside each other.
fn on_each(name: &str, story: impl Fn(&Stage, &Target) + Sync) {
    let stage = Stage::new(name);
    thread::scope(|scope| {
        for sort in SORTS {
            let (stage, story) = (&stage, &story);
            scope.spawn(move || {
                let host = stage.lab.host(sort.name).kind(sort.kind).boot().unwrap();
                host.exec_sh(sort.prepare).unwrap();
                host.exec_sh(
                    "mkdir -p /etc/shop; echo before >/etc/shop/conf; echo script >/etc/shop/by-script",
                )
                .unwrap();
                story(stage, &Target { sort, host });
            });
        }
    });
}

struct Target {
    sort: Sort,
    host: LabHost,
}

impl Target {
    fn fleet(&self, confirm: &str, changes: &str) -> String {
        format!(
            "[hosts.{}]\nconnect_timeout = \"2s\"\n[confirm]\nsettle = \"0s\"\n{confirm}\n{changes}",
            self.sort.name
        )
    }

    /// A file, a script that can be undone, and a wait in which all is armed and ready.
    fn waiting(&self, stage: &Stage) -> Running {
        let fleet = self.fleet(
            "timeout = \"30s\"\napply_timeout = \"30s\"",
            "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\n\
             [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/added\"\n\
             [[changes]]\nkind = \"script\"\napply = \"echo all >/etc/shop/by-script\"\n\
             rollback = \"echo script >/etc/shop/by-script\"\n\
             [[checks]]\nname = \"wait\"\nwhere = \"local\"\nrun = \"sleep 20; false\"\ntimeout = \"21s\"\nhealthy_deadline = \"19s\"\n",
        );
        let run = stage.start(&fleet, &[]);
        self.wait_for(15, "cd \"$T\" && test -e ready && test -e /etc/shop/added");
        run
    }

    /// Runs a script in the host with `$S` as the state and `$T` as the newest transaction.
    fn script(&self, script: &str) -> snapback_testkit::lab::Ran {
        let whole = format!("S={}; for T in $S/tx/*; do :; done; {script}", self.sort.state);
        self.host.exec(&["sh", "-c", &whole]).unwrap()
    }

    fn wait_for(&self, seconds: u64, script: &str) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.script(script).success() {
            assert!(
                Instant::now() < end,
                "{}: not within {seconds} s: {script}\n{}",
                self.sort.name,
                self.record()
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn record(&self) -> String {
        let ran = self.script("tail -n 40 $T/journal; ls -la $S $S/tx/*; ps -ef 2>/dev/null || ps; ls -l /etc/rc*.d /etc/runlevels/*");
        ran.stdout + &ran.stderr
    }

    /// Nothing of a transaction is left: no unit file, no process, no lock.
    fn assert_quiet(&self) {
        self.wait_for(
            5,
            "test ! -e $S/current && ! ls /run/systemd/system/snapback-* 2>/dev/null && ! pgrep -af 'snapback.*/agent[.]sh'",
        );
    }

    /// Boots, and returns what the very first ssh connection saw.
    fn boot(&self, stage: &Stage) -> String {
        self.host.start().unwrap();
        self.first_look(stage)
    }

    fn first_look(&self, stage: &Stage) -> String {
        self.host.wait_until_reachable(Duration::from_secs(30)).unwrap();
        let look = "cat /etc/shop/conf; test -e /etc/shop/added && echo added; true";
        let said = stage.ssh(&[self.sort.name, look]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    }

    fn assert_mended(&self, stage: &Stage, run: Running) {
        let said: Said = run.end();
        said.expect(self.sort.name, "rolled_back", 1);
        self.assert_undone(stage);
    }

    fn assert_undone(&self, stage: &Stage) {
        self.wait_for(10, "grep -q ^rolled_back $T/done");
        self.assert_quiet();
        assert_eq!(self.host.exec_sh("cat /etc/shop/conf /etc/shop/by-script").unwrap(), "before\nscript\n");
        let next = self.fleet("", "[[changes]]\nkind = \"script\"\napply = \"true\"\nrollback = \"true\"\n");
        stage.run(&next).expect(self.sort.name, "confirmed", 0);
    }
}

#[test]
fn every_sort_of_host_confirms_undoes_a_lock_out_in_time_and_forgets_without_a_trace() {
    on_each("sorts", |stage, target| {
        let (sort, host) = (target.sort, &target.host);
        let traces = "cd /etc; find . -name '*snapback*' | sort; ls rc*.d runlevels/*; cat init.d/.depend.* | tr ' ' '\\n' | sort; ls /var/lib /run/systemd/system";
        let before = target.script(traces).stdout;
        let change = |text: &str| {
            format!(
                "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"{text}\\n\"\ndest = \"/etc/shop/conf\"\n"
            )
        };
        let fleet = target.fleet("timeout = \"20s\"", &change("after"));
        let file = stage.fleet(&fleet);
        let doctor = stage.says(&["doctor", &file]);
        assert!(doctor.out.contains(sort.hook) && doctor.out.contains(sort.backend), "{doctor:#?}");
        let plan = stage.says(&["plan", &file]);
        assert!(
            plan.out
                .contains(&format!("{}; after a reboot the boot hook undoes ({})", sort.backend, sort.hook)),
            "{plan:#?}"
        );

        let said = stage.run(&fleet);
        said.expect(sort.name, "confirmed", 0);
        let armed = &said.events(sort.name, "guard_armed")[0];
        assert_eq!((&armed["backend"], &armed["boot_hook"]), (&sort.backend.into(), &sort.hook.into()));
        target.assert_quiet();
        assert!(stage.says(&["doctor", &file]).out.contains("installed ("), "{}", target.record());
        host.power_cut().unwrap();
        assert_eq!(target.boot(stage), "after\n", "a boot after the confirmation changes nothing");

        let shut = "nft add table inet shut; nft 'add chain inet shut c { type filter hook input priority 0; }'; \
                    nft 'add rule inet shut c ct state established accept'; nft 'add rule inet shut c tcp dport 22 drop'";
        let lock_out = format!(
            "{}[[changes]]\nkind = \"script\"\napply = \"\"\"{shut}\"\"\"\n\
             rollback = \"nft delete table inet shut; sed 's/ .*//; s/[.]//' /proc/uptime >/run/back-at\"\n",
            change("shut")
        );
        let said = stage.run(&target.fleet("timeout = \"6s\"\napply_timeout = \"30s\"", &lock_out));
        let ending = said.expect(sort.name, "rolled_back", 1);
        assert!(ending.state.contains("the old state is back, verified"), "{ending:?}");
        let late = target.script("echo $(($(cat /run/back-at) - $(head -n 1 $T/applied) - 600))").stdout;
        println!("{}: the way in was open again {}0 ms after the deadline", sort.name, late.trim());
        assert!((0..=150).contains(&late.trim().parse::<i64>().unwrap()), "{late}: {}", target.record());
        assert_eq!(target.host.exec_sh("cat /etc/shop/conf").unwrap(), "after\n");
        target.assert_quiet();

        let said = stage.says(&["forget", "--yes", &file]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(target.script(traces).stdout, before);
        assert!(!target.script("test -e $S || test -e /etc/snapback").success());
    });
}

#[test]
fn a_power_cut_while_waiting_is_undone_before_the_network_and_sshd_on_every_sort_of_host() {
    on_each("sortcut", |stage, target| {
        target.host.exec_sh(target.sort.witness).unwrap();
        let run = target.waiting(stage);
        target.host.power_cut().unwrap();
        assert_eq!(target.boot(stage), "before\n", "{}", target.record());
        let seen = target.host.exec_sh("cat /run/seen").unwrap();
        assert_eq!(
            seen,
            "before\n",
            "{}: seen by what brings the network up\n{}",
            target.sort.name,
            target.record()
        );
        target.assert_mended(stage, run);
    });
}

#[test]
fn with_supervisor_and_backup_killed_the_next_contact_or_the_next_boot_undoes_on_every_sort_of_host() {
    on_each("sortkill", |stage, target| {
        for contact in [true, false] {
            let mut run = target.waiting(stage);
            run.child.kill().unwrap();
            run.child.wait().unwrap();
            let behead = "pkill -KILL -f '[p]ayload .* begin'; read -r s _ <$T/supervisor; read -r b _ 2>/dev/null <$T/backup; i=${T##*/}; \
                          ! command -v systemctl >/dev/null || systemctl stop snapback-$i-backup.timer snapback-$i-guard.service; \
                          kill -KILL $s $b 2>/dev/null; sleep 1.2; test ! -e $T/turn.1";
            assert!(target.script(behead).success(), "{}", target.record());
            if contact {
                let said = stage.says(&["status", &stage.fleet(&target.fleet("", ""))]);
                assert_eq!(said.code, Some(0), "{said:?}");
            } else {
                let before = target.host.exec_sh("cat /proc/sys/kernel/random/boot_id").unwrap();
                target.host.exec(&["reboot"]).unwrap();
                let end = Instant::now() + Duration::from_secs(25);
                while !target.host.answers_within(Duration::from_millis(100))
                    || target.host.exec_sh("cat /proc/sys/kernel/random/boot_id").ok() == Some(before.clone())
                {
                    assert!(Instant::now() < end, "{} didn't come back", target.sort.name);
                    sleep(Duration::from_millis(20));
                }
                assert_eq!(target.first_look(stage), "before\n");
            }
            target.assert_undone(stage);
        }
    });
}

#[test]
fn a_host_whose_process_1_runs_no_hook_is_refused_unless_the_guard_may_be_volatile() {
    let stage = Stage::new("nohook");
    let host = stage.lab.plain_host("app1").unwrap();
    // What only looks as if an init were there: as in a container of a whole distribution.
    host.exec_sh(
        "mkdir -p /etc/rcS.d /etc/rc.d /etc/runlevels/boot /run/systemd/system /run/openrc; touch /etc/rc.common; \
         : >/run/openrc/softlevel; mkfifo /run/initctl; \
         for p in rc-update update-rc.d; do printf '#!/bin/sh\\nexit 0\\n' >/usr/local/sbin/$p; chmod 0755 /usr/local/sbin/$p; done",
    )
    .unwrap();
    let fleet = "[hosts.app1]\n[confirm]\nsettle = \"0s\"\n[[changes]]\nkind = \"script\"\napply = \"true\"\nrollback = \"true\"\n";
    let said = stage.run(fleet);
    let ending = said.expect("app1", "refused", 1);
    assert!(ending.cause.contains("boot hook"), "{ending:?}");
    let said = stage.start(fleet, &["--volatile-guard"]).end();
    said.expect("app1", "confirmed", 0);
    let armed = &said.events("app1", "guard_armed")[0];
    assert_eq!((&armed["backend"], &armed["boot_hook"]), (&"bare".into(), &"none".into()));
    host.exec_sh("! find /etc -name '*snapback-boot*' | grep .").unwrap();
}
