//! Proof: the real binary, real kubectl, real processes; only the command line is used.
//!
//! [`Site`] is one `cedge server` in a folder of its own; [`Wire`] is the wire between two of them, which can be cut.
//! Tests run with `CEDGE_E2E=1` (as `cargo xtask ci` does); otherwise each says that it is skipped, and why.

mod attached;
mod chain;
mod clients;
mod disk;
mod folder;
mod foreign;
pub mod hostile;
mod kubectl;
pub mod kubelet;
mod look;
mod machine;
pub mod manifest;
mod processes;
mod site;
mod wait;
mod wire;

pub use attached::Attached;
pub use chain::Chain;
pub use clients::{Clients, Talking, write};
pub use disk::SmallDisk;
pub use folder::Folder;
pub use foreign::Foreign;
pub use kubectl::{Ran, kubectl};
pub use look::{Running, condition, number, text};
pub use machine::Machine;
pub use processes::processes_of;
pub use site::Site;
pub use wait::{Watch, eventually, holds_for};
pub use wire::Wire;

/// Whether tests run here; says why not.
#[must_use]
pub fn enabled(test: &str) -> bool {
    let asked = std::env::var_os("CEDGE_E2E").is_some();
    let kubectl = std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .is_ok();
    match (asked, kubectl) {
        (true, true) => return true,
        (true, false) => skipped(test, "kubectl is not installed"),
        (false, _) => skipped(test, "CEDGE_E2E is not set; `cargo xtask ci` sets it"),
    }
    assert!(
        !asked || std::env::var_os("CI").is_none(),
        "in CI nothing is skipped: {test}"
    );
    false
}

/// Says that a test is skipped, and why.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn skipped(test: &str, why: &str) {
    eprintln!("{test} skipped: {why}");
}

/// A figure that a test measured.
#[expect(clippy::print_stderr, reason = "figures are to be read, not asserted")]
pub fn say(figure: &str) {
    eprintln!("measured: {figure}");
}
