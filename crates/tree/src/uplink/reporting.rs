//! What goes up besides reports of Missions: the cluster's line about itself and its roster.

use std::collections::BTreeMap;
use std::time::Duration;

use cedge_api::exchange::tables::SELF_KEY;
use cedge_link::{TableError, Writer};
use tokio::sync::watch;

use super::Running;
use crate::hub::Hub;

/// Changes within this time go up together.
const GATHER: Duration = Duration::from_millis(100);

/// Keeps both tables current, for as long as this parent is the parent; as often as it wants to hear of us.
pub(crate) async fn run(
    hub: Hub,
    running: Running,
    mut news: watch::Receiver<u64>,
) -> Result<(), TableError> {
    loop {
        news.borrow_and_update();
        let facts = hub.own_facts();
        let bytes = serde_json::to_vec(&facts).unwrap_or_default();
        if running.tables.cluster.get(SELF_KEY)?.as_deref() != Some(&bytes) {
            running.tables.cluster.put(SELF_KEY, bytes.into()).await?;
        }
        settle(&running.tables.roster, hub.roster_up()).await?;
        if news.changed().await.is_err() {
            return Ok(());
        }
        let pace = running.pace.borrow().report.max(GATHER);
        tokio::time::sleep(pace).await;
    }
}

async fn settle(table: &Writer, wanted: BTreeMap<String, Vec<u8>>) -> Result<(), TableError> {
    for row in table.iter() {
        if !wanted.contains_key(&row.key) && table.get(&row.key)?.is_some() {
            table.remove(&row.key).await?;
        }
    }
    for (key, value) in wanted {
        if table.get(&key)?.as_deref() != Some(&value) {
            table.put(&key, value.into()).await?;
        }
    }
    Ok(())
}
