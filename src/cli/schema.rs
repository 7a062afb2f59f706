use super::{Failed, output::print};
use crate::config::schema;

pub(super) fn run() -> Result<(), Failed> {
    print(&format!("{:#}\n", schema()))?;
    Ok(())
}
