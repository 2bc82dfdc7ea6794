//! Chores of this repository: `cargo xtask COMMAND`.

mod ci;
mod clients;
mod fuzz;
mod layers;
mod oracle;
mod schema;
mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match command.as_str() {
        "ci" => ci::run(),
        "clients" => clients::run(),
        "fuzz" => fuzz::run(&args),
        "oracle" => oracle::run(),
        "schema" => schema::run(&args),
        "tidy" => tidy::run(),
        other => bail!("unknown command `{other}`; known: ci, clients, fuzz, oracle, schema, tidy"),
    }
}
