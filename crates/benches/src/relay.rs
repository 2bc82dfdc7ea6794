//! The wire between a child and its parent: counts, and can be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// A relay on loopback. What it counts is what TCP carries; heads of packets come on top.
#[derive(Debug, Clone)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Whether it lets through.
    open: watch::Sender<bool>,
    up: AtomicU64,
    down: AtomicU64,
    messages: AtomicU64,
    times: Mutex<Times>,
}

/// When the wire was last used.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The child's last dial that was let through.
    pub dialled: Instant,
    /// The last byte, in any direction.
    pub carried: Instant,
}

/// Bytes so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    /// From the child to the parent.
    pub up: u64,
    /// From the parent to the child.
    pub down: u64,
    /// Pieces, about as many as segments.
    pub messages: u64,
}

impl std::ops::Sub for Carried {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            up: self.up - before.up,
            down: self.down - before.down,
            messages: self.messages - before.messages,
        }
    }
}

impl Relay {
    /// A relay to this address.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn to(there: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let now = Instant::now();
        let relay = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                open: watch::Sender::new(true),
                up: AtomicU64::new(0),
                down: AtomicU64::new(0),
                messages: AtomicU64::new(0),
                times: Mutex::new(Times {
                    dialled: now,
                    carried: now,
                }),
            }),
        };
        let shared = relay.shared.clone();
        cedge_tasks::spawn("bench/relay", async move {
            while let Ok((child, _)) = listener.accept().await {
                // Refused while cut, as a network without a way would.
                if *shared.open.borrow()
                    && let Ok(parent) = TcpStream::connect(there).await
                {
                    shared.times().dialled = Instant::now();
                    let _ = (child.set_nodelay(true), parent.set_nodelay(true));
                    let (child_in, child_out) = child.into_split();
                    let (parent_in, parent_out) = parent.into_split();
                    let (up, down) = (shared.clone(), shared.clone());
                    cedge_tasks::spawn("bench/up", async move {
                        up.carry(child_in, parent_out, |s| &s.up).await;
                    });
                    cedge_tasks::spawn("bench/down", async move {
                        down.carry(parent_in, child_out, |s| &s.down).await;
                    });
                }
            }
        });
        Ok(relay)
    }

    /// Where the child dials.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Severs what is there, and refuses what comes.
    pub fn cut(&self) {
        self.shared.open.send_replace(false);
    }

    /// Lets through again.
    pub fn heal(&self) {
        self.shared.open.send_replace(true);
    }

    /// What it carried so far.
    #[must_use]
    pub fn carried(&self) -> Carried {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Carried {
            up: of(&self.shared.up),
            down: of(&self.shared.down),
            messages: of(&self.shared.messages),
        }
    }

    /// When it was used.
    #[must_use]
    pub fn times(&self) -> Times {
        *self.shared.times()
    }

    /// Waits until nobody dialled and nothing was carried for so long.
    pub async fn quiet(&self, length: Duration) {
        let used = || self.times().carried.max(self.times().dialled);
        loop {
            let since = used();
            tokio::time::sleep_until(since + length).await;
            if used() == since {
                return;
            }
        }
    }
}

impl Shared {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        count: impl Fn(&Self) -> &AtomicU64,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        let mut open = self.open.subscribe();
        loop {
            let read = tokio::select! {
                biased;
                _ = open.wait_for(|open| !open) => return,
                read = from.read(&mut buffer) => read,
            };
            let Ok(length @ 1..) = read else {
                return;
            };
            count(self).fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.times().carried = Instant::now();
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }
}
