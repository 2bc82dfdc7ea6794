//! A relay for TCP connections that misbehaves on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the relay does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Connections are closed, new ones refused.
    Cut,
    /// Connections stay, nothing arrives.
    Swallow,
    /// All arrives later.
    Delay(Duration),
}

pub struct Relay {
    pub address: String,
    mode: watch::Sender<Mode>,
    bytes: Arc<AtomicU64>,
}

impl Relay {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (mode, modes) = watch::channel(Mode::Pass);
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        cedge_tasks::spawn("test/relay", async move {
            while let Ok((near, _)) = listener.accept().await {
                if *modes.borrow() == Mode::Cut {
                    continue;
                }
                let (target, modes) = (target.clone(), modes.clone());
                let counted = Arc::clone(&counted);
                cedge_tasks::spawn("test/relayed", async move {
                    let Ok(far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let mut cut = modes.clone();
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::select! {
                        _ = copy(near_read, far_write, modes.clone(), Arc::clone(&counted)) => {}
                        _ = copy(far_read, near_write, modes, counted) => {}
                        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
                    }
                });
            }
        });
        Self {
            address,
            mode,
            bytes,
        }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Bytes carried since the last call, both ways.
    pub fn take_bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    modes: watch::Receiver<Mode>,
    counted: Arc<AtomicU64>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let mode = *modes.borrow();
        match mode {
            Mode::Swallow => continue,
            Mode::Delay(time) => tokio::time::sleep(time).await,
            Mode::Pass | Mode::Cut => {}
        }
        counted.fetch_add(count as u64, Ordering::Relaxed);
        to.write_all(&buffer[..count]).await?;
    }
}
