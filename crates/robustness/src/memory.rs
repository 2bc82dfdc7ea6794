//! What a process occupies.

/// The resident memory of a process in bytes; 0 if it is gone.
#[must_use]
pub fn resident(process: u32) -> u64 {
    status(process, "VmRSS:")
}

/// What of it is its own, in bytes: not the pages of its program and files, of which it has more the more it has done.
#[must_use]
pub fn own(process: u32) -> u64 {
    status(process, "RssAnon:")
}

/// The most that a process has occupied since it was started, in bytes.
#[must_use]
pub fn peak(process: u32) -> u64 {
    status(process, "VmHWM:")
}

fn status(process: u32, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// Bytes as MiB, to be read.
#[must_use]
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
