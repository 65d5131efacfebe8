//! `deploy init HOST...`: a short fleet file that runs as it stands.

use crate::args::InitArgs;
use crate::exit::Usage;
use crate::faces::print;
use anyhow::Context;
use snapback_core::host::HostName;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

/// Runs the command. It asks nothing and overwrites nothing.
pub(crate) fn run(args: &InitArgs) -> anyhow::Result<u8> {
    let hosts: Vec<HostName> = args
        .hosts
        .iter()
        .map(|h| HostName::parse(h).map_err(|e| Usage(format!("error: {h:?}: {e}"))))
        .collect::<Result<_, _>>()?;
    let text = snapback_fleet::starter(&hosts);
    let path = &args.file;
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(|| format!("{} can't be written", path.display()))?
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                Usage(format!("error: {} exists already; nothing was written", path.display())).into()
            );
        }
        Err(error) => return Err(Usage(format!("error: {}: {error}", path.display())).into()),
    }
    print(&format!("wrote {0}\nnext: deploy doctor {0} && deploy {0}", path.display()));
    Ok(0)
}
