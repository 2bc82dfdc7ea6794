//! Reports on their way up: summarise, report, merge.

pub mod merge;
pub mod report;
pub mod summarise;
