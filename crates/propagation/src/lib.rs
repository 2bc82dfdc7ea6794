//! Worker: Missions down, reports up.
