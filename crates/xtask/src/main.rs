//! Chores of this repository: `cargo xtask COMMAND`.

mod schema;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match command.as_str() {
        "schema" => schema::run(&args),
        other => bail!("unknown command `{other}`; known: schema"),
    }
}
