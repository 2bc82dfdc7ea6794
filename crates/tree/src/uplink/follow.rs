//! The uplink that the file says: it comes, goes and changes with it.

use std::sync::Arc;

use cedge_api::EdgeUplink;
use cedge_informer::Cache;
use cedge_link::TableStore;
use cedge_tasks::{Group, OnError, Trigger};
use tokio::sync::watch;

use super::{Running, Uplink};
use crate::around::{Around, Place};
use crate::hub::Hub;
use crate::reach::Reach;
use crate::{Config, Error};

/// Keeps the uplink that the file says: `cedge join` writes the file and touches the `EdgeUplink`.
pub(crate) struct Uplinks {
    pub(crate) file: Uplink,
    pub(crate) store: TableStore,
    pub(crate) config: Config,
    pub(crate) hub: Hub,
    pub(crate) reach: Reach,
    pub(crate) around: Around,
    pub(crate) slot: Arc<watch::Sender<Option<Running>>>,
    pub(crate) tasks: Group,
}

impl Uplinks {
    /// Starts the uplink, if there is one, and follows changes.
    pub(crate) fn start(self) -> Result<(), Error> {
        let objects: Cache = self.config.informers.of::<EdgeUplink>();
        let woken = Arc::new(watch::channel(0_u64).0);
        let wake = woken.clone();
        objects.subscribe(move |_| wake.send_modify(|n| *n += 1));
        let mut current = self.bring_up(&objects, &woken)?;
        let (mut changes, shutdown) = (woken.subscribe(), self.tasks.shutdown().clone());
        self.tasks.clone().spawn("uplink/follow", async move {
            while let Some(Ok(())) = shutdown.or(changes.changed()).await {
                let known = self.slot.borrow().as_ref().map(|r| r.joined.clone());
                let wanted = match self.file.load() {
                    Ok(wanted) => wanted,
                    Err(error) => {
                        tracing::error!(%error, "the uplink stays as it is");
                        continue;
                    }
                };
                // A renewed certificate is written by the running uplink itself.
                let same = match (&known, &wanted) {
                    (Some(a), Some(b)) => {
                        (&a.parent, &a.addresses, &a.name, a.detached.is_some())
                            == (&b.parent, &b.addresses, &b.name, b.detached.is_some())
                    }
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                if !same {
                    drop(current.take());
                    match self.bring_up(&objects, &woken) {
                        Ok(running) => current = running,
                        Err(error) => tracing::error!(%error, "the new uplink did not start"),
                    }
                }
            }
            drop(current);
        });
        Ok(())
    }

    /// Starts what the file says; it ends when the trigger is dropped.
    fn bring_up(
        &self,
        objects: &Cache,
        woken: &Arc<watch::Sender<u64>>,
    ) -> Result<Option<Trigger>, Error> {
        let Some(joined) = self.file.load()? else {
            self.slot.send_replace(None);
            return Ok(None);
        };
        let (stop, shutdown) = self.tasks.shutdown().child();
        let tasks = Group::new(shutdown);
        let parts = super::Parts {
            store: self.store.clone(),
            around: self.around.clone(),
            tasks: tasks.clone(),
            reach: self.reach.clone(),
            own_labels: self.config.labels.clone(),
            silence: self.config.silence,
            wake: woken.clone(),
        };
        let replaced = joined.replaced.clone();
        let running = super::start(&self.file, joined, &parts)?;
        let place = self.around.place();
        self.around.set_place(Place { replaced, ..place });
        self.slot.send_replace(Some(running.clone()));
        self.around.changed();
        let (hub, shared, told) = (self.hub.clone(), running.clone(), self.around.clone());
        tasks.supervise("uplink/reporting", OnError::Restart, move || {
            super::report(hub.clone(), shared.clone(), told.news())
        });
        let (client, own) = (self.config.client.clone(), self.config.authority.id());
        let (objects, around, woken) = (objects.clone(), self.around.clone(), woken.clone());
        tasks.supervise("uplink/status", OnError::Restart, move || {
            let (client, own) = (client.clone(), own.clone());
            super::show(
                client,
                own,
                objects.clone(),
                running.clone(),
                around.clone(),
                woken.subscribe(),
            )
        });
        Ok(Some(stop))
    }
}
