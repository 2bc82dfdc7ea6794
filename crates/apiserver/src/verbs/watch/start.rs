//! Where a watch begins, and what its client is shown first.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::api::Api;
use crate::cache::{Object, Watcher};
use crate::call::Call;
use crate::query::ListOptions;
use crate::selector::Filter;
use crate::status::Result;

/// What is sent before the changes.
#[derive(Debug, Default)]
pub(super) struct Initial {
    pub(super) objects: VecDeque<Arc<Object>>,
    /// The revision of the bookmark behind them, if one is wanted.
    pub(super) end: Option<u64>,
}

/// Where the watch begins, and what is sent first.
pub(super) async fn start(
    api: &Arc<Api>,
    call: &Call,
    filter: &Filter,
    options: &ListOptions,
) -> Result<(Watcher, Initial)> {
    let kind = &call.resource.cache;
    let version = options.resource_version.as_str();
    let with_state = options
        .send_initial_events
        .unwrap_or(matches!(version, "" | "0"));
    if !with_state && !matches!(version, "" | "0") {
        let revision = crate::verbs::list::plain_revision(version)?;
        api.cache.reach(revision).await?;
        return Ok((
            Watcher::after(&api.cache, kind, revision)?,
            Initial::default(),
        ));
    }
    match version {
        "" => api.cache.fresh().await?,
        "0" => {}
        version => {
            api.cache
                .reach(crate::verbs::list::plain_revision(version)?)
                .await?;
        }
    }
    let listed = kind.list(filter, None, 0, api.cache.revision());
    let watcher = Watcher::from_list(&api.cache, kind, listed.seen, listed.revision);
    // Who asks for any state and for bookmarks is told as well where that ends.
    let streaming = with_state && options.send_initial_events != Some(false);
    let initial = Initial {
        objects: if with_state {
            listed.objects.into()
        } else {
            VecDeque::new()
        },
        end: (streaming && options.bookmarks).then_some(listed.revision),
    };
    Ok((watcher, initial))
}
