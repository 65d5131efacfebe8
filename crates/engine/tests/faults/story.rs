//! One case: runs that are struck, killed and met by others; then a calm world, in which everything must come right.

use crate::claims::{check_rest, check_result, check_settled};
use crate::controller::{Controller, Wish};
use snapback_core::outcome::HostResult;
use snapback_engine::ask::Settled;
use snapback_testkit::faults::model::{Sabotage, World};
use snapback_testkit::faults::{Case, Rng};
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// No run takes longer, however many faults strike it.
const ENDLESS: Duration = Duration::from_secs(2 * 3600);

/// Plays a case in virtual time.
pub(crate) fn play(rng: &mut Rng, case: &mut Case) {
    play_with(rng, case, None);
}

/// Plays a case on targets that may break their word.
pub(crate) fn play_with(rng: &mut Rng, case: &mut Case, sabotage: Option<Sabotage>) {
    let disk =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    *case = runtime.block_on(story(rng, disk.path(), sabotage));
}

async fn story(rng: &mut Rng, disk: &Path, sabotage: Option<Sabotage>) -> Case {
    let names = ["web1", "web2", "web3"];
    let names = &names[..rng.usize(1..=3)];
    let line_faults = rng.u32(1..8);
    let world = World::new(rng, names, line_faults);
    sabotage.into_iter().for_each(|sabotage| world.sabotage(sabotage));
    let wish = Wish::draw(rng, "01FIRST", names);
    match rng.u32(0..4) {
        0 => killed(rng, &world, &wish, disk).await,
        1 => two_at_once(rng, &world, &wish, disk).await,
        _ => undisturbed(&world, &wish, disk).await,
    }
    // The world is calm from here on, and long after.
    world.calm();
    sleep(Duration::from_secs(3600)).await;
    for name in names {
        next_run(rng, &world, name, disk).await;
    }
    world.take_case()
}

async fn undisturbed(world: &World, wish: &Wish, disk: &Path) {
    let controller = Controller::new(world, disk);
    judge_run(world, wish, &controller).await;
}

/// Runs to the end and judges what was said, host by host.
async fn judge_run(world: &World, wish: &Wish, controller: &Controller<'_>) {
    match timeout(ENDLESS, controller.run(wish)).await {
        Ok(said) => {
            world.note(|case| {
                case.expect(said.len() == wish.hosts.len(), || "a host's end was not told".to_owned())
            });
            for (name, result) in said {
                check_result(world, wish, &name, result);
            }
        }
        Err(_) => world.note(|case| case.violate("the run did not end within two hours")),
    }
}

/// The controller dies in the middle; another one, with its records, asks by hand.
async fn killed(rng: &mut Rng, world: &World, wish: &Wish, disk: &Path) {
    let first = Controller::new(world, disk);
    let lives = Duration::from_millis(rng.u64(0..25_000));
    if timeout(lives, first.run(wish)).await.is_err() {
        let name = &wish.hosts[rng.usize(..wish.hosts.len())];
        let state = world.host(name).struck_in();
        world.note(|case| case.strike(state, "controller: killed"));
    }
    first.line.kill();
    sleep(Duration::from_millis(rng.u64(0..20_000))).await;
    let second = Controller::new(world, disk);
    for name in &wish.hosts {
        let (asker, job) = (second.asker(), wish.job(name));
        let settled = match rng.u32(0..3) {
            0 => asker.standing(&job).await.map(|_| None),
            1 => asker.confirm(&job, None, &[]).await.map(Some),
            _ => asker.roll_back(&job, None, "by hand").await.map(Some),
        };
        if let Ok(Some(settled)) = settled {
            check_settled(world, name, &wish.run, &settled);
        }
    }
}

/// Another controller runs at the same time: one of them has the host, the other is told.
async fn two_at_once(rng: &mut Rng, world: &World, wish: &Wish, disk: &Path) {
    let names: Vec<&str> = wish.hosts.iter().map(String::as_str).collect();
    let other = Wish::draw(rng, "02OTHER", &names);
    let later = Duration::from_millis(rng.u64(0..15_000));
    let (first, second) = (Controller::new(world, disk), Controller::new(world, disk));
    let late = async {
        sleep(later).await;
        let state = world.host(names[0]).struck_in();
        world.note(|case| case.strike(state, "controller: a second one"));
        judge_run(world, &other, &second).await;
    };
    tokio::join!(judge_run(world, wish, &first), late);
}

/// The next run needs no hand work; where a rollback failed, it says so, and a rollback by hand mends it.
async fn next_run(rng: &mut Rng, world: &World, name: &str, disk: &Path) {
    let controller = Controller::new(world, disk);
    let wish = Wish::draw(rng, &format!("03NEXT{name}"), &[name]);
    let standing = controller.asker().standing(&wish.job(name)).await;
    // What that visit has found without a guard is undone by now.
    sleep(Duration::from_secs(60)).await;
    check_rest(world, name);
    let stuck = world.host(name).open().is_some();
    if stuck {
        let said = controller.run(&wish).await;
        let refused = said == [(name.to_owned(), HostResult::Refused)];
        world.note(|case| case.expect(refused, || format!("{name}: stuck, and the next run says {said:?}")));
        unstick(&controller, world, &wish, name).await;
    }
    let wish = Wish { run: format!("04LAST{name}"), content: format!("new by 04LAST{name}"), ..wish };
    let said = controller.run(&wish).await;
    let good = said == [(name.to_owned(), HostResult::Confirmed)];
    world.note(|case| case.expect(good, || format!("{name}: {standing:?}, and the next run says {said:?}")));
    check_rest(world, name);
}

async fn unstick(controller: &Controller<'_>, world: &World, wish: &Wish, name: &str) {
    for _ in 0..3 {
        let settled = controller.asker().roll_back(&wish.job(name), None, "by hand").await;
        if let Ok(Settled::RolledBack(_)) = settled {
            return;
        }
    }
    world.note(|case| case.violate(format!("{name}: a failed rollback could not be mended by hand")));
}
