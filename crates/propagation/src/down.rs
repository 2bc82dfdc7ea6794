//! Missions on their way down: route, hand over, receive.

pub mod hand_over;
pub mod receive;
pub mod route;
