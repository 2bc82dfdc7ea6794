//! Taking a port.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A port that could not be taken, with what most likely helps.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {hint}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What is probably wrong and what to do about it.
    pub hint: &'static str,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

/// Takes a port. With port 0 the system chooses one: ask the listener which.
///
/// # Errors
/// Says which address, and what most likely helps.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|cause| BindError {
        address,
        hint: hint(&cause),
        cause,
    })
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there already (a second cedge?); stop it or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one"
        }
        io::ErrorKind::AddrNotAvailable => "no network interface of this machine has that address",
        _ => "the system refused",
    }
}
