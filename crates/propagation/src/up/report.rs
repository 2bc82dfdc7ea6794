//! Station 11 of the walk: the line and the fold of all below it go up.
//! Before: `merge` here. After: the parent's `merge`.
//! Durable: the last report, until acknowledged. Never: speaks of a Mission that the parent did not hand over.

use cedge_api::MissionKey;
use cedge_fold::Report;

use crate::ports::{Outgoing, PortError};

/// Makes the report due to the parent; says whether it is news.
///
/// # Errors
/// If the table refuses. Retry.
pub async fn report(
    up: &dyn Outgoing,
    key: &MissionKey,
    report: &Report,
) -> Result<bool, PortError> {
    let key = key.to_string();
    let value = serde_json::to_vec(report)
        .expect("a report is plain data")
        .into();
    if up.get(&key).as_ref() == Some(&value) {
        return Ok(false);
    }
    up.put(&key, value).await?;
    Ok(true)
}

/// The Mission is gone from this cluster and everything below: the parent's finalizer may fall.
///
/// # Errors
/// If the table refuses. Retry.
pub async fn gone(up: &dyn Outgoing, key: &MissionKey) -> Result<(), PortError> {
    up.remove(&key.to_string()).await
}
