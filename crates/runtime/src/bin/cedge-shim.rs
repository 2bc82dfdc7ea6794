//! The container's parent as a program of its own: for tests, and for hosts that want it small. The `cedge`
//! binary does the same when its first argument is `__shim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cedge_runtime::shim::intercept().unwrap_or_else(|| ExitCode::from(64))
}
