//! `deploy demo`.

use crate::args::{DemoArgs, GlobalArgs};

pub(crate) async fn run(_global: GlobalArgs, _args: DemoArgs) -> anyhow::Result<u8> {
    anyhow::bail!("the demo is not there yet")
}
