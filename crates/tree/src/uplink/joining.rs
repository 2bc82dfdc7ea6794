//! Joining a parent with a token, or another parent in its place.

use std::collections::BTreeMap;

use cedge_api::ClusterName;
use cedge_link::{JoinRequest, PeerKind, Proxy};
use cedge_pki::JoinToken;
use cedge_tasks::clock;

use super::file::{self, Joined, Uplink};

/// What somebody wants who joins.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The token, as it was written.
    pub token: String,
    /// The name wanted.
    pub name: ClusterName,
    /// Labels brought.
    pub labels: BTreeMap<String, String>,
    /// `host:port` of an HTTP proxy on the way.
    pub proxy: Option<String>,
    /// Whether another parent may be left for this one.
    pub replace: bool,
}

/// Why this cluster has not joined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] cedge_pki::join::TokenError),
    /// There is another parent.
    #[error(
        "this cluster already has the parent {have}; to leave it for the one of this token, say `cedge join --replace TOKEN`"
    )]
    HasParent {
        /// Its name.
        have: String,
    },
    /// What is remembered of the parent cannot be read or written.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The parent.
    #[error(transparent)]
    Join(#[from] cedge_link::JoinError),
}

fn carried(token: &JoinToken) -> cedge_link::JoinToken {
    cedge_link::JoinToken {
        addresses: token.addresses.clone(),
        ca_sha256: token.ca_sha256.0,
        id: token.id.clone(),
        secret: token.secret.clone(),
    }
}

/// Joins, and remembers it. With the parent that this cluster already has, it is only a new certificate.
///
/// # Errors
/// See [`Error`]; nothing is remembered unless all went well.
pub async fn join(uplink: &Uplink, wish: Wish) -> Result<Joined, Error> {
    let token: JoinToken = wish.token.trim().parse()?;
    let before = uplink.load()?;
    let pin = token.ca_sha256;
    if let Some(before) = &before
        && before.parent != pin.id()
        && before.detached.is_none()
        && !wish.replace
    {
        return Err(Error::HasParent {
            have: before.parent_name.clone(),
        });
    }
    let csr = uplink.authority().key().request();
    let request = JoinRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.clone(),
        csr,
        name: wish.name.to_string(),
        kind: PeerKind::Cluster,
        labels: wish.labels,
        clock: clock::now().as_second(),
    };
    let proxy = wish.proxy.clone().map(|address| Proxy {
        address,
        credentials: None,
    });
    let given = cedge_link::join(&carried(&token), request, proxy.as_ref()).await?;
    let mut replaced = before
        .as_ref()
        .map(|b| b.replaced.clone())
        .unwrap_or_default();
    if let Some(before) = before.filter(|b| b.parent != given.parent) {
        for heir in replaced.values_mut().filter(|heir| **heir == before.parent) {
            *heir = given.parent.clone();
        }
        replaced.insert(before.parent, given.parent.clone());
    }
    let joined = Joined {
        parent: given.parent,
        parent_name: given.parent_name,
        name: given.name,
        addresses: token.addresses,
        proxy: wish.proxy,
        chain: given.chain,
        ca: given.ca,
        replaced,
        detached: None,
    };
    uplink.save(&joined)?;
    Ok(joined)
}
