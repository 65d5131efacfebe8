//! What goes on while nothing happens.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Does something again and again; stops when it is dropped.
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts doing it, on a thread of this name.
    pub(crate) fn start(name: &str, period: Duration, mut tick: impl FnMut() + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let go_on = move || {
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        };
        // Without a thread things move with the events alone, which is no reason to fail a run.
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(go_on).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It can only have panicked while showing something, which the default hook has already told.
            let _panicked = thread.join();
        }
    }
}
