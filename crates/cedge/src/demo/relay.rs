//! The wire between a child and its parent, in the demo's hand: it can be cut.

use std::net::SocketAddr;

use anyhow::Context as _;
use cedge_tasks::Group;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A relay on loopback. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    cut: watch::Sender<bool>,
}

impl Relay {
    /// Relays from `listen` to `to`, cut or not.
    pub(super) async fn open(
        listen: SocketAddr,
        to: SocketAddr,
        cut: bool,
        tasks: &Group,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("the demo's relay on {listen}"))?;
        let relay = Self {
            cut: watch::channel(cut).0,
        };
        let (this, group) = (relay.clone(), tasks.clone());
        tasks.spawn(format!("relay/{listen}"), async move {
            let shutdown = group.shutdown().clone();
            while let Some(accepted) = shutdown.or(listener.accept()).await {
                // A cut wire refuses: the connection is dropped at once.
                if let (Ok((stream, _)), false) = (accepted, *this.cut.borrow()) {
                    let (cut, stop) = (this.cut.subscribe(), group.shutdown().clone());
                    group.spawn("relay/connection", async move {
                        stop.or(carry(stream, to, cut)).await;
                    });
                }
            }
        });
        Ok(relay)
    }

    /// Severs every connection now and refuses new ones, or lets them through again.
    pub(super) fn set_cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }
}

async fn carry(mut here: TcpStream, to: SocketAddr, mut cut: watch::Receiver<bool>) {
    let Ok(mut there) = TcpStream::connect(to).await else {
        return;
    };
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    tokio::select! {
        biased;
        _ = cut.wait_for(|cut| *cut) => {}
        // How a connection ends is for its two ends to say.
        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
    }
}
