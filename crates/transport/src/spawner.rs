//! Starting ssh so that it can't outlive us.

use crate::options::SetupError;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd;
use std::io;
use std::sync::mpsc;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A thread that does nothing but start processes.
///
/// The kernel sends a child its parent-death signal when the THREAD that started it ends. Runtime threads come
/// and go; this one lives exactly as long as somebody holds the spawner, and that is everybody who holds a child.
#[derive(Debug)]
pub(crate) struct Spawner {
    orders: mpsc::Sender<Order>,
}

struct Order {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self, SetupError> {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("ssh-spawner".to_owned())
            .spawn(move || inbox.into_iter().for_each(carry_out))
            .map_err(SetupError::Thread)?;
        Ok(Self { orders })
    }

    /// Starts a process in a session of its own: Ctrl-C at our terminal isn't for it, and it can't ask there.
    pub(crate) async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.kill_on_drop(true);
        tie_to_us(&mut command);
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts ssh is gone");
        self.orders.send(Order { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn carry_out(mut order: Order) {
    let _inside = order.runtime.enter();
    // When nobody waits for the child any more, it comes back here and is killed by being dropped.
    let _ = order.reply.send(order.command.spawn());
}

/// Has the child leave our session and die when we do.
#[allow(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
fn tie_to_us(command: &mut Command) {
    let parent = unistd::getpid();
    // SAFETY: the closure makes three system calls and allocates nothing, so it is fit to run after a fork of a
    // threaded process.
    unsafe {
        command.pre_exec(move || {
            unistd::setsid()?;
            prctl::set_pdeathsig(Signal::SIGTERM)?;
            // We may have died before the line above: the signal would never come.
            if unistd::getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
}
